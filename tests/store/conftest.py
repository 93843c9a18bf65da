"""A store of one's own, spans made by the real SDK, and programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer

from flowspan.store import faults
from flowspan.store.queries import Store, open_store
from flowspan.store.writer import StoreWriter


class _Kept(SpanProcessor):
    """Keeps ended spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@dataclass
class Spans:
    """Makes real spans and hands them over when they have ended."""

    kept: _Kept = field(default_factory=_Kept)
    tracer: Tracer = field(init=False)

    def __post_init__(self) -> None:
        provider = TracerProvider(resource=Resource({"service.name": "test"}))
        provider.add_span_processor(self.kept)
        self.tracer = provider.get_tracer("tests", "1.0")

    def ended(self) -> list[ReadableSpan]:
        """What has ended since the last call."""
        spans, self.kept.spans = self.kept.spans, []
        return spans

    def one(self, name: str = "work", /, **attributes: Any) -> ReadableSpan:
        """One root span."""
        with self.tracer.start_as_current_span(name, attributes=attributes):
            pass
        return self.ended()[0]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "traces.db"


@pytest.fixture
def writer(path: Path) -> Iterator[StoreWriter]:
    writer = StoreWriter(path)
    yield writer
    writer.close()


@pytest.fixture
def reading(path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the store for reading, and closes it after the test."""
    opened: list[Store] = []

    def read() -> Store:
        opened.append(open_store(path))
        return opened[-1]

    yield read
    for store in opened:
        store.close()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The sentences that the user was told."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == "flowspan"]


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits until something is so, and says what it is."""
    return _eventually


def _eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)
    return value


@pytest.fixture
def when_locked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Does something as soon as a lock of somebody else's has been met for the first time."""

    def arrange(action: Callable[[], object]) -> None:
        kind_of = faults.kind_of

        def watched(error: Exception) -> faults.FaultKind:
            kind = kind_of(error)
            if kind == "locked":
                monkeypatch.setattr(faults, "kind_of", kind_of)
                action()
            return kind

        monkeypatch.setattr(faults, "kind_of", watched)

    return arrange


PREAMBLE = """
import os, sys, time, signal, sqlite3, threading, logging
from pathlib import Path
logging.basicConfig(level=logging.WARNING, format="%(message)s")
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.open_rows import OpenRowProcessor
from flowspan.store import writer as writing
from flowspan.store.writer import StoreWriter

writing._FIRST_DELAY = writing._LONGEST_DELAY = 0.0  # failed writes are tried again at once
path = Path(sys.argv[1])

def tracer(**settings):
    exporter = StoreSpanExporter(path)
    provider = TracerProvider()
    provider.add_span_processor(OpenRowProcessor(exporter.writer, delay_seconds=0.05))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
    return provider, provider.get_tracer("tests")

class Keep(SpanProcessor):
    def __init__(self):
        self.spans = []

    def on_end(self, span):
        self.spans.append(span)

keep = Keep()
keeping = TracerProvider()
keeping.add_span_processor(keep)

def ended(count, **attributes):
    keep.spans.clear()
    for _ in range(count):
        keeping.get_tracer("tests").start_span("work", attributes=attributes).end()
    return list(keep.spans)

def say(word):
    print(word, flush=True)
"""


class Program:
    """A Python program in a process of its own, which writes to the store.

    It finds what ``PREAMBLE`` defines, and its input and output are ours.
    """

    def __init__(self, source: str, path: Path, *, wrapper: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            # Some of the programs fork although they have threads, which newer Pythons warn of.
            [
                *wrapper,
                sys.executable,
                "-W",
                "ignore::DeprecationWarning",
                "-c",
                PREAMBLE + textwrap.dedent(source),
                str(path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def hears(self, word: str) -> None:
        """Wait until it says a word."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line != word:
            self.process.kill()
            raise AssertionError(f"{line!r} instead of {word!r}: {self.process.communicate()[1]}")

    def tell(self) -> None:
        """Let it go on from a ``sys.stdin.readline()``."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ends(self, code: int = 0) -> str:
        """Wait for its end; returns what it wrote to the error stream."""
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == code, errors
        return errors


@pytest.fixture
def program(path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs, and ends what a failed test left."""
    started: list[Program] = []

    def start(source: str, **options: Any) -> Program:
        started.append(Program(source, path, **options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
