"""The span that invocations make: as small as it can be, and a ``ReadableSpan`` to everybody else.

The SDK's own span cleans and copies every attribute, takes a lock for each, keeps events as
objects with dictionaries of their own, and copies itself when it ends.  Most of what a span costs
is that, and the garbage collector's walk through it.  Ours keeps the dictionary that the invocation
filled and its events as tuples; an exporter gets ``Event`` objects when it asks for them.

It stands in only where nothing of the SDK's would be missed (:func:`span_maker`): a tracer of the
SDK with default limits and without the SDK's metrics of itself.  Elsewhere the SDK's span is used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, Tracer
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
)

from flowspan.instrumentation.events import EventLog
from flowspan.instrumentation.limits import limits_of
from flowspan.instrumentation.stacktraces import message
from flowspan.instrumentation.values import cleaned, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer as AnyTracer

    SpanMaker = Callable[[str, Context, SpanKind, dict[str, Any], int], Span]

_UNSET: Final = Status(StatusCode.UNSET)
_MOST_ATTRIBUTES: Final = 128
_DEFAULT_LIMITS: Final = (128, 128, 128, 128, 128, None, None)


class LeanSpan(ReadableSpan, Span):
    """A span whose attributes and events are the invocation's own.

    The names of its fields are ``ReadableSpan``'s, whose properties read them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, for every call
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
        tracer: Any,
    ) -> None:
        self._name = name
        self._context = self._identity = context
        self._parent = parent
        self._kind = kind
        self._attributes = self._own = attributes
        self._start_time = start_time
        self._end_time: int | None = None
        self._resource = tracer.resource
        self._instrumentation_info = tracer.instrumentation_info
        self._instrumentation_scope = tracer._instrumentation_scope  # noqa: SLF001 - no other door
        self._span_processor = tracer.span_processor
        self._status = _UNSET
        self._links: Sequence[Link] = ()
        self.log: EventLog | None = None

    # --- read ----------------------------------------------------------------------------------

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes so far."""
        return MappingProxyType(self._own)

    @property
    def _events(self) -> Sequence[Any]:  # type: ignore[override]  # read, never written
        return () if self.log is None else self.log.kept()

    @property
    def events(self) -> Sequence[Event]:
        """The events, as the SDK's objects."""
        return tuple(Event(event.name, event.attributes, event.timestamp) for event in self._events)

    @property
    def dropped_attributes(self) -> int:
        """None: what is above the limit is refused, not dropped."""
        return 0

    @property
    def dropped_events(self) -> int:
        """How many events fell between the first and the last."""
        return 0 if self.log is None else self.log.dropped

    @property
    def dropped_links(self) -> int:
        """None."""
        return 0

    def get_span_context(self) -> SpanContext:
        """Identity of the span."""
        return self._identity

    def is_recording(self) -> bool:
        """True until the span has ended."""
        return self._end_time is None

    # --- write: the program's own code may do this to the current span -------------------------

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes; ``None`` and what a span cannot hold are left out."""
        if self._end_time is not None:
            return
        own = self._own
        for name, value in attributes.items():
            key = text(name)
            if (clean := cleaned(value)) is not None and (
                key in own or len(own) < _MOST_ATTRIBUTES
            ):
                own[key] = clean

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event."""
        if self._end_time is not None:
            return
        if self.log is None:
            self.log = EventLog()
        self.log.add(name, attributes or {}, timestamp)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link."""
        if self._end_time is None and context is not None and context.is_valid:
            self._links = (*self._links, Link(context, attributes))

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self._end_time is None:
            self._name = text(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; ``OK`` is final and ``UNSET`` changes nothing, as the SDK has it."""
        if not isinstance(status, Status):
            status = Status(status, description)
        final = self._end_time is not None or self._status.status_code is StatusCode.OK
        if not final and not status.is_unset:
            self._status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the signature is OpenTelemetry's
    ) -> None:
        """Add an ``exception`` event."""
        del escaped
        from flowspan.instrumentation.failures import exception_attributes  # noqa: PLC0415 - cycle

        described = exception_attributes(exception, first=True)
        self.add_event("exception", {**described, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span, once, and hand it to the processors."""
        if self._end_time is not None:
            return
        processor = self._span_processor
        if (on_ending := getattr(processor, "_on_ending", None)) is not None:
            on_ending(self)
        self._end_time = time.time_ns() if end_time is None else end_time
        processor.on_end(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the span; an error is recorded, as ``with span:`` does with the SDK's."""
        if isinstance(error, Exception) and self._end_time is None:
            self.record_exception(error)
            self.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {message(error)}"))
        self.end()


# --- making -----------------------------------------------------------------------------------


def span_maker(tracer: AnyTracer) -> SpanMaker:
    """What starts spans for a tracer: lean ones where nothing of the SDK's would be missed."""
    if not _allows_lean_spans(tracer):
        limits = limits_of(tracer)

        def start(
            name: str, context: Context, kind: SpanKind, attributes: dict[str, Any], start_time: int
        ) -> Span:
            fitting = limits.of_span(attributes)
            return tracer.start_span(name, context, kind, attributes=fitting, start_time=start_time)

        return start
    return _LeanMaker(tracer).start


def _allows_lean_spans(tracer: Any) -> bool:
    if type(tracer) is not Tracer:
        return False
    limits = getattr(tracer, "_span_limits", None)
    own_metrics = getattr(tracer, "_tracer_metrics", None)
    return (
        isinstance(limits, SpanLimits)
        and _limits(limits) == _DEFAULT_LIMITS
        and (own_metrics is None or type(own_metrics).__name__.startswith("NoOp"))
        and all(
            hasattr(tracer, name)
            for name in (
                "sampler",
                "resource",
                "span_processor",
                "id_generator",
                "instrumentation_info",
                "_instrumentation_scope",
            )
        )
    )


def _limits(limits: SpanLimits) -> tuple[int | None, ...]:
    return (
        limits.max_span_attributes,
        limits.max_events,
        limits.max_links,
        limits.max_event_attributes,
        limits.max_link_attributes,
        limits.max_attribute_length,
        limits.max_span_attribute_length,
    )


class _LeanMaker:
    """Starts lean spans as the SDK's tracer starts its own: sampler, ids, processors."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer
        self._enabled = getattr(tracer, "_is_enabled", lambda: True)
        self._random_ids = getattr(tracer.id_generator, "is_trace_id_random", lambda: False)

    def start(
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int,
    ) -> Span:
        tracer = self._tracer
        parent = get_current_span(context).get_span_context()
        if not self._enabled():
            return NonRecordingSpan(parent)
        known: SpanContext | None = parent if parent.is_valid else None
        if known is not None and not known.is_remote and tracer.sampler is DEFAULT_ON:
            # The default sampler does as a local parent does.
            flags, state, recorded = known.trace_flags, known.trace_state, known.trace_flags.sampled
            trace_id = known.trace_id
        else:
            trace_id, flags, state, recorded = self._sampled(name, context, kind, attributes, known)
        identity = SpanContext(
            trace_id, tracer.id_generator.generate_span_id(), False, flags, state
        )
        if not recorded:
            return NonRecordingSpan(identity)
        span = LeanSpan(name, identity, known, kind, attributes, start_time, tracer)
        tracer.span_processor.on_start(span, parent_context=context)
        return span

    def _sampled(
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: dict[str, Any],
        parent: SpanContext | None,
    ) -> tuple[int, TraceFlags, Any, bool]:
        tracer = self._tracer
        if parent is None:
            trace_id = tracer.id_generator.generate_trace_id()
            random = self._random_ids()
        else:
            trace_id = parent.trace_id
            random = getattr(parent.trace_flags, "random_trace_id", False)
        result = tracer.sampler.should_sample(context, trace_id, name, kind, attributes, ())
        flags = TraceFlags.SAMPLED if result.decision.is_sampled() else TraceFlags.DEFAULT
        if random:
            flags |= getattr(TraceFlags, "RANDOM_TRACE_ID", 0)
        attributes.update(result.attributes or {})
        return trace_id, TraceFlags(flags), result.trace_state, result.decision.is_recording()
