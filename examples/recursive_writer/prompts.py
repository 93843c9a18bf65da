"""The prompts, and which of them is asked in which state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recursive_writer.nodes import Node


@dataclass(frozen=True)
class Prompt:
    """A text with gaps, for tasks in a certain state."""

    name: str
    version: str
    suits: Callable[[Node], bool]
    text: str

    def fill(self, **values: str) -> str:
        """The text with its gaps filled."""
        return self.text.format(**values)


REGISTRY = (
    Prompt(
        "plan",
        "outline",
        lambda node: node.depth == 0,
        'Outline an article about "{goal}".\n'
        'Answer with a JSON list of {{"kind": "notes" or "text", "goal": "..."}}; '
        "notes come first.",
    ),
    Prompt(
        "plan",
        "refine",
        lambda _: True,
        'Can "{goal}" be written in one go?\n'
        "Then answer with []. Otherwise answer with a JSON list of its parts, each "
        '{{"kind": "text", "goal": "..."}}.',
    ),
    Prompt(
        "summarize",
        "brief",
        lambda _: True,
        'Say in two sentences what this source tells about "{goal}".\n\n{source}',
    ),
    Prompt(
        "write",
        "opening",
        lambda node: not any(need.kind is node.kind for need in node.needs),
        'Write the first section, "{goal}".\n\nNotes:\n{notes}',
    ),
    Prompt(
        "write",
        "continuation",
        lambda _: True,
        'Write the next section, "{goal}".\n\nIt follows on:\n{notes}',
    ),
    Prompt(
        "join",
        "sections",
        lambda _: True,
        'Join these sections into one text about "{goal}", and say nothing twice.\n\n{sections}',
    ),
)


def choose(name: str, node: Node) -> Prompt:
    """The first prompt of that name which suits the state of the task."""
    return next(each for each in REGISTRY if each.name == name and each.suits(node))
