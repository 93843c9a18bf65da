"""The tables of what is tested of each client, from the drivers and from what the tests ask.

A row is a call; its columns say in which forms it is made and which answers it gets.  What is in no
table is not tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from conformance.discovery import absent, clients_of
from conformance.endings import EARLY
from conformance.vocabulary import Client, Way

HEAD: Final = ("call", "seen as", "whole", "streamed", "answers", "also as")

_ANSWERS: Final = ("cache", "reasoning", "tools", "choices", "refusal")


def endings() -> str:
    """How the tests end every stream, in words."""
    return ", ".join(f"{ending.name}" for ending in EARLY)


def rows(driver: str) -> list[tuple[str, ...]] | None:
    """A row for each call of a driver's clients; ``None`` where the client is not installed."""
    if driver in absent():
        return None
    return [row for client in clients_of(driver) for row in _rows_of(client)]


def _rows_of(client: Client) -> Iterator[tuple[str, ...]]:
    ways = sorted(client.ways, key=lambda way: (way.call, way.operation))
    for (call, operation), group in groupby(ways, key=lambda way: (way.call, way.operation)):
        same = list(group)
        yield (
            f"`{call}`",
            f"`{operation}`",
            _forms(way for way in same if not way.stream),
            _forms(way for way in same if way.stream),
            _answers(same),
            ", ".join(dict.fromkeys(way.variant for way in same if way.variant)),
        )


def _forms(ways: Iterable[Way]) -> str:
    kinds = {way.asynchronous for way in ways}
    return ", ".join(("async" if each else "sync") for each in sorted(kinds))


def _answers(ways: Iterable[Way]) -> str:
    able = frozenset().union(*(way.can for way in ways))
    return ", ".join(each for each in _ANSWERS if each in able)
