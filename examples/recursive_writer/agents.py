"""The agents, one for each action that a rule may ask for."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from recursive_writer import library, prompts
from recursive_writer.models import Models
from recursive_writer.nodes import Kind, Node

ATTEMPTS = 3
"""How often an agent asks before it gives up."""

Parse = Callable[[str], Any]


class UnusableAnswerError(ValueError):
    """A model's answer is not in the form that was asked for."""


class Agent(ABC):
    """Does one kind of work on a task."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @abstractmethod
    def work(self, node: Node) -> None:
        """Do it; what comes of it is put into the task."""

    def ask(self, prompt: str, parse: Parse) -> Any:
        """Ask the author, and repeat the prompt while the answer cannot be parsed.

        Raises:
            UnusableAnswerError: The last answer was as bad as those before.
        """
        for number in range(1, ATTEMPTS):
            try:
                return self.attempt(prompt, parse, number)
            except UnusableAnswerError:
                continue
        return self.attempt(prompt, parse, ATTEMPTS)

    def attempt(self, prompt: str, parse: Parse, number: int) -> Any:
        """Ask once; ``number`` says for which time."""
        del number  # for those who watch
        return parse(self.models.answer(prompt))


class Planner(Agent):
    """Splits a task, or leaves it whole."""

    def work(self, node: Node) -> None:
        """Add the parts that the author asks for; a task without any is written in one go."""
        prompt = prompts.choose("plan", node).fill(goal=node.goal)
        try:
            parts = self.ask(prompt, parse_plan)
        except UnusableAnswerError:
            parts = []
        for kind, goal in parts:
            node.add_part(kind, goal)


class Retriever(Agent):
    """Reads what the library has, several sources at a time."""

    def work(self, node: Node) -> None:
        """Take notes from every source that can be read."""
        sources = library.search(node.goal)
        with ThreadPoolExecutor(max_workers=len(sources)) as pool:
            notes = pool.map(lambda source: self.note(node, source), sources)
            node.result = "\n".join(note for note in notes if note)

    def note(self, node: Node, source: library.Source) -> str:
        """A note from one source; none, if the reader is not to be had."""
        try:
            return f"- {source.title}: {self.summarize(node, source)}"
        except httpx.HTTPError:
            return ""

    def summarize(self, node: Node, source: library.Source) -> str:
        """What a source says about the task's goal."""
        prompt = prompts.choose("summarize", node)
        return self.models.read(prompt.fill(goal=node.goal, source=source.text))


class Writer(Agent):
    """Writes a section."""

    def work(self, node: Node) -> None:
        """Write it in view of everything that the task needs."""
        notes = "\n\n".join(need.result for need in node.needs)
        prompt = prompts.choose("write", node)
        node.result = self.models.stream(prompt.fill(goal=node.goal, notes=notes))


class Joiner(Agent):
    """Makes one text of many."""

    def work(self, node: Node) -> None:
        """Join what was written; notes stay out."""
        written = [part.result for part in node.parts if part.kind is Kind.TEXT]
        prompt = prompts.choose("join", node)
        text = prompt.fill(goal=node.goal, sections="\n\n".join(written))
        node.result = self.ask(text, str.strip)


AGENTS: dict[str, type[Agent]] = {
    "plan": Planner,
    "retrieve": Retriever,
    "write": Writer,
    "join": Joiner,
}
"""The agent of each action."""


def parse_plan(answer: str) -> list[tuple[Kind, str]]:
    """The parts that a plan names.

    Raises:
        UnusableAnswerError: It is no JSON list of parts.
    """
    try:
        return [(Kind(part["kind"]), str(part["goal"])) for part in json.loads(answer)]
    except (ValueError, TypeError, KeyError) as error:
        raise UnusableAnswerError(f"no plan: {answer[:40]!r}") from error
