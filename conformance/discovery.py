"""Finds the drivers: a module in ``clients/`` with ``CLIENT`` or ``CLIENTS`` *is* its registration.

A driver whose libraries are not installed is left out, and said: :func:`absent` names it.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, NamedTuple

from conformance.vocabulary import RAW, Client, Way

PROMISED: Final = "CONFORMANCE_PROMISED"
"""The variable by which an environment names the drivers that it promises."""

PROGRAMS: Final = "CONFORMANCE_PROGRAMS"
"""Likewise, programs of the tests of ownership that it promises."""

_FOLDER: Final = Path(__file__).parent / "clients"
_DRIVER: Final = re.compile(r"^CLIENTS?\b", re.MULTILINE)
_OURS: Final = frozenset({"conformance", "flowspan", "typing_extensions"})


class Case(NamedTuple):
    """One way of one client."""

    client: Client
    way: Way

    @property
    def id(self) -> str:
        """``openai-chat.completions.create-async-stream``: for the names of tests."""
        return f"{self.client.name}-{self.way.name.replace(', ', '-').replace(' ', '_')}"

    @property
    def parses(self) -> bool:
        """Whether the call itself parses the answer, and not the program once it has it."""
        client = self.client
        return client.parses and client.transport == "sdk" and self.way.variant not in RAW

    @property
    def leaves_broken(self) -> bool:
        """Whether a stream with an event that cannot be read is left as it is."""
        return self.way.stream and not self.client.closes_broken


@cache
def drivers() -> tuple[str, ...]:
    """The names of all drivers."""
    found = (file.stem for file in _FOLDER.glob("*.py") if _DRIVER.search(file.read_text("utf-8")))
    return tuple(sorted(found))


@cache
def absent() -> dict[str, tuple[str, ...]]:
    """The drivers that cannot be used here, each with the modules that it lacks."""
    lacking = {name: tuple(_lacking(name)) for name in drivers()}
    return {name: modules for name, modules in lacking.items() if modules}


@cache
def clients() -> tuple[Client, ...]:
    """The clients that are installed here, or of these those that are promised."""
    return tuple(
        client
        for name in (promised() or drivers())
        if name not in absent()
        for client in clients_of(name)
    )


@cache
def promised() -> tuple[str, ...]:
    """The drivers that this environment of the matrix is for; none are named elsewhere."""
    return _named(PROMISED)


@cache
def programs() -> tuple[str, ...]:
    """The programs that this environment of the matrix is for; none are named elsewhere."""
    return _named(PROGRAMS)


def _named(variable: str) -> tuple[str, ...]:
    return tuple(filter(None, os.environ.get(variable, "").split(",")))


def driver_of(client: Client) -> str:
    """The name of a client's driver."""
    here = (name for name in drivers() if name not in absent())
    return next(name for name in here if client in clients_of(name))


def cases(
    wanted: Callable[[Way], bool] = lambda _: True, *, text: bool | None = True
) -> list[Case]:
    """The ways of all clients that are installed here, as far as they are wanted.

    Args:
        wanted: Which of them.
        text: Those whose answers are texts, those whose answers are not, or ``None`` for both.
    """
    return [
        Case(client, way)
        for client in clients()
        for way in client.ways
        if text in {None, way.text} and wanted(way)
    ]


def clients_of(name: str) -> tuple[Client, ...]:
    """The clients of a driver, which must be installed."""
    module = importlib.import_module(f"conformance.clients.{name}")
    one: Client | None = getattr(module, "CLIENT", None)
    many: tuple[Client, ...] = getattr(module, "CLIENTS", ())
    return many if one is None else (one, *many)


def _lacking(name: str) -> Iterator[str]:
    """What a driver imports and is not here.

    The driver is read, not imported: an error of its own is no missing library.
    """
    for module in sorted(_imported((_FOLDER / f"{name}.py").read_text("utf-8"))):
        if module.partition(".")[0] not in _OURS | sys.stdlib_module_names and not _is_here(module):
            yield module


def _imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return found


def _is_here(module: str) -> bool:
    """Without importing the packages around it: some ask the network then."""
    path: Sequence[str] | None = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return True
