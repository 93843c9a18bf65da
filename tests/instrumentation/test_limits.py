"""Limits of the SDK's spans are kept before the SDK complains of them."""

from __future__ import annotations

import logging
from types import ModuleType

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer

from flowspan.instrumentation.integration import Event, Integration, Patch
from flowspan.instrumentation.limits import limits_of
from flowspan.testing import record

LONG = "x" * 50


def test_what_does_not_fit_is_left_out_in_silence(
    toy: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = InMemorySpanExporter()
    limits = SpanLimits(
        max_span_attributes=8,
        max_events=2,
        max_event_attributes=1,
        max_attribute_length=5,
        max_span_attribute_length=10,
    )
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    patch = Patch(
        target="toyengine:Engine.node",
        kind="node",
        name="node",
        request=lambda _: {"a": LONG, "b": [LONG, LONG]},
        response=lambda _c, _r: {f"late.{index}": index for index in range(20)},
        before=lambda _: [Event("e", {"a": LONG, "b": 1})] * 5,
    )
    with caplog.at_level(logging.DEBUG), record(Integration("toy", "", (patch,))) as recording:
        assert recording.patcher is not None
        machine = recording.patcher._machine
        machine.tracer = provider.get_tracer("t")
        machine.__post_init__()
        toy.Engine().node(1)

    (span,) = exporter.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert len(attributes) == 8
    assert (attributes["a"], attributes["b"]) == (LONG[:10], (LONG[:10], LONG[:10]))
    assert [dict(event.attributes or {}) for event in span.events] == [{"a": LONG[:5]}] * 2
    assert not caplog.records


def test_a_tracer_without_limits_limits_nothing() -> None:
    limits = limits_of(NoOpTracer())
    assert limits.of_span({"a": LONG}) == limits.of_event({"a": LONG}) == {"a": LONG}
