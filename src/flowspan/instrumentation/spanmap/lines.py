"""Tells on which line of a TOML or YAML file each key stands, for sentences about wrong maps.

``tomllib`` gives values and no lines.  But a TOML file is a sequence of statements, each of which
begins on a line of its own and is a TOML document by itself, and no statement that is cut at the
end of a line is one.  So the shortest run of lines that ``tomllib`` accepts is one statement, and
what it says is found by parsing it alone: the parser is ``tomllib``'s own, strings, comments and
brackets included.  It is asked only when there is something to complain about.  What stands inside
a value is found by ``inline``.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.spanmap.inline import places_in

Location = tuple[str | int, ...]
"""Where something stands in the data: keys and indexes from the top, as ``("rows", 2, "kind")``."""

MOST_PLACES: Final = 100_000
"""How many values a YAML document may have, each counted where it stands and where it is meant."""

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
        Line numbers, from 1, by place.
    """
    lines: dict[Location, int] = {}
    lengths: dict[Location, int] = {}
    table: Location = ()
    for line, statement, data in _statements(text):
        if statement.lstrip().startswith(_HEADER):
            table = _open(data, lengths)
            _note(lines, table, line)
        else:
            for place, below in places_in(statement):
                _note(lines, (*table, *place), line + below)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each statement: its first line, how it is written, and what it says by itself."""
    pending: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        pending.append(line)
        try:
            data = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue  # the statement goes on
        if data:
            yield number - len(pending) + 1, "\n".join(pending), data
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


class TooMuchError(ValueError):
    """A document says more than a map can mean: a few aliases of aliases are millions of values."""

    problem = f"it has more than {MOST_PLACES:,} values, those behind aliases counted"


def yaml_lines(node: Any) -> dict[Location, int]:
    """The line of each key and item of a YAML document.

    Args:
        node: The root that PyYAML composed; ``None`` for an empty document.

    Returns:
        Line numbers, from 1, by place.
    """
    return dict(_walked(node, (), set()))


def _walked(node: Any, location: Location, above: set[int]) -> Iterator[tuple[Location, int]]:
    if node is None or id(node) in above:  # an alias of something that it is itself a part of
        return
    inner: list[tuple[str | int, Any, Any]] = []
    if node.id == "mapping":
        inner = [(key.value, key, value) for key, value in node.value if key.id == "scalar"]
    elif node.id == "sequence":
        inner = [(index, item, item) for index, item in enumerate(node.value)]
    for key, place, value in inner:
        yield (*location, key), place.start_mark.line + 1
        yield from _walked(value, (*location, key), above | {id(node)})


def yaml_twice(node: Any) -> Iterator[Location]:
    """Keys that a table of a YAML document has twice: YAML takes the last without a word.

    Raises:
        TooMuchError: It has too many values to look at.
    """
    times: Counter[Location] = Counter()
    for place, (location, _) in enumerate(_walked(node, (), set())):
        if place >= MOST_PLACES:
            raise TooMuchError
        times[location] += 1
    for location, count in times.items():
        if count > 1 and times[location[:-1]] <= 1:
            yield location


def _note(lines: dict[Location, int], location: Location, line: int) -> None:
    for length in range(1, len(location) + 1):
        lines.setdefault(location[:length], line)
