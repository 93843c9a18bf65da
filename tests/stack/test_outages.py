"""Nothing that a program handed over is lost, whoever of the others dies for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowspan.delivery.processor import BATCH, MOST_QUEUED
from flowspan.store.queries import open_store
from flowspan.store.records import RunFilter

ENGINE = '''
"""An engine of somebody's own: on each line that it reads it runs so many nodes."""
import sys


class Engine:
    def run(self, count):
        for index in range(count):
            self.node(index)

    def node(self, index):
        return index * 2


if __name__ == "__main__":
    from ownengine import Engine

    for line in sys.stdin:
        Engine().run(int(line))
        print("done", flush=True)
'''

MAP = """
[[rows]]
target = "ownengine:Engine.run"
kind = "run"
name = "own"

[[rows]]
target = "ownengine:Engine.node"
kind = "node"
name = "double"
"""


OUTAGE_SECONDS = 4.0
"""After this an exporter sleeps for about four seconds more, twice as long as an end may take."""


class Worker:
    """A program that runs on, and runs its engine whenever it is told to."""

    def __init__(self, folder: Path, sends_to: Any, **settings: str) -> None:
        self.service = f"worker {folder.name}"
        self.store = folder / "traces.db"
        (folder / "ownengine.py").write_text(ENGINE)
        (folder / "map.toml").write_text(MAP)
        self._process = subprocess.Popen(
            ["opentelemetry-instrument", "python", "-m", "ownengine"],
            cwd=folder,
            env={
                **os.environ,
                **sends_to.program_environment,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "FLOWSPAN_MAP": str(folder / "map.toml"),
                "FLOWSPAN_STORE": str(self.store),
                "OTEL_SERVICE_NAME": self.service,
                **settings,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, nodes: int) -> None:
        """Run the engine once; returns when it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{nodes}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        """Let it end by itself."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def count_stored(self) -> int:
        """How many spans the embedded store has."""
        with open_store(self.store) as store:
            return store.info().spans

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def stored(self) -> set[str]:
        """The ids of all spans that ended, as the embedded store has them."""
        if not self.store.exists():
            return set()
        with open_store(self.store) as store:
            return {
                span.span_id
                for run in store.runs(RunFilter(limit=None))
                for span in store.trace(run.trace_id)
                if span.state == "done"
            }


@contextmanager
def worker(folder: Path, sends_to: Any, **settings: str) -> Iterator[Worker]:
    folder.mkdir(exist_ok=True)
    with closing(Worker(folder, sends_to, **settings)) as working:
        yield working


def in_jaeger(stack: Any, service: str) -> set[str]:
    return {
        span["spanId"]
        for resource in stack.jaeger_api.traces(service)
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }


Until = Callable[..., Any]


def test_a_collector_that_was_killed_finds_what_ended_while_it_was_away(
    make_stack: Any, tmp_path: Path, until: Until
) -> None:
    stack = make_stack()
    with worker(tmp_path / "worker", stack) as program:
        program.run(nodes=20)
        until(lambda: len(in_jaeger(stack, program.service)) == 21)

        stack.collector.kill()
        program.run(nodes=30)
        stack.collector.start()
        program.run(nodes=40)
        program.end()

        until(lambda: len(in_jaeger(stack, program.service)) == 21 + 31 + 41)
        assert in_jaeger(stack, program.service) == program.stored()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_comes_back_late_is_found_by_the_program_itself(
    make_stack: Any, tmp_path: Path, until: Until, protocol: str
) -> None:
    """Nothing needs to happen in the program: what waits is offered until it is taken."""
    stack = make_stack()
    stack.collector.kill()
    with worker(tmp_path / "worker", stack, **stack.by_protocol(protocol)) as program:
        program.run(nodes=20)
        until(lambda: len(program.stored()) == 21)

        stack.collector.start()

        until(lambda: len(in_jaeger(stack, program.service)) == 21)
        assert in_jaeger(stack, program.service) == program.stored()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_is_back_before_the_end_gets_everything(
    make_stack: Any, tmp_path: Path, until: Until, protocol: str
) -> None:
    """Exporters sleep for several seconds after some; the end of the program is not as long."""
    stack = make_stack()
    with worker(tmp_path / "worker", stack, **stack.by_protocol(protocol)) as program:
        program.run(nodes=20)
        until(lambda: len(in_jaeger(stack, program.service)) == 21)

        stack.collector.kill()
        back = time.monotonic() + OUTAGE_SECONDS
        program.run(nodes=30)
        until(lambda: time.monotonic() > back)
        stack.collector.start()
        program.end()

        until(lambda: len(in_jaeger(stack, program.service)) == 21 + 31)
        assert in_jaeger(stack, program.service) == program.stored()


def test_an_outage_longer_than_the_programs_queue_loses_the_oldest_and_says_how_many(
    make_stack: Any, tmp_path: Path, until: Until
) -> None:
    """What it had handed over before and the newest are there; the store has everything."""
    stack = make_stack()
    with worker(tmp_path / "worker", stack) as program:
        program.run(nodes=20)
        until(lambda: len(in_jaeger(stack, program.service)) == 21)
        before = in_jaeger(stack, program.service)

        stack.collector.kill()
        produced = 21
        for _ in range(12):
            program.run(nodes=1023)
            produced += 1024
            until(lambda so_many=produced: program.count_stored() == so_many)
        stack.collector.start()
        program.run(nodes=1)
        produced += 2
        dropped = f'sum(flowspan_telemetry_spans_dropped_total{{job="{program.service}"}})'
        until(lambda: arrived_or_dropped(stack, program, dropped) == produced)
        found = in_jaeger(stack, program.service)
        assert before < found < program.stored()
        assert MOST_QUEUED - BATCH <= len(found) - len(before) - 2 <= MOST_QUEUED + 2 * BATCH


def arrived_or_dropped(stack: Any, program: Worker, dropped: str) -> int:
    return len(in_jaeger(stack, program.service)) + round(stack.prometheus_api.number(dropped) or 0)


def test_jaeger_may_die_behind_a_living_collector(
    make_stack: Any, tmp_path: Path, until: Until
) -> None:
    """The collector keeps what it took on disk, and so survives its own death meanwhile."""
    stack = make_stack()
    with worker(tmp_path / "before", stack) as before, worker(tmp_path / "on", stack) as running:
        before.run(nodes=20)
        before.end()
        until(lambda: len(in_jaeger(stack, before.service)) == 21)

        stack.jaeger.kill()
        with worker(tmp_path / "while", stack) as meanwhile:
            meanwhile.run(nodes=30)
            running.run(nodes=10)
            meanwhile.end()
        stack.collector.kill()
        stack.collector.start()
        running.run(nodes=10)
        running.end()
        stack.jaeger.start()

        for program in (before, meanwhile, running):
            stored = program.stored()
            until(lambda of=program, all_of_it=stored: in_jaeger(stack, of.service) == all_of_it)


def test_metrics_count_on_where_prometheus_was_away(
    make_stack: Any, tmp_path: Path, until: Until
) -> None:
    stack = make_stack()
    with worker(tmp_path / "worker", stack) as program:
        runs = f'sum(flowspan_run_duration_seconds_count{{job="{program.service}"}})'
        program.run(nodes=1)
        until(lambda: stack.prometheus_api.number(runs) == 1)

        stack.prometheus.kill()
        program.run(nodes=1)
        stack.prometheus.start()
        program.run(nodes=1)
        program.end()

        until(lambda: stack.prometheus_api.number(runs) == 3)
