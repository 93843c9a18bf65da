"""Spans leave soon, from a thread of ours, and never hold the program."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from flowspan import background, safety
from flowspan.delivery.deadline import Deadline
from flowspan.delivery.processor import DeliveryProcessor


class Exporter(SpanExporter):
    """Takes what it is given, unless it is told to do otherwise."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.offered = 0
        self.closed = False
        self.behaviour: Callable[[], SpanExportResult] = lambda: SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.offered += 1
        result = self.behaviour()
        if result is SpanExportResult.SUCCESS:
            self.taken += [span.name for span in spans]
        return result

    def shutdown(self) -> None:
        self.closed = True


class Delivered:
    """A provider with one processor, and how many spans that one said it dropped."""

    def __init__(self, *, exporter: Exporter | None = None, **tuning: Any) -> None:
        self.exporter = Exporter() if exporter is None else exporter
        self.dropped = 0
        self.deadline = Deadline(1.0)
        self.processor = DeliveryProcessor(
            self.exporter, self.deadline, on_drop=self._drop, **tuning
        )
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)

    def _drop(self, count: int) -> None:
        self.dropped += count

    def end(self, *names: str) -> None:
        """End spans inside another one, so that none of them ends a run."""
        with self.provider.get_tracer("t").start_as_current_span("outer"):
            for name in names:
                self.inner(name)

    def inner(self, name: str) -> None:
        self.provider.get_tracer("t").start_span(name).end()


@pytest.fixture
def delivered() -> Iterator[Delivered]:
    made = Delivered()
    yield made
    made.processor.shutdown()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_spans_leave_together_and_a_root_at_once() -> None:
    slow = Delivered(delay=60)
    slow.end("a", "b")
    until(lambda: slow.exporter.taken == ["a", "b", "outer"])
    assert slow.exporter.offered == 1
    slow.processor.shutdown()


def test_a_span_waits_no_longer_than_the_delay(delivered: Delivered) -> None:
    with delivered.provider.get_tracer("t").start_as_current_span("outer"):
        delivered.inner("a")
        until(lambda: delivered.exporter.taken == ["a"])


def test_a_flush_waits_for_what_has_ended(delivered: Delivered) -> None:
    delivered.end("a")
    assert delivered.provider.force_flush()
    assert delivered.exporter.taken == ["a", "outer"]
    assert delivered.processor.force_flush()


def test_what_could_not_be_taken_is_offered_again() -> None:
    made = Delivered(delay=0.01)
    made.exporter.behaviour = lambda: (
        SpanExportResult.SUCCESS if made.exporter.offered > 3 else SpanExportResult.FAILURE
    )
    made.end("a")
    until(lambda: made.exporter.taken == ["a", "outer"])
    assert made.dropped == 0
    made.processor.shutdown()


class Choosy(Exporter):
    """Refuses a batch that has a certain span in it, as one with a prompt that is too large."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = set(refused)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        names = {span.name for span in spans}
        self.behaviour = lambda: (
            SpanExportResult.FAILURE if names & self.refused else SpanExportResult.SUCCESS
        )
        return super().export(spans)


@pytest.mark.parametrize("refused", [("c",), ("a", "f"), ("outer",), ("a", "b", "outer")])
def test_a_span_that_is_refused_for_good_takes_no_other_along(refused: tuple[str, ...]) -> None:
    made = Delivered(delay=0.001, exporter=Choosy(*refused))
    made.end(*"abcdefg")
    until(lambda: made.dropped == len(refused))
    made.inner("next")
    until(lambda: "next" in made.exporter.taken)
    assert sorted(made.exporter.taken) == sorted({*"abcdefg", "outer", "next"} - {*refused})
    made.processor.shutdown()


def test_at_the_end_too() -> None:
    made = Delivered(delay=60, exporter=Choosy("c"))
    with made.provider.get_tracer("t").start_as_current_span("outer"):
        for name in "abcd":
            made.inner(name)
        made.processor.shutdown()
    assert sorted(made.exporter.taken) == ["a", "b", "d"]
    assert made.dropped == 1


def test_what_refuses_everything_is_away_and_loses_nothing() -> None:
    """Without a password, overloaded, or with a timeout that leaves no time to wait."""
    made = Delivered(delay=0.001)
    made.exporter.behaviour = lambda: SpanExportResult.FAILURE
    made.end("a", "b", "c")
    until(lambda: made.exporter.offered > 12)
    made.exporter.behaviour = lambda: SpanExportResult.SUCCESS
    until(lambda: len(made.exporter.taken) == 4)
    assert made.dropped == 0
    made.processor.shutdown()


def test_a_single_span_tells_nothing_about_its_receiver() -> None:
    made = Delivered(delay=0.001, exporter=Choosy("alone"))
    made.inner("alone")
    until(lambda: made.exporter.offered > 6)
    assert made.dropped == 0
    made.end("a")
    until(lambda: made.dropped == 1)
    assert sorted(made.exporter.taken) == ["a", "outer"]
    made.processor.shutdown()


def test_the_oldest_are_dropped_when_too_many_wait() -> None:
    made = Delivered(most_queued=3, delay=60)
    made.exporter.behaviour = lambda: SpanExportResult.FAILURE
    with made.provider.get_tracer("t").start_as_current_span("outer"):
        for index in range(5):
            made.inner(str(index))
        assert made.dropped == 2
    made.processor.shutdown()


def test_an_exporter_that_raises_is_one_that_could_not(delivered: Delivered) -> None:
    def broken() -> SpanExportResult:
        if delivered.exporter.offered == 1:
            raise OSError("no")
        return SpanExportResult.SUCCESS

    delivered.exporter.behaviour = broken
    safety.set_strict(strict=False)
    delivered.end("a")
    until(lambda: delivered.exporter.taken == ["a", "outer"])


def test_an_exporter_that_hangs_holds_the_end_no_longer_than_the_deadline() -> None:
    made = Delivered()
    made.deadline = made.processor._deadline = Deadline(0.2)
    released = threading.Event()

    def hang() -> SpanExportResult:
        released.wait(30)
        return SpanExportResult.SUCCESS

    made.exporter.behaviour = hang
    made.end("a")
    started = time.monotonic()
    made.processor.shutdown()
    assert time.monotonic() - started < 5
    assert made.exporter.closed
    released.set()


def test_nothing_is_taken_and_nobody_waits_after_the_end(delivered: Delivered) -> None:
    delivered.end("a")
    delivered.processor.shutdown()
    delivered.end("late")

    started = time.monotonic()
    assert delivered.processor.force_flush(20_000)
    delivered.processor.shutdown()
    assert time.monotonic() - started < 5
    assert delivered.exporter.taken == ["a", "outer"]


def test_the_worker_keeps_nothing_of_the_run_that_started_it(delivered: Delivered) -> None:
    class State:
        pass

    state = State()
    reference = weakref.ref(state)
    token = context.attach(context.set_value("state", state))
    delivered.end("a")
    context.detach(token)
    delivered.provider.force_flush()
    del state, token
    gc.collect()
    assert reference() is None


def test_a_span_may_end_while_another_one_is_being_queued(
    delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a signal handler, or in a finaliser that the garbage collector runs right there."""
    real = background.start
    interrupted: list[bool] = []

    def interrupted_start(*args: Any) -> Any:
        if not interrupted:
            interrupted.append(True)
            delivered.inner("in a handler")
        return real(*args)

    monkeypatch.setattr(background, "start", interrupted_start)
    delivered.end("a")
    assert delivered.provider.force_flush()
    assert sorted(delivered.exporter.taken) == ["a", "in a handler", "outer"]


