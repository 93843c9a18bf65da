"""What the help desk does with a ticket."""

from __future__ import annotations

from typing import Any

from inhouse_engine.engine import END, Node, Ticket
from inhouse_engine.models import ask
from inhouse_engine.prompts import choose
from inhouse_engine.tools import search


class Sort(Node):
    """Finds out what a ticket is about."""

    name = "sort"

    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:
        """Ask the model for one word."""
        ticket.move_to("open")
        memory["topic"] = ask(choose("sort", ticket).fill(question=ticket.question))
        return "known" if memory["topic"] in {"bill", "delivery"} else "unknown"


class Look(Node):
    """Looks the topic up."""

    name = "look"

    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:  # noqa: ARG002 - the engine's
        """Take what the handbook says."""
        memory["passages"] = search(memory["topic"])
        return "done"


class Answer(Node):
    """Writes the answer."""

    name = "answer"

    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:
        """Ask the model, with what was found and what was wrong with the answer before."""
        prompt = choose("answer", ticket)
        values = {"question": ticket.question, "passages": "\n".join(memory["passages"])}
        memory["answer"] = ask(prompt.fill(**values, remark=memory.get("remark", "none")))
        return "done"


class Check(Node):
    """Reads the answer as a colleague would."""

    name = "check"

    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:
        """Ask the model whether the answer is good; what it says otherwise is kept."""
        verdict = ask(choose("check", ticket).fill(answer=memory["answer"]))
        if verdict == "good":
            ticket.move_to("answered")
            return "good"
        memory["remark"] = verdict
        ticket.move_to("reopened")
        return "poor"


class GiveUp(Node):
    """Leaves a ticket to a person; its state says that it has failed."""

    name = "give up"

    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:
        """Say so."""
        ticket.move_to("left")
        memory["answer"] = "A colleague will write to you."
        return "failed"


NODES: list[Node] = [Sort(), Look(), Answer(), Check(), GiveUp()]
ROUTES = {
    ("sort", "known"): "look",
    ("sort", "unknown"): "give up",
    ("look", "done"): "answer",
    ("answer", "done"): "check",
    ("check", "poor"): "answer",
    ("check", "good"): END,
    ("give up", "failed"): END,
}
