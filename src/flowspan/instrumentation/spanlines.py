"""Tells on which line of a TOML or YAML file each key stands, for sentences about wrong maps.

``tomllib`` gives values and no lines.  But a TOML file is a sequence of statements, each of which
begins on a line of its own and is a TOML document by itself, and no statement that is cut at the
end of a line is one.  So the shortest run of lines that ``tomllib`` accepts is one statement, and
what it says is found by parsing it alone: the parser is ``tomllib``'s own, strings, comments and
brackets included.  It is asked only when there is something to complain about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

Location = tuple[str | int, ...]
"""Where something stands in the data: keys and indexes from the top, as ``("rows", 2, "kind")``."""

_HEADER: Final = "["


def line_of(lines: Mapping[Location, int], location: Location) -> int:
    """The line of a place, or of the nearest thing around it that has one; 1 at the top."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 1)


def toml_lines(text: str) -> dict[Location, int]:
    """The line of each table, key and item of a TOML file.

    Args:
        text: A file that ``tomllib`` accepts.

    Returns:
        Line numbers, from 1, by place.  What stands inside a value has the line on which the
        value's key stands.
    """
    lines: dict[Location, int] = {}
    lengths: dict[Location, int] = {}
    table: Location = ()
    for line, is_header, data in _statements(text):
        if is_header:
            table = _open(data, lengths)
            _note(lines, table, line)
        else:
            for location in _places(data):
                _note(lines, (*table, *location), line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """Each statement: its first line, whether it is a header, and what it says by itself."""
    pending: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        pending.append(line)
        try:
            data = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue  # the statement goes on
        if data:
            first = number - len(pending) + 1
            yield first, pending[0].lstrip().startswith(_HEADER), data
        pending.clear()


def _open(header: dict[str, Any], lengths: dict[Location, int]) -> Location:
    """The place of the table that a header opens."""
    table: Location = ()
    inner: Any = header
    while inner:
        key, inner = next(iter(inner.items()))
        table = (*table, key)
        if isinstance(inner, list):  # [[table]]: one more item
            lengths[table] = lengths.get(table, 0) + 1
            inner = None
        if table in lengths:
            table = (*table, lengths[table] - 1)
    return table


def _places(value: Any) -> Iterator[Location]:
    """Every place inside a value, itself not included."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        yield (key,)
        for location in _places(inner):
            yield (key, *location)


def yaml_lines(node: Any) -> dict[Location, int]:
    """The line of each key and item of a YAML document.

    Args:
        node: The root that PyYAML composed; ``None`` for an empty document.

    Returns:
        Line numbers, from 1, by place.
    """
    lines: dict[Location, int] = {}
    if node is not None:
        _walk(node, (), lines, set())
    return lines


def _walk(node: Any, location: Location, lines: dict[Location, int], above: set[int]) -> None:
    if id(node) in above:  # an alias of something that it is itself a part of
        return
    inner: list[tuple[str | int, Any, Any]] = []
    if node.id == "mapping":
        inner = [(key.value, key, value) for key, value in node.value if key.id == "scalar"]
    elif node.id == "sequence":
        inner = [(index, item, item) for index, item in enumerate(node.value)]
    for key, place, value in inner:
        lines[*location, key] = place.start_mark.line + 1
        _walk(value, (*location, key), lines, above | {id(node)})


def _note(lines: dict[Location, int], location: Location, line: int) -> None:
    for length in range(1, len(location) + 1):
        lines.setdefault(location[:length], line)
