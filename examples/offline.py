"""Runs an engine's example against its scripted model, alone or watched.

An example is a folder that is started as ``python -m FOLDER`` and whose module ``answers`` says, in
a function ``respond``, what the model answers.  The documents show what is recorded of it, and the
tests compare it with what the program does without being watched:

    $ cd examples
    $ python -m flowspan.testing.provider --respond langgraph_agent.answers:respond -- \
          flowspan run python -m langgraph_agent
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from click.testing import CliRunner

from flowspan.cli.group import flowspan
from flowspan.testing import FakeProvider, Ledger

FOLDER: Final = Path(__file__).resolve().parent

_SECONDS: Final = 300
_IMPORTS: Final = re.compile(r"^\s*(?:import|from) ([\w.]+)", re.MULTILINE)
_OURS: Final = ("FLOWSPAN_", "OTEL_")
_QUIET: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TESTING": "true",
    "CREWAI_TRACING_ENABLED": "false",
}
"""Settings of libraries that would otherwise ask the network, or whoever sits there."""


class Played(NamedTuple):
    """What can be seen of a program from outside, and what was recorded of it.

    Attributes:
        status: Its exit status.
        output: What it printed.
        errors: What it complained of.
        asked: Path and body of each request, in an order of their own: programs ask at once.
        ledger: What the model charged.
        runs: The spans of each run, as ``flowspan show --json`` has them; none if not watched.
    """

    status: int
    output: str
    errors: str
    asked: list[str]
    ledger: Ledger
    runs: list[list[dict[str, Any]]]


def names() -> list[str]:
    """The examples."""
    return sorted(path.parent.name for path in FOLDER.glob("*/answers.py"))


def missing(name: str) -> list[str]:
    """Packages that an example imports and that are not installed."""
    source = "\n".join(path.read_text("utf-8") for path in (FOLDER / name).glob("*.py"))
    found = set(_IMPORTS.findall(source))
    wanted = sorted(module for module in found if module.split(".")[0] != name)
    return [module for module in wanted if not _is_there(module)]


def _is_there(module: str) -> bool:
    """Whether a module could be imported; nothing is, since packages do a lot when they are."""
    if module in sys.modules:
        return True  # by another's hand, perhaps: os.path, six.moves
    first, *others = module.split(".")
    found = importlib.util.find_spec(first)
    for name in others:
        if found is None or found.submodule_search_locations is None:
            return False
        # By its own name: those of namespace packages ask for what they are in, to be imported.
        found = PathFinder.find_spec(name, list(found.submodule_search_locations))
    return found is not None


def play(name: str, store: Path | None = None) -> Played:
    """Run an example; with a store, watched by flowspan."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    respond = importlib.import_module(f"{name}.answers").respond
    watched = () if store is None else (sys.executable, "-m", "flowspan", "run")
    with FakeProvider(respond=respond) as provider, TemporaryDirectory() as home:
        done = subprocess.run(  # noqa: S603 - our own example
            [*watched, sys.executable, "-m", name],
            cwd=FOLDER,
            env=_environment(provider.environment, home) | _watching(name, store),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        asked = sorted(
            f"{request.path} {json.dumps(request.body, sort_keys=True)}"
            for request in provider.requests
        )
        ledger = Ledger.from_json(provider.ledger.to_json())
    runs = [] if store is None else list(_runs(store))
    return Played(done.returncode, done.stdout, done.stderr, asked, ledger, runs)


def _environment(provider: Mapping[str, str], home: str) -> dict[str, str]:
    """Of a program that finds nothing of the user's settings and leaves nothing in their folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**own, **provider, **_QUIET, "HOME": home}


def _watching(name: str, store: Path | None) -> dict[str, str]:
    """Where the spans go, and the span map beside the example, if it has one."""
    if store is None:
        return {}
    span_map = FOLDER / name / "flowspan.toml"
    place = {"FLOWSPAN_STORE": str(store)}
    return {**place, "FLOWSPAN_MAP": str(span_map)} if span_map.exists() else place


def _runs(store: Path) -> Iterator[list[dict[str, Any]]]:
    listed = json.loads(_flowspan(store, "runs", "--json"))
    for run in reversed(listed["runs"]):
        yield json.loads(_flowspan(store, "show", run["trace_id"], "--json"))["spans"]


def _flowspan(store: Path, *verb: str) -> str:
    return CliRunner().invoke(flowspan, [*verb, "--store", str(store)]).stdout
