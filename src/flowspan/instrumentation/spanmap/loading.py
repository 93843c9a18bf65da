"""Span maps: rows from a TOML or YAML file, for code that nobody has seen (``FLOWSPAN_MAP``).

::

    file ─► TOML or YAML ─► schema (shape) ─► compiler (paths) ─► Row ─► Patch
                 │              │                 │
                 └──────────────┴─────────────────┴──► problems: file, line, what was expected

A row that cannot be used is left out, and every other one works.  ``docs/span-maps.md`` explains
what a row may say; ``spanmap.schema.json``, beside this file, says it to editors.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import Integration, OutcomeRule, Patch
from flowspan.instrumentation.spanmap.compiler import RowCompiler
from flowspan.instrumentation.spanmap.lines import (
    Location,
    line_of,
    toml_lines,
    yaml_lines,
    yaml_twice,
)
from flowspan.instrumentation.spanmap.outcomes import parse_outcome
from flowspan.instrumentation.spanmap.paths import TABLES
from flowspan.instrumentation.spanmap.schema import Problem, check

_YAML_ENDINGS: Final = frozenset({".yaml", ".yml"})
_PARTS: Final = {"rows": "row", "outcomes": "rule", TABLES: "table"}
"""The lists and tables whose members are used or left out one by one."""


class _UnreadableError(ValueError):
    """The file is no map at all; the message completes ``FILE: ``."""


class _Document(NamedTuple):
    """A file that was read: its data, what finds the lines if asked, and keys that it has twice."""

    data: Any
    find_lines: Callable[[], Mapping[Location, int]]
    twice: tuple[Location, ...] = ()


class MappedRow(NamedTuple):
    """A row of a map that can be used.

    Attributes:
        patch: In the vocabulary of integrations.
        line: Where it stands.
        names: What its paths start from: arguments, and names with a meaning of their own.
    """

    patch: Patch
    line: int
    names: frozenset[str]


class MapFile:
    """A span map that was read.

    Attributes:
        integration: The map as an integration; ``None`` if nothing of it can be used.
        problems: One sentence for each thing that is wrong, with file, line and what was expected.
    """

    def __init__(self, path: str | Path) -> None:
        self.integration: Integration | None = None
        self.problems: list[str] = []
        self._document: _Document | None = None
        self._reading: _Reading | None = None
        file = Path(path)
        try:
            self._document = _read(file)
        except _UnreadableError as wrong:
            self.problems.append(f"span map {file}{wrong}")
        else:
            self._understand(file, self._document)

    def rows(self) -> list[MappedRow]:
        """The rows that can be used."""
        if self._document is None or self._reading is None:
            return []
        lines = self._document.find_lines()
        return [
            MappedRow(patch, line_of(lines, ("rows", index)), names)
            for index, patch, names in self._reading.found
        ]

    def outcomes(self) -> list[tuple[int, OutcomeRule]]:
        """The rules of outcomes that can be used, with their lines."""
        if self._document is None or self._reading is None:
            return []
        lines = self._document.find_lines()
        return [(line_of(lines, ("outcomes", index)), rule) for index, rule in self._reading.rules]

    def _understand(self, file: Path, document: _Document) -> None:
        data = document.data if isinstance(document.data, dict) else {}
        twice = [
            Problem(place, f'"{place[-1]}" is here twice: expected it once')
            for place in document.twice
        ]
        self._reading = reading = _Reading(data, [*check(document.data), *twice])
        patches, outcomes = reading.patches(), reading.outcomes()
        if reading.problems:
            self.problems = _sentences(file, reading.problems, document)
        if patches or outcomes:
            self.integration = _integration(data, file, patches, outcomes)
        elif not self.problems:
            self.problems.append(f"span map {file} is empty: expected rows or outcomes")


def load_map(path: str | Path) -> tuple[Integration | None, list[str]]:
    """Read a span map.

    Args:
        path: A TOML file, or a YAML file where PyYAML is installed.

    Returns:
        The map as an integration, or ``None`` if nothing of it can be used; and one sentence for
        each thing that is wrong with it, with file, line and what was expected.
    """
    read = MapFile(path)
    return read.integration, read.problems


def _integration(
    data: Mapping[str, Any],
    file: Path,
    patches: tuple[Patch, ...],
    outcomes: tuple[OutcomeRule, ...],
) -> Integration:
    engine, requires = data.get("engine"), data.get("requires")
    name = engine if isinstance(engine, str) and engine else file.stem
    needed = requires if isinstance(requires, str) else ""
    # A name of its own: an engine that flowspan knows can be disabled, and mapped instead.
    return Integration(f"map:{name}", needed, patches, engine=name, outcomes=outcomes, yields=True)


class _Reading:
    """Reads the parts of a map that are in order, and collects what is wrong with the others.

    Attributes:
        problems: What is wrong.
        found: Index, patch and names of each row.
        rules: Index and rule of each outcome.
    """

    def __init__(self, data: Mapping[str, Any], problems: list[Problem]) -> None:
        self.problems = problems
        self._data = data
        self._refused = {part_of(problem.location) for problem in problems}
        tables = data.get(TABLES)
        self._tables = {
            name: table
            for name, table in (tables.items() if isinstance(tables, dict) else ())
            if (TABLES, name) not in self._refused
        }
        self._places: dict[str, int] = {}
        self.found: list[tuple[int, Patch, frozenset[str]]] = []
        self.rules: list[tuple[int, OutcomeRule]] = []

    def patches(self) -> tuple[Patch, ...]:
        """The rows of the map."""
        for index, row in self._each("rows"):
            self._row(row, index)
        return tuple(patch for _, patch, _ in self.found)

    def outcomes(self) -> tuple[OutcomeRule, ...]:
        """The rules of outcomes."""
        for index, rule in self._each("outcomes"):
            parsed, problems = parse_outcome(rule, ("outcomes", index), self._tables)
            self.problems += problems
            self.rules += [] if parsed is None else [(index, parsed)]
        return tuple(rule for _, rule in self.rules)

    def _each(self, part: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The members of a list that have the right shape, with their indexes."""
        found = self._data.get(part)
        for index, member in enumerate(found if isinstance(found, list) else ()):
            if (part, index) not in self._refused:
                yield index, member

    def _row(self, row: Mapping[str, Any], index: int) -> None:
        target = row["target"]
        location: Location = ("rows", index)
        if target in self._places:
            first = self._places[target]
            sentence = f'"{target}" has a row already, rows[{first}]: expected one for each'
            self.problems.append(Problem((*location, "target"), sentence))
            return
        self._places[target] = index
        compiler = RowCompiler(row, location, self._tables)
        parsed = compiler.row()
        self.problems += compiler.problems
        if not compiler.problems:
            self.found.append((index, parsed.patch(), frozenset(compiler.roots)))


