"""A lean span is to everybody what the SDK's span would have been."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from flowspan.instrumentation.span import LeanSpan, span_maker
from flowspan.instrumentation.values import cleaned


def pair() -> tuple[Any, Any, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope", "1")
    return tracer, span_maker(tracer), exporter


def both(write: Any) -> list[ReadableSpan]:
    """The same done to a span of the SDK's and to a lean one."""
    tracer, start, exporter = pair()
    theirs = tracer.start_span(
        "name", Context(), SpanKind.CLIENT, attributes={"a": 1}, start_time=1_000
    )
    ours = start("name", Context(), SpanKind.CLIENT, {"a": 1}, 1_000)
    assert isinstance(ours, LeanSpan)
    for span in (theirs, ours):
        write(span)
        span.end(2_000)
    return list(exporter.get_finished_spans())


def comparable(span: ReadableSpan) -> Any:
    seen = json.loads(span.to_json())
    del seen["context"]
    return seen


WRITES = {
    "nothing": lambda span: None,
    "attributes": lambda span: span.set_attributes({"b": [1, 2], "c": "text", "a": 2.5}),
    "event": lambda span: span.add_event("e", {"k": (True, False)}, 1_500),
    "status": lambda span: span.set_status(Status(StatusCode.ERROR, "why")),
    "status by code": lambda span: span.set_status(StatusCode.ERROR, "why"),
    "ok is final": lambda span: (span.set_status(StatusCode.OK), span.set_status(StatusCode.ERROR)),
    "unset changes nothing": lambda span: (
        span.set_status(StatusCode.ERROR, "x"),
        span.set_status(StatusCode.UNSET),
    ),
    "rename": lambda span: span.update_name("other"),
    "link": lambda span: span.add_link(trace.SpanContext(1, 2, False), {"l": 1}),
    "after the end": lambda span: (span.end(2_000), span.set_attributes({"late": 1})),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.filterwarnings("ignore")
def test_what_is_written_reads_as_from_the_sdk(write: Any) -> None:
    theirs, ours = both(write)

    assert comparable(ours) == comparable(theirs)
    assert ours.resource == theirs.resource
    assert ours.instrumentation_scope == theirs.instrumentation_scope
    assert [tuple(event.attributes or ()) for event in ours.events] == [
        tuple(event.attributes or ()) for event in theirs.events
    ]


def test_it_encodes_for_otlp_as_the_sdks_does() -> None:
    def write(span: Any) -> None:
        span.set_attributes({"b": ["x", "y"], "f": 1.5, "t": True})
        span.add_event("e", {"k": 1}, 1_500)

    theirs, ours = both(write)
    encoded = []
    for span in (theirs, ours):
        message = encode_spans([span]).resource_spans[0].scope_spans[0].spans[0]
        message.trace_id = message.span_id = b""
        encoded.append(message)
    assert encoded[0] == encoded[1]


def test_the_console_exporter_prints_it() -> None:
    out = io.StringIO()
    _, start, _ = pair()
    span = start("shown", Context(), SpanKind.INTERNAL, {"a": 1}, 1_000)
    span.add_event("e", {"k": 1}, 1_500)
    span.end(2_000)
    ConsoleSpanExporter(out=out).export([span])

    assert json.loads(out.getvalue())["events"][0]["name"] == "e"


def test_an_exception_is_recorded_and_with_ends_the_span() -> None:
    _, start, exporter = pair()
    with (
        pytest.raises(ValueError, match="no"),
        start("w", Context(), SpanKind.INTERNAL, {}, 1),
    ):
        raise ValueError("no")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].name == "exception"
    assert (span.events[0].attributes or {})["exception.type"] == "ValueError"


def test_children_belong_to_their_parents_and_remote_parents_are_followed() -> None:
    tracer, start, _ = pair()
    parent = tracer.start_span("parent")
    child = start("c", trace.set_span_in_context(parent, Context()), SpanKind.INTERNAL, {}, 1)
    remote = trace.SpanContext(7, 8, True, trace.TraceFlags(0))
    unsampled = start(
        "r",
        trace.set_span_in_context(trace.NonRecordingSpan(remote), Context()),
        SpanKind.INTERNAL,
        {},
        1,
    )

    assert child.get_span_context().trace_id == parent.get_span_context().trace_id
    assert child.parent == parent.get_span_context()
    assert not unsampled.is_recording()
    assert unsampled.get_span_context().trace_id == 7


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.0)])
def test_a_sampler_that_says_no_is_obeyed(sampler: Any) -> None:
    tracer = TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("x")
    span = span_maker(tracer)("n", Context(), SpanKind.INTERNAL, {}, 1)
    assert not span.is_recording()
    assert span.get_span_context().is_valid


@pytest.mark.parametrize(
    "provider",
    [
        TracerProvider(span_limits=SpanLimits(max_events=5), shutdown_on_exit=False),
        trace.NoOpTracerProvider(),
        trace.ProxyTracerProvider(),
    ],
)
def test_elsewhere_the_tracers_own_span_is_used(provider: Any) -> None:
    span = span_maker(provider.get_tracer("x"))("n", Context(), SpanKind.INTERNAL, {"a": 1}, 1)
    assert not isinstance(span, LeanSpan)


def test_more_attributes_than_the_limit_are_refused() -> None:
    _, start, _ = pair()
    span: Any = start("n", Context(), SpanKind.INTERNAL, {}, 1)
    span.set_attributes({str(number): number for number in range(200)})
    assert len(span.attributes) == 128


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.builds(object),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=6,
)


@given(anything)
def test_whatever_comes_a_span_can_hold_and_an_exporter_encode(value: Any) -> None:
    clean = cleaned(value)
    _, start, _ = pair()
    span: Any = start(
        "n", Context(), SpanKind.INTERNAL, {"k": clean} if clean is not None else {}, 1
    )
    span.end(2)
    assert encode_spans([span]).SerializeToString()
    assert (clean is None) == (value is None)
