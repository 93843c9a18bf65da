"""What has begun is in the store soon; what is killed is seen with all that had ended."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from flowspan import background, safety, semconv
from flowspan.store import open_rows
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.open_rows import OpenRowProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.trace import Tracer

    from flowspan.store.queries import Store
    from tests.store.conftest import Program


class Running:
    """The pieces as a distribution puts them together."""

    def __init__(self, path: Path, sampler: Sampler | None = None) -> None:
        self.exporter = StoreSpanExporter(path)
        assert self.exporter.writer is not None
        self.writer = self.exporter.writer
        self.processor = OpenRowProcessor(self.writer, delay_seconds=0.05)
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(self.processor)
        self.provider.add_span_processor(
            BatchSpanProcessor(self.exporter, schedule_delay_millis=50)
        )
        self.tracer: Tracer = self.provider.get_tracer("tests")


@pytest.fixture
def running(path: Path) -> Iterator[Running]:
    running = Running(path)
    yield running
    running.provider.shutdown()


def states(store: Store) -> dict[str, str]:
    runs = store.runs()
    return {span.name: span.state for run in runs for span in store.trace(run.trace_id)}


KILLED = """
    provider, tracer = tracer()
    root = tracer.start_as_current_span("root", attributes={
        "flowspan.kind": "run", "flowspan.run.id": "run-1", "gen_ai.workflow.name": "w",
        "flowspan.engine": "e"})
    root.__enter__()
    for number in range(20):
        with tracer.start_as_current_span("call", attributes={
            "flowspan.kind": "llm", "gen_ai.usage.input_tokens": 3}):
            pass
    node = tracer.start_as_current_span("node", attributes={"flowspan.kind": "node"})
    node.__enter__()
    call = tracer.start_as_current_span("unfinished", attributes={"flowspan.kind": "llm"})
    call.__enter__()
    say("begun")
    sys.stdin.readline()
    os._exit(3)
