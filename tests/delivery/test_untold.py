"""Spans of others that are each a trace of its own, and in which nothing was run."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flowspan import semconv
from flowspan.delivery.deadline import Deadline
from flowspan.delivery.processor import DeliveryProcessor
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.open_rows import OpenRowProcessor
from flowspan.testing import record

MADE = {semconv.OPERATION_NAME: "create_agent"}


def _delivered(scope: str, *, inside: bool) -> list[str]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(DeliveryProcessor(exporter, Deadline(5)))
    tracer = provider.get_tracer(scope)
    if inside:
        with (
            tracer.start_as_current_span("around"),
            tracer.start_as_current_span("made", None, attributes=MADE),
        ):
            pass
    else:
        tracer.start_span("made", attributes=MADE).end()
    provider.force_flush()
    return sorted(span.name for span in exporter.get_finished_spans())


def test_an_agent_that_is_made_is_no_trace() -> None:
    """AutoGen says it of every object; alone it is not delivered."""
    assert _delivered("autogen-core", inside=False) == []


def test_inside_of_something_it_is_told() -> None:
    """There it is a part of the trace; and so is what others mean by the same word."""
    assert _delivered("autogen-core", inside=True) == ["around", "made"]
    assert _delivered("somebody", inside=False) == ["made"]


def test_recordings_have_what_is_delivered() -> None:
    """A test of a program's sees the same spans as its store."""
    with record() as recording:
        recording.tracer_provider.get_tracer("autogen-core").start_span("m", attributes=MADE).end()
        recording.tracer_provider.get_tracer("somebody").start_span("other").end()

    assert [span.name for span in recording.spans] == ["other"]


def test_it_is_not_announced_while_it_lasts(tmp_path: Path) -> None:
    """A slow constructor leaves no row of a span that never ended."""
    exporter = StoreSpanExporter(tmp_path / "store.db")
    assert exporter.writer is not None
    processor = OpenRowProcessor(exporter.writer, delay_seconds=0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("autogen-core").start_span("made", attributes=MADE)

    assert not processor._begun
    processor.shutdown()
    exporter.shutdown()
