"""One call on the way from the run down to the current one: what it is and what is known of it.

This is what extractors see as ``Frame`` and hooks as ``Visit``; how a call begins and ends is in
``invocation``.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from opentelemetry.context import Context, create_key, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from flowspan import semconv
from flowspan.instrumentation import accounting
from flowspan.instrumentation.events import EventLog
from flowspan.instrumentation.integration import NOTHING, Call
from flowspan.instrumentation.run import Run, Totals
from flowspan.instrumentation.span import LeanSpan
from flowspan.instrumentation.values import cleaned, text
from flowspan.safety import swallow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from flowspan.instrumentation.integration import Attributes
    from flowspan.instrumentation.machine import Site
    from flowspan.semconv import Kind

INVOCATION_KEY: Final = create_key("flowspan-invocation")
"""Where the current frame lives in the OpenTelemetry context."""

NO_CONTEXT: Final = Context()
"""The context of a frame that is over."""

SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Where the current span lives there."""

_nowhere: Final = INVALID_SPAN.get_span_context
_OURS: Final = frozenset({INVOCATION_KEY, SPAN_KEY})
_SHORT: Final = 256
"""Texts up to here need no second look."""


class CallFrame:
    """The state of one call.

    Attributes:
        site: The row that was called.
        call: Instance and arguments.
        parent: The frame around this one.
        run: The run that it belongs to.
        attributes: Every attribute so far, clean; a lean span holds this very dictionary.
        totals: What the model calls below added up to.
        prompt: Name and version of the prompt that was chosen here.
        round: Which round of its node this is, where its row tells the inputs.
        looked: What the state was before the call, where its row watches one.
        step: Name of the nearest node or step, this one included.
        host: The nearest run, step or node around: the one whose own time the call takes.
        started_ns: Start in nanoseconds of the epoch.
        cost_usd: What a hook said that the call cost.
        failure: What it raised.
        failed_below: Identity of the exception that came from inside, or ``REPORTED``.
        children: How many runs, steps and nodes are under way inside.
        covered_ns: How long at least one was.
        reports: What model calls inside this one told; ``None`` where there are none.
        ended: True once nothing more is taken.
    """

    generation: ClassVar[int] = 0
    """Grows in a forked child."""

    sees_exceptions: ClassVar[bool] = True
    """Whether it is told of every exception that leaves it."""

    __slots__ = (
        "__weakref__",
        "_around",
        "_clock",
        "_context",
        "_events",
        "_generation",
        "_notes",
        "_outer",
        "_span",
        "attributes",
        "call",
        "children",
        "closing",
        "cost_usd",
        "covered_ns",
        "covered_since",
        "ended",
        "failed_below",
        "failure",
        "host",
        "looked",
        "parent",
        "prompt",
        "replay",
        "reports",
        "round",
        "run",
        "site",
        "started_ns",
        "step",
        "totals",
    )

    def __init__(self, site: Site, call: Call, parent: CallFrame | None, outer: Context) -> None:
        self.site = site
        self.call = call
        self.parent = parent
        self.attributes: dict[str, Any] = site.static.copy()
        if parent is None:
            self.run = Run.begun(None, "", outer)
            self.step: str | None = None
            self.host: CallFrame | None = None
        else:
            self.run = parent.run
            self.step = parent.step
            self.host = parent if parent.kind in accounting.TIMED_KINDS else parent.host
        self.totals: Totals | None = None
        self.prompt: tuple[Any, Any] | None = None
        self.looked: Any = None
        self.round: Any = None
        self.replay: Any = None
        self.reports: Any = None
        self.cost_usd: Decimal | None = None
        self.closing = False
        self.ended = False
        self.failure: BaseException | None = None
        self.failed_below: tuple[int, Any] | int | None = None
        self.children = 0
        self.covered_ns = 0
        self.covered_since = 0
        self._outer = outer
        self._around = outer.get(SPAN_KEY)
        self._span: Span | None = None
        self._context: Context | None = None
        self._events: EventLog | None = None
        self._notes: dict[str, Any] | None = None
        self.started_ns = time.time_ns()
        self._generation = CallFrame.generation
        self._clock = time.perf_counter_ns()

    @property
    def inherited(self) -> bool:
        """Whether the call began in another process than this one."""
        return self._generation != CallFrame.generation

    @property
    def label(self) -> str:
        """The row's label."""
        return self.site.label

    @property
    def kind(self) -> Kind | None:
        """Role of the span."""
        return self.site.kind

    @property
    def defers(self) -> bool:
        """Whether model calls inside this one are followed for what they know."""
        return self.site.patch.defers

    @property
    def told(self) -> bool:
        """Whether a model call inside this one was followed."""
        return self.reports is not None

    @property
    def workflow(self) -> str | None:
        """Name of the workflow."""
        return self.run.workflow

    @property
    def notes(self) -> dict[str, Any]:
        """Scratch memory of the call."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    @property
    def run_notes(self) -> dict[str, Any]:
        """Scratch memory of the run."""
        return self.run.notes

    @property
    def layer(self) -> str:
        """Who sees the call."""
        return "flowspan"

    @property
    def metered_elsewhere(self) -> bool:
        """Whether somebody else emits the conventions' metrics of this call."""
        return False

    @property
    def carries_call(self) -> bool:
        """Whether it stands for a model call, be it counted here or elsewhere."""
        return self.kind == "llm"

    def span_ids(self) -> tuple[int | None, int | None, int | None]:
        """Ids of the call's span, if it has one, of its parent and of what was current before."""
        span, around = self._span, self._around
        place = None if around is None else getattr(around, "get_span_context", _nowhere)().span_id
        return None if span is None else span.get_span_context().span_id, place, place

    def is_nearest(self, span: Any) -> bool:
        """Whether ``span`` is this call's, or was current when it began without one."""
        if self._span is None and span is self._outer.get(SPAN_KEY):
            return True
        return span is self._span or span is self._around

    def elapsed_ns(self) -> int:
        """Nanoseconds since the start."""
        return time.perf_counter_ns() - self._clock

    def began(self, ago_ns: int) -> None:
        """Say that the call began so many nanoseconds before it was seen."""
        self.started_ns -= ago_ns
        self._clock -= ago_ns

    # --- what is known of it -------------------------------------------------------------------

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes that were not known at the start; without effect after the end."""
        if not self.ended:
            self._take(attributes)

    def _take(self, attributes: Mapping[str, Any] | None) -> None:
        """Take what an extractor or a hook found out, in whatever form it says so."""
        if attributes is None:
            return
        known = self.attributes
        try:
            for key, value in attributes.items():
                if value is not None:
                    plain = type(value) is str and len(value) <= _SHORT and value.isascii()
                    name = key if type(key) is str and key.isascii() else text(key)
                    known[name] = value if plain else cleaned(value)
        except Exception as error:  # noqa: BLE001 - no mapping, or a hostile one
            swallow(f"{self.site.place} attributes", error)

    def event(
        self, name: str, attributes: Attributes = NOTHING, timestamp: int | None = None
    ) -> None:
        """Add an event, at the present time unless said; without effect after the end."""
        if self.ended:
            return
        recorded = self._event_log().add(name, attributes, timestamp)
        outlet = self.site.machine.outlet
        if outlet.to_log:
            outlet.log(recorded, self.materialise())
        accounting.event(self, recorded)

    def _event_log(self) -> EventLog:
        if self._events is None:
            self._events = EventLog()
            if isinstance(self._span, LeanSpan):
                if self._span.log is not None:  # the program's own events came first
                    self._events = self._span.log
                self._span.log = self._events
        return self._events

    def charge(self, amount: Decimal) -> None:
        """Say what the call cost, in US dollars; the cost hook does."""
        self.cost_usd = amount

    # --- its span ------------------------------------------------------------------------------

    def materialise(self) -> Context:
        """The context of the span, which is made now if it was not yet."""
        if self._span is None:
            self._start_span()
        return self.own_context()

    def own_context(self) -> Context:
        """The context in which the call runs."""
        if self._context is None:
            values = {**self._outer, INVOCATION_KEY: self}
            if self._span is not None:
                values[SPAN_KEY] = self._span
            self._context = Context(values)
        return self._context

    def _start_span(self) -> None:
        outer, parent = self._outer, self.parent
        if parent is not None and outer.get(SPAN_KEY) is parent._around:  # noqa: SLF001 - same class
            # The parent began without a span: the context that it runs in shows the span around it.
            parent.materialise()
            outer = Context({**outer, SPAN_KEY: parent._span})  # noqa: SLF001 - of the same class
        self._span = span = self.site.machine.start_span(
            self._span_name(),
            outer,
            self.site.span_kind,
            self.attributes,
            self.started_ns,
        )
        if isinstance(span, LeanSpan) and self._events is not None:
            span.log = self._events
        self._outer = outer
        self._context = None

    def _span_name(self) -> str:
        site = self.site
        span_name = site.patch.span_name
        if callable(span_name):
            span_name = site.ask("span name", span_name, self.call)
        if span_name is not None:
            return text(span_name)
        subject = self.attributes.get(semconv.NAME_OF_KIND.get(site.kind or "", ""))
        operation = self.attributes.get(semconv.OPERATION_NAME)
        if operation is None:
            return site.label
        return text(operation if subject is None else f"{operation} {subject}")

    def release(self) -> None:
        """Let go of the program's objects and of cycles through this frame, at once.

        Whoever keeps a context (a thread of a pool, a task) keeps this frame, and must not keep
        the arguments of a call that is over.
        """
        call = self.call
        call.frame = call.enclosing = call.instance = call.snapshot = call.function = None
        call.args, call.kwargs = (), NOTHING
        self.failure = self.replay = self.reports = None
        self.looked = self.round = None
        self._context = self._notes = self._events = self._around = None
        self._outer = NO_CONTEXT
        self._span = None


def living(frame: Any) -> CallFrame | None:
    """A frame that has ended takes nothing more; its run may still go on around it."""
    while frame is not None and frame.ended:
        frame = frame.parent
    found: CallFrame | None = frame
    return found


def without_what_ended(context: Context) -> Context:
    """A context for a run that begins where another one has ended, in a thread that it left say.

    The new run is a trace of its own; a span of the program's that is still open stays around it.
    """
    span = context.get(SPAN_KEY)
    over = {INVOCATION_KEY} if isinstance(span, Span) and span.is_recording() else _OURS
    return Context({key: value for key, value in context.items() if key not in over})


def _after_fork() -> None:
    CallFrame.generation += 1


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
    os.register_at_fork(after_in_child=_after_fork)


def current() -> CallFrame | None:
    """The frame around the caller, if any."""
    found = get_current().get(INVOCATION_KEY)
    return found if isinstance(found, CallFrame) else None
