"""Parses the values, paths and conditions of a part of a span map, and keeps what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from flowspan.instrumentation.spanmap.lines import Location
from flowspan.instrumentation.spanmap.paths import NO_TABLES, Path, PathError, Tables, parse_path
from flowspan.instrumentation.spanmap.schema import Problem
from flowspan.instrumentation.spanmap.values import (
    OF_TWO_PATHS,
    Condition,
    Value,
    parse_condition,
    parse_value,
)

Moment = Literal["before", "after", "failure", "end"]
"""When a path is read; ``end`` is after the call, whichever way it went."""

_NOT_YET: Final[Mapping[str, Mapping[str, str]]] = {
    "before": {
        "result": "the result is known only after the call",
        "error": "an error is known only after the call has failed",
        "before": "before the call nothing is remembered yet",
    },
    "after": {"error": "a call that has returned has no error"},
    "failure": {"result": "a call that has failed has no result"},
    "end": {},
}


class Parsing:
    """Reads a part of a map.

    Attributes:
        problems: What was found to be wrong; a part with problems is of no use.
        tables: The map's tables, by name.
        roots: The names that its paths start from.
    """

    def __init__(self, location: Location, tables: Tables = NO_TABLES) -> None:
        self.problems: list[Problem] = []
        self.tables = tables
        self.roots: set[str] = set()
        self._location = location

    def unknown(self, root: str, moment: Moment) -> str | None:
        """Why a root means nothing at a moment of a call; ``None`` where it means something."""
        return _NOT_YET[moment].get(root)

    def value(
        self, table: Mapping[str, Any], inner: Location, key: str, moment: Moment
    ) -> Value | None:
        """The value under a key; ``None`` if there is none or it is wrong."""
        if key not in table:
            return None
        try:
            value = parse_value(table[key], self.tables)
        except PathError as wrong:
            self.wrong((*inner, key), str(wrong))
            return None
        self._check_roots(value.roots, (*inner, key), moment)
        return value

    def path(
        self, table: Mapping[str, Any], inner: Location, key: str, moment: Moment
    ) -> Path | None:
        """The path under a key; ``None`` if there is none or it is wrong."""
        if key not in table:
            return None
        text = table[key]
        try:
            path = parse_path(text, self.tables)
        except PathError as wrong:
            hint = "; here it stands without braces" if "{" in text else ""
            self.wrong((*inner, key), f"{wrong}{hint}")
            return None
        self._check_roots(path.roots, (*inner, key), moment)
        return path

    def conditions(
        self, table: Mapping[str, Any], inner: Location, moment: Moment, key: str = "when"
    ) -> tuple[Condition, ...]:
        """The conditions under a key, without those that are wrong."""
        found = []
        for data, place in listed(table, key, inner):
            paths = [self.path(data, place, "path", moment)]
            paths += [self.path(data, place, test, moment) for test in OF_TWO_PATHS & data.keys()]
            if None not in paths:
                found.append(parse_condition(data, self.tables))
        return tuple(found)

    def wrong(self, inner: Location, sentence: str) -> None:
        """Keep a sentence about what is wrong at a place inside the part."""
        self.problems.append(Problem((*self._location, *inner), sentence))

    def _check_roots(self, roots: frozenset[str], inner: Location, moment: Moment) -> None:
        self.roots |= roots
        for root in sorted(roots):
            if (why := self.unknown(root, moment)) is not None:
                self.wrong(inner, f'"{root}" is not known here: {why}')


def listed(
    table: Mapping[str, Any], key: str, inner: Location
) -> list[tuple[Mapping[str, Any], Location]]:
    """The tables under a key that takes one or a list of them, with their places."""
    found = table.get(key, [])
    if not isinstance(found, list):
        return [(found, (*inner, key))]
    return [(each, (*inner, key, index)) for index, each in enumerate(found)]
