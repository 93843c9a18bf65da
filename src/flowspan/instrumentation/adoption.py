"""Takes spans of others in: the run's id when they start, and what they lack when they end.

A model call is counted once, on the span of its *owner*:

1. a row of ours, wherever one sees the call;
2. else the innermost span that says what it used, of those around each other;
3. else, where none says it, the outermost model call among them.

A span that ended is counted or not for good; one that ends later inside it is then not counted.
One that ends without having said what it used leaves its call to another that is still open.
Everything that a guest lacks is set while it ends, before any exporter sees it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode, get_current_span

from flowspan import semconv
from flowspan.instrumentation import accounting, counted, failures
from flowspan.instrumentation.dialects import (
    Reading,
    may_be_model_call,
    recognise,
    said_by_name,
)
from flowspan.instrumentation.frame import INVOCATION_KEY, SPAN_KEY, CallFrame
from flowspan.instrumentation.guests import Guest, GuestFrame, House, live
from flowspan.instrumentation.hooks import Outcome
from flowspan.instrumentation.span import LeanSpan
from flowspan.safety import guarded

if TYPE_CHECKING:
    from opentelemetry.context import Context

_OURS: Final = "flowspan"
_USAGE: Final = "gen_ai.usage."
_OTHER: Final = "_OTHER"
_NO_ERRORS: Final = frozenset(
    {"GeneratorExit", "CancelledError", "KeyboardInterrupt", "SystemExit"}
)
"""Exceptions that end a call and are no failure, as in spans of ours."""

_STOPPED: Final = frozenset({semconv.INTERRUPTION, semconv.STREAM_ABANDONED, semconv.ERROR_TYPE})
"""What a run says that did not come to its end, so that another one may go on with it."""


class Adoption(SpanProcessor):
    """Knows every open span of others, and completes those that stand for something of a run."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span that starts inside a run, and remember it."""
        if not _is_ours(span):
            guarded("span of others", _arrive, span, parent_context)

    def _on_ending(self, span: Span) -> None:
        """Complete a span before it is handed to any exporter."""
        if live and not isinstance(span, LeanSpan):
            guest = live.pop(span.context.span_id, None)
            if guest is not None and House.site is not None and House.site.machine.active:
                guarded("span of others", _leave, guest, span)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: it was completed before."""

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing to flush."""
        del timeout_millis
        return True


def _is_ours(span: Span) -> bool:
    if isinstance(span, LeanSpan):
        return True
    scope = span.instrumentation_scope
    return scope is not None and scope.name == _OURS


# --- start ----------------------------------------------------------------------------------------


def _arrive(span: Span, parent_context: Context | None) -> None:
    current = get_current()
    given = current if parent_context is None else parent_context
    # Some make their spans roots on purpose, and are in the midst of a call of ours all the same.
    around = given.get(INVOCATION_KEY) or current.get(INVOCATION_KEY)
    frame = around if isinstance(around, CallFrame) else None
    guest = None if House.site is None else _remembered(span, frame, current)
    inside = frame if guest is None else guest.outside() or frame
    present: Mapping[str, Any] = span.attributes or {}
    if inside is not None and semconv.RUN_ID not in present:
        of_run = _of_run(inside).items()
        span.set_attributes({name: value for name, value in of_run if name not in present})
    if guest is not None:
        guest.enter()  # a run is one from its start on
        if House.expect is not None and may_be_model_call(guest.scope, span.attributes):
            House.expect(span.attributes or {})


def _remembered(span: Span, frame: CallFrame | None, current: Context) -> Guest:
    place = None if current.get(SPAN_KEY) is None else get_current_span(current)
    identity = None if place is None else place.get_span_context().span_id
    guest = live[span.context.span_id] = Guest(span, frame, identity)
    said = said_by_name(guest.scope, span.name)
    if said and semconv.OPERATION_NAME not in (span.attributes or {}):
        span.set_attributes(said)
    return guest


def _of_run(frame: CallFrame) -> dict[str, Any]:
    found: dict[str, Any] = {semconv.RUN_ID: frame.run.run_id}
    if frame.run.workflow is not None:
        found[semconv.WORKFLOW_NAME] = frame.run.workflow
    return found


# --- end ------------------------------------------------------------------------------------------


def _leave(guest: Guest, span: Span) -> None:
    present = {**(span.attributes or {})}  # the SDK's own answers each question by code in Python
    reading = recognise(present)
    if reading is None:
        return
    frame = guest.become(reading.role.kind)
    if frame is None:
        return
    frame.attributes = {**present, **reading.names}
    frame.attributes.setdefault(semconv.KIND, frame.role)
    if frame.reports is not None:  # rows of ours inside heard what the provider said
        reading = reading._replace(usage=frame.reports.added(reading.usage))
    ended_ns = span.end_time or time.time_ns()
    frame.started_ns -= int(reading.lasted * 1e9)
    passing = sys.exc_info()[1]
    _settle_error(frame, span, None if id(passing) == guest.handled else passing)
    if frame.role == "run":
        _remember(frame, span)
        _finish_run(frame, reading, ended_ns)
    elif not reading.is_model_call:
        _finish_around(frame)
        if frame.role != "internal":
            accounting.failed(frame)
    elif _owns(frame, reading, ended_ns):
        _count(frame, reading, ended_ns)
    else:
        frame.attributes[semconv.KIND] = "internal"
        _finish_around(frame)
    if frame.adopted or frame.totals is not None or frame.parent is not None:
        frame.attributes = {**_of_run(frame), **frame.attributes}
    frame.ended = True
    _put(span, present, frame.attributes)