"""


@pytest.mark.parametrize("end", ["kill", "terminate", "exit"])
def test_a_run_that_is_killed_is_listed_as_interrupted_with_all_that_had_ended(
    end: str,
    program: Callable[..., Program],
    reading: Callable[[], Store],
    path: Path,
    eventually: Callable[..., Any],
) -> None:
    one = program(KILLED)
    one.hears("begun")
    eventually(lambda: path.exists() and len(reading().trace(_only(reading))) == 22)
    assert reading().runs()[0].status == "running"
    assert states(reading())["node"] == "open"

    if end == "exit":
        one.tell()
    else:
        getattr(one.process, end)()
    one.process.wait()

    run = reading().runs()[0]
    assert (run.status, run.run_id, run.workflow) == ("interrupted", "run-1", "w")
    assert (run.llm_calls, run.input_tokens, run.open_spans) == (20, 60, 2)
    assert run.ended_ns is None
    assert run.duration_ns > 0
    assert states(reading()) == {"root": "interrupted", "call": "done", "node": "interrupted"}


def _only(reading: Callable[[], Store]) -> str:
    runs = reading().runs()
    return runs[0].trace_id if runs else ""


def test_a_run_that_ends_replaces_its_open_row(
    running: Running, reading: Callable[[], Store], eventually: Callable[..., Any], path: Path
) -> None:
    with running.tracer.start_as_current_span("root", attributes={"early": 1}) as span:
        eventually(lambda: path.exists() and states(reading()) == {"root": "open"})
        assert reading().runs()[0].status == "running"
        span.set_attribute("late", 2)
    running.provider.force_flush()

    store = reading()
    row = store.trace(store.find_run("last").trace_id)[0]
    assert (row.state, row.attrs) == ("done", {"early": 1, "late": 2})
    assert store.runs()[0].status == "ok"


@pytest.mark.parametrize(
    ("kind", "announced"),
    [("run", 1), ("step", 1), ("node", 1), ("agent", 1), ("llm", 0), ("tool", 0), (None, 0)],
)
def test_runs_steps_nodes_and_agents_are_announced(
    kind: str | None,
    announced: int,
    running: Running,
    reading: Callable[[], Store],
) -> None:
    attributes = {} if kind is None else {semconv.KIND: kind}
    with (
        running.tracer.start_as_current_span("root"),
        running.tracer.start_as_current_span("inner", attributes=attributes),
    ):
        assert running.processor.force_flush()
        assert len(states(reading())) == 1 + announced


def test_a_root_with_a_parent_in_another_process_is_announced(
    running: Running, reading: Callable[[], Store]
) -> None:
    elsewhere = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with running.tracer.start_as_current_span(
        "work", context=set_span_in_context(NonRecordingSpan(elsewhere))
    ):
        running.processor.force_flush()
        assert reading().runs()[0].status == "running"
    running.provider.force_flush()

    assert reading().runs()[0].status == "ok"


def test_what_ends_at_once_costs_no_open_row(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []
    monkeypatch.setattr(running.writer, "write_begun", written.append)

    with running.tracer.start_as_current_span("root"):
        pass

    assert running.processor.force_flush()
    assert written == []


def test_what_is_not_sampled_is_not_announced(path: Path) -> None:
    class RecordOnly(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "records and does not export"

    for sampler in (ALWAYS_OFF, RecordOnly()):
        running = Running(path, sampler)
        with running.tracer.start_as_current_span("root"):
            running.processor.force_flush()
        running.provider.shutdown()

    assert not path.exists()


def test_a_new_file_is_told_what_is_under_way(
    running: Running, reading: Callable[[], Store], path: Path
) -> None:
    """The folder is deleted in mid-run: the run is still seen to be running."""
    with running.tracer.start_as_current_span("root"):
        running.processor.force_flush()
        with running.tracer.start_as_current_span("first"):
            pass
        running.provider.force_flush()
        shutil.rmtree(path.parent)
        with running.tracer.start_as_current_span("second"):
            pass
        running.provider.force_flush()
        running.processor.force_flush()

        assert reading().runs()[0].status == "running"
        assert states(reading()) == {"root": "open", "second": "done"}


def test_a_process_says_now_and_then_that_it_is_alive(
    running: Running,
    reading: Callable[[], Store],
    eventually: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_rows, "HEARTBEAT_SECONDS", 0.05)

    def seen() -> int:
        processes = running.writer._connection.use().execute("SELECT seen_ns FROM process")
        return int(processes.fetchone()[0])

    with running.tracer.start_as_current_span("root"):
        running.processor.force_flush()
        with running.tracer.start_as_current_span("more", attributes={semconv.KIND: "step"}):
            running.processor.force_flush()
        first = seen()
        eventually(lambda: seen() > first)


def test_a_span_that_ends_while_it_is_announced_is_forgotten(running: Running) -> None:
    class Ending:
        """Ends between the two looks of the announcing thread."""

        context = SpanContext(1, 2, is_remote=False)
        looks = iter([None, 5, 5])

        @property
        def end_time(self) -> int | None:
            return next(self.looks)

    assert not running.processor._is_open(Ending())  # type: ignore[arg-type]
    assert running.processor._announced == {}


def test_only_so_many_open_spans_are_remembered(
    running: Running, monkeypatch: pytest.MonkeyPatch, reading: Callable[[], Store]
) -> None:
    monkeypatch.setattr(open_rows, "_MOST_SPANS", 1)
    spans = [running.tracer.start_span(f"root {number}") for number in range(3)]

    running.processor.force_flush()

    assert len(running.processor._announced) == 1
    assert len(states(reading())) == 3
    for span in spans:
        span.end()


def test_shutdown_announces_what_will_not_end_any_more(
    running: Running, reading: Callable[[], Store]
) -> None:
    running.tracer.start_span("never ended")

    running.provider.shutdown()

    assert reading().runs()[0].status == "interrupted"
    running.tracer.start_span("after the end")
    running.processor.shutdown()
    assert len(reading().runs()) == 1


def test_a_fault_of_the_processor_never_reaches_the_program(
    running: Running, said: Callable[[], list[str]]
) -> None:
    safety.set_strict(strict=False)

    running.processor.on_start(None)  # type: ignore[arg-type]

    assert len(said()) == 1


def test_many_threads_start_one_worker(running: Running) -> None:
    together = threading.Barrier(8)

    def begin() -> None:
        together.wait()
        running.tracer.start_span("root").end()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert background.running().count("flowspan-store-open-rows") == 1
    running.processor._start()
    assert background.running().count("flowspan-store-open-rows") == 1


def test_the_calling_thread_is_not_delayed(running: Running, path: Path) -> None:
    """Starting a span must not wait for the store, not even where that is locked."""
    running.exporter.export([])
    with running.tracer.start_as_current_span("root"):
        running.processor.force_flush()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.perf_counter()
            for _ in range(100):
                running.tracer.start_span("work", attributes={semconv.KIND: "node"}).end()
            assert time.perf_counter() - begun < 1
            other.execute("ROLLBACK")


def test_a_thread_that_cannot_be_started_any_more_harms_nobody(
    running: Running, reading: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(background, "start_new_thread", refuse)
    running.tracer.start_span("root")
    monkeypatch.undo()

    running.processor.force_flush()

    assert reading().runs()[0].status == "running"


def test_a_forked_child_announces_only_what_is_its_own(running: Running) -> None:
    running.tracer.start_span("the parent's")
    running.processor.force_flush()

    assert running.processor.before_fork()
    running.processor.after_fork_in_parent(closed=True)
    assert len(running.processor._announced) == 1
    running.processor.after_fork_in_child(closed=True)

    assert running.processor._announced == {}


def test_a_span_without_a_context_is_ignored(running: Running) -> None:
    running.processor.on_end(ReadableSpan("made by hand"))


def test_a_run_in_a_span_that_another_provider_made_ends_when_it_ends(
    running: Running, reading: Callable[[], Store]
) -> None:
    """Its parent is local and will never be here; only an open row tells that it goes on."""
    theirs = TracerProvider().get_tracer("the program's").start_span("main")
    run = running.tracer.start_span(
        "run", set_span_in_context(theirs), attributes={semconv.KIND: "run"}
    )
    running.processor.force_flush()
    assert reading().runs()[0].status == "running"

    run.end()
    running.provider.force_flush()

    found = reading().runs()[0]
    assert (found.status, found.open_spans) == ("ok", 0)
