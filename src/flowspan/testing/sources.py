"""Where a test's spans come from: a recording, the embedded store, or OTLP that was received."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from flowspan.testing.recording import Recording
from flowspan.testing.seenruns import SeenEvent, SeenRun, SeenSpan

if TYPE_CHECKING:
    from flowspan.store.records import SpanRow

_GZIP: Final = b"\x1f\x8b"
_ERROR: Final = 2
"""The status code of OTLP that stands for an error."""

_WANTED: Final = (
    "expected a Recording or its spans, a path of a store, or OTLP that was received "
    "(ExportTraceServiceRequest, as messages or as bytes)"
)


def runs_of(source: Any) -> list[SeenRun]:
    """The runs that a source holds, in the order of their begin.

    Traces without a run (a model call outside any engine) count only where there is no other.

    Raises:
        TypeError: It is none of the things that hold spans.
    """
    traces: dict[str, list[SeenSpan]] = {}
    for span in sorted(_spans(source), key=lambda span: span.start_ns):
        traces.setdefault(span.trace_id, []).append(span)
    found = [SeenRun(tuple(spans)) for spans in traces.values()]
    return [run for run in found if run.of_kind("run")] or found


def _spans(source: Any) -> list[SeenSpan]:
    if isinstance(source, Recording):
        return [_recorded(span) for span in source.spans]
    if isinstance(source, str | Path):
        return _stored(source)
    if isinstance(source, bytes) or hasattr(source, "resource_spans"):
        return _received(source)
    if isinstance(source, Iterable):
        return [span for each in source for span in _one(each)]
    raise TypeError(f"{type(source).__name__} holds no spans: {_WANTED}")


def _one(each: Any) -> list[SeenSpan]:
    if isinstance(each, SeenSpan):
        return [each]
    if isinstance(each, ReadableSpan):
        return [_recorded(each)]
    if isinstance(each, bytes) or hasattr(each, "resource_spans"):
        return _received(each)
    raise TypeError(f"{type(each).__name__} is no span: {_WANTED}")


# --- recorded ---------------------------------------------------------------------------------


def _recorded(span: ReadableSpan) -> SeenSpan:
    context = span.get_span_context()
    return SeenSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}" if context is not None else "",
        span_id=f"{context.span_id:016x}" if context is not None else "",
        parent_id=None if span.parent is None else f"{span.parent.span_id:016x}",
        start_ns=span.start_time or 0,
        failed=not (span.status.is_unset or span.status.is_ok),
        attributes=_plain(span.attributes),
        events=tuple(SeenEvent(event.name, _plain(event.attributes)) for event in span.events),
    )


# --- stored -----------------------------------------------------------------------------------


def _stored(place: str | Path) -> list[SeenSpan]:
    # Readers of the store need SQLAlchemy, which recordings do not.
    from flowspan.store import location  # noqa: PLC0415
    from flowspan.store.queries import open_store  # noqa: PLC0415
    from flowspan.store.records import RunFilter  # noqa: PLC0415

    with open_store(location.place(str(place))) as store:
        traces = [run.trace_id for run in store.runs(RunFilter(limit=None))]
        return [_row(row) for trace in traces for row in store.trace(trace)]


def _row(row: SpanRow) -> SeenSpan:
    return SeenSpan(
        name=row.name,
        trace_id=row.trace_id,
        span_id=row.span_id,
        parent_id=row.parent_id,
        start_ns=row.start_ns,
        failed=row.status == "error",
        attributes=_plain(row.attrs),
        events=tuple(SeenEvent(event.name, _plain(event.attrs)) for event in row.events),
    )


# --- received ---------------------------------------------------------------------------------


def _received(source: Any) -> list[SeenSpan]:
    if isinstance(source, bytes):
        source = _parsed(source)
    return [
        _sent(span)
        for resource in source.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _parsed(data: bytes) -> Any:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - as above
        ExportTraceServiceRequest,
    )

    return ExportTraceServiceRequest.FromString(
        gzip.decompress(data) if data.startswith(_GZIP) else data
    )


def _sent(span: Any) -> SeenSpan:
    return SeenSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        start_ns=span.start_time_unix_nano,
        failed=span.status.code == _ERROR,
        attributes=_pairs(span.attributes),
        events=tuple(SeenEvent(event.name, _pairs(event.attributes)) for event in span.events),
    )


def _pairs(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return None if which is None else getattr(value, which)


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list | tuple) else value
        for key, value in (attributes or {}).items()
    }
