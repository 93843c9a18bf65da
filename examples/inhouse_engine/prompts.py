"""The prompts, and which is taken."""

from __future__ import annotations

from dataclasses import dataclass

from inhouse_engine.engine import Ticket


@dataclass(frozen=True)
class Prompt:
    """A text with gaps."""

    name: str
    version: str
    text: str

    def fill(self, **values: str) -> str:
        """The text with its gaps filled."""
        return self.text.format(**values)


PROMPTS = {
    "sort": Prompt(
        "sort", "1", "One word, bill, delivery or other: what is this about?\n{question}"
    ),
    "answer": Prompt("answer", "2", "Answer: {question}\nHandbook: {passages}\nMind: {remark}"),
    "answer again": Prompt("answer", "2-again", "Better: {question}\n{passages}\nMind: {remark}"),
    "check": Prompt("check", "1", 'Is this answer "good"? Else say what is missing.\n{answer}'),
}


def choose(kind: str, ticket: Ticket) -> Prompt:
    """The prompt for a kind of work on a ticket."""
    again = f"{kind} again"
    return PROMPTS[again if ticket.status == "reopened" and again in PROMPTS else kind]
