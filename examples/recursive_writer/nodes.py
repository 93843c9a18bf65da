"""Tasks, and the rules by which their status moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

DEEPEST = 2
"""Tasks at this depth are not split any more."""


class Kind(Enum):
    """What a task is to bring."""

    TEXT = "text"
    NOTES = "notes"


class Status(Enum):
    """How far a task has come."""

    WAITING = "waiting"
    READY = "ready"
    PLANNED = "planned"
    DONE = "done"


@dataclass(eq=False)
class Node:
    """One task of the tree.

    Attributes:
        key: Its place in the tree, as ``0.2.1``.
        kind: What it is to bring.
        goal: What that is about.
        depth: How far it is from the root.
        needs: Tasks that must be done before.
        parts: Tasks into which it was split; none for one that is done in one go.
        status: How far it has come.
        result: The text that came of it.
    """

    key: str
    kind: Kind
    goal: str
    depth: int = 0
    needs: list[Node] = field(default_factory=list)
    parts: list[Node] = field(default_factory=list)
    status: Status = Status.WAITING
    result: str = ""

    @property
    def is_done(self) -> bool:
        """True once there is a result."""
        return self.status is Status.DONE

    def add_part(self, kind: Kind, goal: str) -> None:
        """Split off a task, which needs what this one needs and all parts before it."""
        key = f"{self.key}.{len(self.parts) + 1}"
        needs = [*self.needs, *self.parts]
        self.parts.append(Node(key, kind, goal, self.depth + 1, needs))

    def move_to(self, status: Status) -> None:
        """Take on a status."""
        self.status = status

    def walk(self) -> Iterator[Node]:
        """The task and everything below, parts first."""
        for part in self.parts:
            yield from part.walk()
        yield self


@dataclass(frozen=True)
class Rule:
    """One move: from a status, under a condition, by an action if it takes one, to the next."""

    status: Status
    condition: Callable[[Node], bool]
    action: str | None
    next_status: Status

    def fits(self, node: Node) -> bool:
        """True if the task can make this move now."""
        return node.status is self.status and self.condition(node)


RULES = (
    Rule(Status.WAITING, lambda node: all(n.is_done for n in node.needs), None, Status.READY),
    Rule(Status.READY, lambda node: node.kind is Kind.NOTES, "retrieve", Status.DONE),
    Rule(Status.READY, lambda node: node.depth >= DEEPEST, None, Status.PLANNED),
    Rule(Status.READY, lambda _: True, "plan", Status.PLANNED),
    Rule(Status.PLANNED, lambda node: not node.parts, "write", Status.DONE),
    Rule(Status.PLANNED, lambda node: all(p.is_done for p in node.parts), "join", Status.DONE),
)
"""The first that fits a task is its next move."""


def next_move(node: Node) -> Rule | None:
    """The move that a task can make now, if any."""
    return next((rule for rule in RULES if rule.fits(node)), None)