# --- reading ----------------------------------------------------------------------------------


def _read(file: Path) -> _Document:
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise _UnreadableError(f" cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise _UnreadableError(f" is no text in UTF-8 (byte {error.start})") from None
    return _read_yaml(text) if file.suffix.lower() in _YAML_ENDINGS else _read_toml(text)


def _read_toml(text: str) -> _Document:
    try:
        return _Document(tomllib.loads(text), lambda: toml_lines(text))
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line (\d+)", str(error))
        line = f", line {where[1]}" if where else ""
        raise _UnreadableError(f"{line}: no TOML: {error}") from None
    except RecursionError:
        raise _UnreadableError(": no usable TOML: it is nested too deeply") from None


def _read_yaml(text: str) -> _Document:
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise _UnreadableError(
            " is YAML, which needs PyYAML in the program's environment: "
            "install pyyaml, or write the map in TOML"
        ) from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
        twice = tuple(yaml_twice(node))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or type(error).__name__
        raise _UnreadableError(f"{line}: no YAML: {what}") from None
    return _Document(data, lambda: yaml_lines(node), twice)


# --- complaining ------------------------------------------------------------------------------


def part_of(location: Location) -> Location | None:
    """The row, rule or table in which a place is; ``None`` at the top."""
    return location[:2] if len(location) > 1 and location[0] in _PARTS else None


def _sentences(file: Path, problems: Iterable[Problem], document: _Document) -> list[str]:
    """One sentence for each problem, in the order of the file."""
    lines = document.find_lines()
    placed = [(line_of(lines, problem.location), problem) for problem in problems]
    placed.sort(key=lambda each: each[0])
    return [_sentence(file, line, problem) for line, problem in placed]


def _sentence(file: Path, line: int, problem: Problem) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.location)
    place = "".join(parts).removeprefix(".")
    where = f"span map {file}, line {line}" + (f", {place}" if place else "")
    part = part_of(problem.location)
    remark = "" if part is None else f" (the {_PARTS[str(part[0])]} is left out)"
    return f"{where}: {problem.sentence}{remark}"
