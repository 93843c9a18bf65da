"""Reads JSON and TOML so that one can say on which line a value stands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn

Path = tuple[str | int, ...]
"""Keys and indexes from the top of a document down to a value."""


class Document(NamedTuple):
    """A document, and where in its text its values are.

    Attributes:
        value: What it says; numbers are whole numbers and exact decimals.
        lines: The line, from 1, of each value; of a member, the line of its key.
    """

    value: Any
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """The line of a value, else of the nearest one around it whose line is known."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class UnreadableError(ValueError):
    """A text that is no document of its kind; the message says why and where."""


def read_json(text: str) -> Document:
    """Read JSON, strictly: a key twice in an object is an error.

    Raises:
        UnreadableError: It is not JSON.
    """
    reader = _JsonReader(text)
    try:
        value, end = reader.value(reader.space(0), ())
        if reader.space(end) != len(text):
            reader.refuse("nothing more", reader.space(end))
    except json.JSONDecodeError as error:
        raise UnreadableError(f"line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"line {reader.line}: not JSON that can be read: {error}") from None
    return Document(value, reader.lines)


class _JsonReader:
    """Walks through objects and arrays itself, and leaves all other values to ``json``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Path, int] = {}
        self.line = 1
        self._read = 0
        decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=self._constant)
        self._scalar = decoder.raw_decode

    def value(self, at: int, path: Path) -> tuple[Any, int]:
        line = self._line_at(at)
        self.lines.setdefault(path, line)
        first = self.text[at : at + 1]
        if first == "{":
            members: dict[str, Any] = {}
            return members, self._items(at, "}", lambda here: self._member(here, path, members))
        if first == "[":
            items: list[Any] = []
            return items, self._items(at, "]", lambda here: self._item(here, path, items))
        return self._scalar(self.text, at)

    def space(self, at: int) -> int:
        """The end of the white space at ``at``."""
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def refuse(self, expected: str, at: int) -> NoReturn:
        raise json.JSONDecodeError(f"expected {expected}", self.text, at)

    def _line_at(self, at: int) -> int:
        """The line of a position, none before those asked so far."""
        self.line += self.text.count("\n", self._read, at)
        self._read = at
        return self.line

    def _constant(self, name: str) -> NoReturn:
        self.refuse(f"a number instead of {name}", self._read)

    def _items(self, at: int, close: str, item: Callable[[int], int]) -> int:
        at = self.space(at + 1)
        if self.text.startswith(close, at):
            return at + 1
        while True:
            at = self.space(item(at))
            if self.text.startswith(close, at):
                return at + 1
            if not self.text.startswith(",", at):
                self.refuse(f"',' or '{close}'", at)
            at = self.space(at + 1)

    def _item(self, at: int, path: Path, items: list[Any]) -> int:
        value, end = self.value(at, (*path, len(items)))
        items.append(value)
        return end

    def _member(self, at: int, path: Path, members: dict[str, Any]) -> int:
        if not self.text.startswith('"', at):
            self.refuse("a name in double quotes", at)
        name, colon = self._scalar(self.text, at)
        if name in members:
            self.refuse(f"{name!r} only once", at)
        colon = self.space(colon)
        if not self.text.startswith(":", colon):
            self.refuse("':'", colon)
        self.lines[*path, name] = self._line_at(at)
        members[name], end = self.value(self.space(colon + 1), (*path, name))
        return end


_SPACE: Final = re.compile(r"[ \t\n\r]*")


def read_toml(text: str, table: str) -> Document:
    """Read TOML; lines are known of the array of tables called ``table`` and of their keys.

    Raises:
        UnreadableError: It is not TOML.
    """
    try:
        value = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(f"not TOML: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not TOML that can be read: {error}") from None
    return Document(value, _toml_lines(text, table))


def _toml_lines(text: str, table: str) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(table)}[\"']?\s*\]\]")
    index = -1
    for number, line in enumerate(text.splitlines(), start=1):
        if header.match(line):
            index += 1
            lines[table, index] = number
        elif found := _TOML_KEY.match(line):
            path: Path = (found[1],) if index < 0 else (table, index, found[1])
            lines.setdefault(path, number)
    return lines


_TOML_KEY: Final = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*(?:=|\.)")
