"""Values and conditions of a span map: texts with paths in them, and tests of what a path finds.

A text stands for itself, ``{path}`` in it for what the path finds.  A text that is one path and
nothing else keeps the value's type: ``"{len(self.nodes)}"`` is a number.  Where a path finds
nothing the whole text is unknown, and what it was for is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

from flowspan.instrumentation.integration import AttributeValue
from flowspan.instrumentation.spanmap.paths import (
    MOST_ITEMS,
    NO_TABLES,
    Path,
    PathError,
    Scope,
    Tables,
    parse_path,
)

_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WRITTEN: Final = (date, Decimal, PurePath, UUID)
_PLAIN: Final = frozenset({str, bool, float})
_EXACTLY: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__index__),
    (float, float.__float__),
)
"""How a value of a subclass becomes a plain one, past what the subclass does instead."""
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Value:
    """What the map says of one value: a constant, a text with paths, or a list of such texts.

    Attributes:
        parts: Constants and paths, in order.
        many: True for a list, whose items are the parts.
        roots: The names that its paths start from.
    """

    parts: tuple[Any, ...]
    many: bool
    roots: frozenset[str]

    def read(self, scope: Scope) -> AttributeValue | None:
        """The value for a call; ``None`` if unknown."""
        if not self.many and len(self.parts) == 1:
            (part,) = self.parts
            if type(part) is not Path:
                return cast("AttributeValue", part)
            value = part.read(scope)
            return value if type(value) is str else attribute_value(value)
        found = [
            attribute_value(part.read(scope)) if isinstance(part, Path) else part
            for part in self.parts
        ]
        if self.many:
            return attribute_value([item for item in found if item is not None])
        return None if None in found else "".join(map(_text, found))

    def text(self, scope: Scope) -> str | None:
        """The value as a text, for names."""
        value = self.read(scope)
        return None if value is None else _text(value)


def parse_value(data: str | float | Sequence[Any], tables: Tables = NO_TABLES) -> Value:
    """Parse a value as it stands in the map.

    Args:
        data: A text with ``{paths}``, a number, a boolean, or a list of such.
        tables: The map's tables, by name.

    Returns:
        The value, ready to read.

    Raises:
        PathError: A brace or a path in it is wrong.
    """
    if isinstance(data, str):
        return _value(_template(data, tables), many=False)
    if isinstance(data, Sequence):
        parts = [_template(item, tables) if isinstance(item, str) else [item] for item in data]
        for item, found in zip(data, parts, strict=True):
            if len(found) != 1:
                raise PathError(f'"{item}" mixes text and paths: in a list, expected one or other')
        return _value([part for found in parts for part in found], many=True)
    return _value([data], many=False)


def _value(parts: Sequence[Any], *, many: bool) -> Value:
    roots = [part.roots for part in parts if isinstance(part, Path)]
    return Value(tuple(parts), many, frozenset().union(*roots))


def _template(text: str, tables: Tables) -> list[Any]:
    parts: list[Any] = []
    constant = ""
    start = 0
    for match in _BRACES.finditer(text):
        constant += text[start : match.start()]
        start = match.end()
        if match[0] in {"{{", "}}"}:
            constant += match[0][0]
        elif match[1] is None:
            raise PathError(
                f'"{text}" has a single "{match[0]}": expected {{path}}, or {{{{ or }}}}'
            )
        else:
            parts += [constant] if constant else []
            parts.append(parse_path(match[1].strip(), tables))
            constant = ""
    constant += text[start:]
    return [*parts, constant] if constant or not parts else parts


def attribute_value(value: Any) -> AttributeValue | None:
    """The value as an attribute may hold it; ``None`` where it may not.

    Texts, numbers and booleans pass; an Enum's member gives its name, a class its name, and dates,
    decimals, paths and UUIDs their usual text; lists and tuples are converted item by item.
    Other objects are never turned into text: that would run code of the program's.
    """
    kind = type(value)  # what an object says of its own class may be anything
    if kind in _PLAIN:
        return cast("AttributeValue", value)
    try:
        return _converted(value, kind)
    except Exception:  # noqa: BLE001 - a class of the program's may do anything when it is asked
        return None


def _converted(value: Any, kind: type) -> AttributeValue | None:
    if issubclass(kind, Enum):
        return attribute_value(value.name)
    if kind is int:
        return value if abs(value) <= _LARGEST else str(value)
    for sequence in (list, tuple):
        if issubclass(kind, sequence):
            return _list(sequence.__getitem__(value, slice(MOST_ITEMS)))
    for plain, exactly in _EXACTLY:
        if issubclass(kind, plain):
            return attribute_value(exactly(value))
    if issubclass(kind, type):
        return cast("str", value.__name__)
    return str(value) if issubclass(kind, _WRITTEN) else None


def _list(values: Sequence[Any]) -> AttributeValue:
    found = [attribute_value(item) for item in values]
    kinds = {type(item) for item in found}
    if len(kinds) > 1 or not kinds <= {str, bool, int, float}:
        return [_text(item) for item in found if item is not None]
    return cast("AttributeValue", found)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


def _equal(value: Any, expected: Any) -> bool:
    # True is 1 in Python; in a map they are two things.
    return bool(value == expected) and isinstance(value, bool) is isinstance(expected, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _like(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and fnmatchcase(value, pattern)


TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "above": lambda value, bound: _number(value) and value > bound,
    "below": lambda value, bound: _number(value) and value < bound,
    "differs_from": lambda value, other: not _equal(value, other),
    "equals": _equal,
    "exists": lambda value, expected: (value is not None) is expected,
    "in": lambda value, choices: any(_equal(value, choice) for choice in choices),
    "like": _like,
    "not_equals": lambda value, expected: not _equal(value, expected),
    "not_like": lambda value, pattern: isinstance(value, str) and not _like(value, pattern),
    "not_in": lambda value, choices: not any(_equal(value, choice) for choice in choices),
    "same_as": _equal,
}
"""The tests of a condition; each takes what was found and what the map says."""

OF_TWO_PATHS: Final = frozenset({"differs_from", "same_as"})
"""The tests that compare with what another path finds."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of what a path finds.

    What is unknown fulfils nothing but ``exists = false``, and ``differs_from`` what is known.

    Attributes:
        path: Where to look.
        test: A name of :data:`TESTS`.
        expected: What the map says; a path for the tests of two paths.
    """

    path: Path
    test: str
    expected: Any

    @property
    def roots(self) -> frozenset[str]:
        """The names that its paths start from."""
        return self.path.roots | (self.expected.roots if self._of_two else frozenset())

    @property
    def _of_two(self) -> bool:
        return self.test in OF_TWO_PATHS

    def holds(self, scope: Scope) -> bool:
        """Whether it is fulfilled for a call."""
        found = self.path.read(scope)
        if self.test == "exists":
            return TESTS["exists"](found, self.expected)
        value, expected = attribute_value(found), self.expected
        if self._of_two:
            expected = attribute_value(expected.read(scope))
            if self.test == "differs_from":
                return not _equal(value, expected)
        return value is not None and TESTS[self.test](value, expected)


def parse_condition(data: Mapping[str, Any], tables: Tables = NO_TABLES) -> Condition:
    """Parse a condition as it stands in the map: a path and one test.

    Raises:
        PathError: A path is wrong.
    """
    test = next(name for name in data if name != "path")
    path = parse_path(data["path"], tables)
    expected = parse_path(data[test], tables) if test in OF_TWO_PATHS else data[test]
    return Condition(path, test, expected)
