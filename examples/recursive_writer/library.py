"""What can be read: a library of a few shelves, the same for every goal."""

from __future__ import annotations

from dataclasses import dataclass

SHELVES = ("encyclopaedia", "journal", "newspaper", "letters")


@dataclass(frozen=True)
class Source:
    """Something to read."""

    title: str
    text: str


def search(goal: str) -> list[Source]:
    """One source from each shelf."""
    return [
        Source(shelf, f"From the {shelf}: what is known of {goal}, by those who were there.")
        for shelf in SHELVES
    ]
