"""The real programs, and a program of somebody's that sends to them.

Without the programs these tests are skipped, and the reason names the remedy.  Where
``CI=true`` and ``FLOWSPAN_STACK=require`` they fail instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import Ledger
from stack import build, programs
from stack.errors import StackUnavailableError
from stack.run import Stack
from tests.stack.seeding import Seeded, seed

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
REQUIRED: Final = os.environ.get("CI") == "true" and os.environ.get("FLOWSPAN_STACK") == "require"
PROGRAMS: Final = ("otelcol-flowspan", "jaeger", "prometheus", "promtool")


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """Each program of the stack by its name; skips (or fails) where one is missing."""
    try:
        return {program: build.find(program) for program in PROGRAMS}
    except StackUnavailableError as error:
        (pytest.fail if REQUIRED else pytest.skip)(str(error))


class MakeStack(Protocol):
    """Starts a stack that ends with the test."""

    def __call__(self, configuration: Path = programs.ONE_NODE, **environ: str) -> Stack:
        """Start one.

        Args:
            configuration: The collector's topology.
            **environ: Further variables for the configuration files.
        """


@pytest.fixture
def make_stack(binaries: dict[str, Path], tmp_path: Path) -> Iterator[MakeStack]:
    """Stacks of a test's own, which it may harm."""
    with ExitStack() as running:

        def make(configuration: Path = programs.ONE_NODE, **environ: str) -> Stack:
            made = Stack(tmp_path / "stack", configuration, environ={**QUICK, **environ})
            return running.enter_context(made)

        yield make


@pytest.fixture(scope="session")
def stack(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests that only send to it and read from it."""
    with Stack(tmp_path_factory.mktemp("stack"), environ=QUICK) as running:
        yield running


QUICK: Final = {"SPAN_METRICS_INTERVAL": "1s"}
"""Tests do not wait as long as the shipped defaults do."""


@pytest.fixture(scope="session")
def seeded(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """Runs whose numbers are known, for tests that only ask for them."""
    return seed(stack, tmp_path_factory.mktemp("seeded"))


class Agent:
    """An unmodified program under ``opentelemetry-instrument``, with scripted models.

    Args:
        folder: Of its own.
        service: ``service.name``, by which it is told from other tests' programs.

    Attributes:
        store: The embedded store.
    """

    def __init__(self, folder: Path, service: str) -> None:
        self.folder = folder
        self.service = service
        self.store = folder / "traces.db"
        self._ledger = folder / "ledger.json"

    def start(
        self, sends_to: Stack, *, pace: float = 0.0, **settings: str
    ) -> subprocess.Popen[str]:
        """Start it.

        Args:
            sends_to: Where its telemetry goes.
            pace: 1 is a small model's, 0 at once.
            **settings: Further variables of its environment.
        """
        offline = ["-m", "recursive_writer.offline", f"--ledger={self._ledger}", f"--pace={pace}"]
        program = ["python", "-m", "recursive_writer", "--output", "output", "the bicycle"]
        return subprocess.Popen(
            [sys.executable, *offline, "--", "opentelemetry-instrument", *program],
            cwd=self.folder,
            env={
                **os.environ,
                **sends_to.program_environment,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH")))
                ),
                "FLOWSPAN_STORE": str(self.store),
                "OTEL_SERVICE_NAME": self.service,
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, sends_to: Stack, **settings: Any) -> str:
        """Start it, wait for its end, and return what it printed."""
        process = self.start(sends_to, **settings)
        out, _ = process.communicate(timeout=100)
        assert process.returncode == 0, out
        return out

    def stored(self) -> list[SpanRow]:
        """All spans of the embedded store, texts in full."""
        with open_store(self.store) as store:
            return [span for run in store.runs() for span in store.trace(run.trace_id, texts=True)]

    def trace_ids(self) -> set[str]:
        """The traces of the embedded store."""
        return {span.trace_id for span in self.stored()}

    def ledger(self) -> Ledger:
        """What the providers charged."""
        return Ledger.from_json(self._ledger.read_text("utf-8"))


@pytest.fixture
def agent(tmp_path: Path, request: pytest.FixtureRequest) -> Agent:
    folder = tmp_path / "agent"
    folder.mkdir()
    return Agent(folder, request.node.name)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Agent]:
    """Makes an agent that is known by a service's name, for tests that share its run."""
    return lambda service: Agent(tmp_path_factory.mktemp(service), service)


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Polls a condition until it is true, and returns what it said."""

    def poll(condition: Callable[[], Any], seconds: float = 90.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (said := condition()):
            assert time.monotonic() < deadline, f"it never came within {seconds:.0f} s"
            time.sleep(0.1)
        return said

    return poll