def test_without_a_thread_a_flush_delivers_itself(
    delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on no thread can be started once the interpreter shuts down."""
    monkeypatch.setattr(background, "start", lambda *_: None)
    delivered.exporter._timeout = 10.0  # type: ignore[attr-defined]
    delivered.end("a")
    assert delivered.processor.force_flush(500)
    assert delivered.exporter.taken == ["a", "outer"]
    assert delivered.exporter._timeout == 0.5  # type: ignore[attr-defined]


class Receiver:
    """An OTLP receiver that is away for a while, and says so."""

    def __init__(self) -> None:
        self.away = True
        self.refused = threading.Event()
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.away:
                    self.send_response(503)
                    self.send_header("retry-after", "9")
                else:
                    receiver.bodies.append(body)
                    self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                receiver.refused.set()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("end", ["shutdown", "flush"])
def test_a_receiver_that_came_back_before_the_end_gets_everything(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """OpenTelemetry's exporter sleeps for longer than the end may take: it is not waited for."""
    with closing(Receiver()) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        deadline = Deadline(2.0)
        processor = DeliveryProcessor(OTLPSpanExporter(), deadline)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        provider.get_tracer("t").start_span("the last one").end()
        assert receiver.refused.wait(10)

        receiver.away = False
        deadline.begin()
        if end == "flush":
            assert processor.force_flush(1_000)
        processor.shutdown()

        assert deadline.remaining() > 0
        assert [b"the last one" in body for body in receiver.bodies] == [True]


def test_an_exporter_that_cannot_be_made_anew_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(Receiver()) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        processor = DeliveryProcessor(OTLPSpanExporter(), Deadline(0.2))
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        provider.get_tracer("t").start_span("the last one").end()
        assert receiver.refused.wait(10)
        safety.set_strict(strict=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "unheard of")

        processor.shutdown()

        assert receiver.bodies == []


def test_a_store_that_is_too_slow_is_not_called_unreachable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Delivered(most_queued=1, delay=60, retry=False)
    with made.provider.get_tracer("t").start_as_current_span("outer"):
        made.inner("a")
        made.inner("b")
    made.processor.shutdown()

    assert "they end faster than they are written" in caplog.text
    assert "receiver" not in caplog.text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_delivers_its_own_and_only_its_own(delivered: Delivered) -> None:
    delivered.exporter.behaviour = lambda: SpanExportResult.SUCCESS
    held = threading.Event()
    started = threading.Event()

    def wait() -> SpanExportResult:
        started.set()
        held.wait(30)
        return SpanExportResult.SUCCESS

    delivered.exporter.behaviour = wait
    delivered.end("parent's")
    started.wait(10)
    reader, writer = os.pipe()
    if os.fork() == 0:
        delivered.exporter.behaviour = lambda: SpanExportResult.SUCCESS
        delivered.end("child's")
        delivered.processor.force_flush(5_000)
        os.write(writer, ",".join(delivered.exporter.taken).encode())
        os._exit(0)
    os.wait()
    os.close(writer)
    held.set()
    assert os.read(reader, 100) == b"child's,outer"
    os.close(reader)
    delivered.provider.force_flush()
    assert delivered.exporter.taken == ["parent's", "outer"]


class RecordOnly(Sampler):
    """Records spans and samples none."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


def test_what_was_not_sampled_is_not_delivered(delivered: Delivered) -> None:
    delivered.processor.on_end(ReadableSpan("without an identity", None))
    provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(delivered.processor)
    provider.get_tracer("t").start_span("recorded only").end()

    assert delivered.processor.force_flush()
    assert delivered.exporter.offered == 0
