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
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.spancompiler import RowCompiler
from flowspan.instrumentation.spanlines import Location, line_of, toml_lines, yaml_lines
from flowspan.instrumentation.spanschema import Problem, check

_YAML_ENDINGS: Final = frozenset({".yaml", ".yml"})
_ROWS: Final = "rows"


class _UnreadableError(ValueError):
    """The file is no map at all; the message completes ``FILE: ``."""


class _Document(NamedTuple):
    """A file that was read: its data, and what finds the lines if they are asked for."""

    data: Any
    find_lines: Callable[[], Mapping[Location, int]]


def load_map(path: str | Path) -> tuple[Integration | None, list[str]]:
    """Read a span map.

    Args:
        path: A TOML file, or a YAML file where PyYAML is installed.

    Returns:
        The map as an integration, or ``None`` if not one of its rows can be used; and one sentence
        for each thing that is wrong with it, with file, line and what was expected.
    """
    file = Path(path)
    try:
        document = _read(file)
    except _UnreadableError as wrong:
        return None, [f"span map {file}{wrong}"]
    data = document.data if isinstance(document.data, dict) else {}
    problems = list(check(document.data))
    refused = {_row_of(problem.location) for problem in problems}
    patches: list[Patch] = []
    places: dict[str, int] = {}
    for index, row in enumerate(_rows(data)):
        if index not in refused:
            patch, found = _patch(row, index, places)
            patches += patch
            problems += found
    sentences = _sentences(file, problems, document) if problems else []
    if not patches:
        return None, sentences
    return _integration(data, file, tuple(patches)), sentences


def _integration(data: Mapping[str, Any], file: Path, patches: tuple[Patch, ...]) -> Integration:
    engine, requires = data.get("engine"), data.get("requires")
    name = engine if isinstance(engine, str) and engine else file.stem
    return Integration(name, requires if isinstance(requires, str) else "", patches, engine=name)


def _rows(data: Mapping[str, Any]) -> list[Any]:
    rows = data.get(_ROWS)
    return rows if isinstance(rows, list) else []


def _patch(
    row: Mapping[str, Any], index: int, places: dict[str, int]
) -> tuple[list[Patch], list[Problem]]:
    target = row["target"]
    location: Location = (_ROWS, index)
    if target in places:
        sentence = f'"{target}" has a row already, rows[{places[target]}]: expected one for each'
        return [], [Problem((*location, "target"), sentence)]
    places[target] = index
    compiler = RowCompiler(row, location)
    parsed = compiler.row()
    return ([] if compiler.problems else [parsed.patch()]), compiler.problems


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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or type(error).__name__
        raise _UnreadableError(f"{line}: no YAML: {what}") from None
    return _Document(data, lambda: yaml_lines(node))


# --- complaining ------------------------------------------------------------------------------


def _row_of(location: Location) -> int | None:
    if len(location) > 1 and location[0] == _ROWS and isinstance(location[1], int):
        return location[1]
    return None


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
    remark = "" if _row_of(problem.location) is None else " (the row is left out)"
    return f"{where}: {problem.sentence}{remark}"