def _settle_error(frame: GuestFrame, span: Span, passing: BaseException | None) -> None:
    """Give a failure its type; leaving early is none."""
    if span.status.status_code is StatusCode.ERROR:
        named = (event.attributes or {} for event in span.events if event.name == "exception")
        types = [str(attributes.get("exception.type", _OTHER)) for attributes in named]
        kind = str(frame.attributes.get(semconv.ERROR_TYPE) or (types[-1] if types else _OTHER))
        if kind.rpartition(".")[2] in _NO_ERRORS:
            frame.attributes.pop(semconv.ERROR_TYPE, None)
            frame.attributes[semconv.STREAM_ABANDONED] = True
        else:
            frame.attributes[semconv.ERROR_TYPE] = kind
    elif frame.role == "run":
        _settle_interruption(frame, passing)


def _settle_interruption(frame: GuestFrame, passing: BaseException | None) -> None:
    """A run that ends while an exception passes that is no error was cancelled, or left."""
    if isinstance(passing, GeneratorExit):
        frame.attributes[semconv.STREAM_ABANDONED] = True
    elif passing is not None and not isinstance(passing, Exception):
        frame.attributes[semconv.INTERRUPTION] = failures.ending(passing)


def _owns(frame: GuestFrame, reading: Reading, ended_ns: int) -> bool:
    """Whether a model call is to be counted on this span; see the top of the module."""
    if frame.claimed or (frame.totals is not None and frame.totals.llm_calls):
        return False
    for above in _above(frame):
        if above.kind == "llm" and not isinstance(above, GuestFrame):
            return False
        if _counts(above, reading):
            return False
    if counted.is_counted(frame, ended_ns):
        return False
    return reading.usage is not None or not counted.is_left_to(frame, ended_ns, _open_calls())


def _open_calls() -> Iterator[GuestFrame]:
    """Model calls of others that have not ended yet, with what they say so far."""
    for guest in tuple(live.values()):
        span = guest.reference()
        reading = None if span is None else recognise(span.attributes)
        if span is not None and reading is not None and reading.is_model_call:
            frame = guest.become(reading.role.kind)
            if frame is not None and not frame.claimed:
                frame.attributes = {**(span.attributes or {}), **reading.names}
                yield frame


def _counts(above: CallFrame, reading: Reading) -> bool:
    """Whether a guest around is counted, or will be."""
    if not isinstance(above, GuestFrame) or above.role != "llm":
        return False
    return above.adopted or (reading.usage is None and not above.ended)


def _above(frame: CallFrame) -> Iterator[CallFrame]:
    above = frame.parent
    while above is not None:
        yield above
        above = above.parent


def _count(frame: GuestFrame, reading: Reading, ended_ns: int) -> None:
    """Make a guest the owner of its call: cost, totals of the frames above, metrics."""
    frame.adopted = True
    frame.attributes[semconv.ADOPTED] = reading.dialect
    if reading.usage is not None:
        frame.attributes.update(reading.usage.attributes())
    outcome = Outcome(reading.usage)
    for hook in frame.site.machine.hooks_of.get("llm", ()):
        found = guarded(f"{type(hook).__name__}.after", hook.after, frame, outcome)
        frame.describe(found or {})
    accounting.ended(frame, reading.usage, None, max(0, ended_ns - frame.started_ns))


def _remember(frame: GuestFrame, span: Span) -> None:
    """The run that goes on with this conversation, where this one stopped, is linked to it."""
    name = frame.attributes.get(semconv.CONVERSATION_ID)
    if name is not None and frame.parent is None and frame.attributes.keys() & _STOPPED:
        known = frame.site.machine.conversations
        known.remember(frame.run.engine, str(name), span.get_span_context())


def _finish_run(frame: GuestFrame, reading: Reading, ended_ns: int) -> None:
    frame.attributes |= {**frame.of_run(), semconv.ADOPTED: reading.dialect}
    _finish_around(frame)
    accounting.ended(frame, None, None, max(0, ended_ns - frame.started_ns))


def _finish_around(frame: GuestFrame) -> None:
    """What is around model calls, or carries one that another span owns: roll-ups."""
    if any(name.startswith(_USAGE) for name in frame.attributes) and (
        frame.role == "llm" or (frame.totals is not None and frame.totals.llm_calls)
    ):
        frame.attributes[semconv.USAGE_ELSEWHERE] = True
    if frame.totals is not None:
        frame.attributes.update(frame.totals.attributes())


def _put(span: Span, present: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    """Set what is new on a span that is ending.

    OpenTelemetry means a span to be changed at this moment; its SDK for Python has closed the
    attributes by then, for which there is no other door.
    """
    changed = {name: value for name, value in attributes.items() if present.get(name) != value}
    own: Any = span._attributes  # noqa: SLF001 - see above
    if span.is_recording():
        span.set_attributes(changed)
    elif hasattr(own, "_immutable"):
        # A span that is full of messages would drop the oldest to make room, and say so.
        limit, own.maxlen = own.maxlen, None
        own._immutable = False  # noqa: SLF001 - see above
        try:
            own.update(changed)
        finally:
            own._immutable = True  # noqa: SLF001 - see above
            own.maxlen = limit
    else:
        span._attributes = {**present, **changed}  # noqa: SLF001 - see above
