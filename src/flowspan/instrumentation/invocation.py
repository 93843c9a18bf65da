"""The span of one call, from request to response.  The only module that makes spans.

::

    begin ─► before hooks ─► span starts ─► enter … exit (around the original, or each of its parts)
                                               │
              complete(result) ◄───────────────┤ returned, drained
              fail(error)      ◄───────────────┤ raised
              abandon()        ◄───────────────┘ closed early, dropped, never read
                   │
                   └─► usage ─► after hooks ─► totals of the frames above ─► metrics ─► span ends

A call whose row has ``keep`` starts without a span: the span is made when something inside it
needs a parent, or at its end if ``keep`` says so.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, create_key, get_current
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation import accounting, content, failures
from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.events import EventLog, Recorded
from flowspan.instrumentation.hooks import Outcome, Replay
from flowspan.instrumentation.integration import NOTHING
from flowspan.instrumentation.run import Run, Totals
from flowspan.safety import guarded, guarded_hook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flowspan.instrumentation.integration import Attributes, Call, Event
    from flowspan.instrumentation.machine import Site
    from flowspan.semconv import Kind
    from flowspan.usage import Usage

INVOCATION_KEY: Final = create_key("flowspan-invocation")
"""Where the current invocation lives in the OpenTelemetry context."""


def current() -> Invocation | None:
    """The invocation around the caller, if any."""
    found = get_current().get(INVOCATION_KEY)
    return found if isinstance(found, Invocation) else None


class Invocation:
    """One call under way; it is the ``Frame`` that extractors and the ``Visit`` that hooks see.

    Attributes:
        site: The row that was called.
        call: Instance and arguments.
        parent: The invocation around this one.
        run: The run that it belongs to.
        attributes: Every attribute so far; the span gets them at its start and at its end.
        totals: What the model calls below added up to.
        prompt: Name and version of the prompt that was chosen here.
        replay: A hook's answer in place of the call.
        started_ns: Start in nanoseconds of the epoch.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_context",
        "_events",
        "_late",
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
        "first_chunk_ns",
        "parent",
        "prompt",
        "replay",
        "run",
        "site",
        "started_ns",
        "step",
        "totals",
    )

    def __init__(self, site: Site, call: Call, parent: Invocation | None, outer: Context) -> None:
        self.site = site
        self.call = call
        self.parent = parent
        self.attributes: dict[str, Any] = site.static.copy()
        self.totals: Totals | None = None
        self.prompt: tuple[Any, Any] | None = None
        self.replay: Replay | None = None
        self.cost_usd: Decimal | None = None
        self.step: str | None = parent.step if parent is not None else None
        self.run: Run = parent.run if parent is not None else Run(None, "")
        self.closing = False
        self.ended = False
        self.failed_below: int | None = None
        self.failure: BaseException | None = None
        self.first_chunk_ns: int | None = None
        self.children = 0
        self.covered_ns = 0
        self.covered_since = 0
        self._span: Span | None = None
        self._outer = outer
        self._context: Context | None = None
        self._events: EventLog | None = None
        self._notes: dict[str, Any] | None = None
        self._late: dict[str, Any] = self.attributes
        self.started_ns = time.time_ns()
        self._clock = time.perf_counter_ns()

    # --- what extractors and hooks see ---------------------------------------------------------

    @property
    def label(self) -> str:
        """The row's label."""
        return self.site.label

    @property
    def kind(self) -> Kind | None:
        """Role of the span."""
        return self.site.kind

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

    def describe(self, attributes: Attributes) -> None:
        """Set attributes that were not known at the start; without effect after the end."""
        if not self.ended:
            self._take(attributes)

    def event(self, name: str, attributes: Attributes = NOTHING) -> None:
        """Add an event now; without effect after the end."""
        if self.ended:
            return
        if self._events is None:
            self._events = EventLog()
        recorded = self._events.add(name, attributes)
        outlet = self.site.machine.outlet
        if outlet.to_log:
            outlet.log(recorded, self.materialise())
        accounting.event(self, recorded)

    def charge(self, amount: Decimal) -> None:
        """Say what the call cost, in US dollars; the cost hook does."""
        self.cost_usd = amount

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> Invocation:
        """Describe the request, ask the hooks, start the span.

        Raises:
            FlowspanError: A hook refused the call, as the user asked it to.
        """
        site = self.site
        self._name()
        self._request()
        accounting.started(self)
        if hooks := site.machine.hooks_of.get(site.kind):
            self._ask(hooks)
        if site.keep is None:
            self._start_span()
        if site.patch.before is not None:
            self._emit(guarded(f"{site.place} before", _listed, site.patch.before, self.call))
        return self

    def enter(self) -> Attached:
        """Make this the current invocation, and its span the current span."""
        return Attached(self._own_context())

    def complete(self, result: Any) -> None:
        """End after a result."""
        if not self._claimed():
            return
        patch = self.site.patch
        if patch.response is not None:
            self._take(guarded(f"{self.site.place} response", patch.response, self.call, result))
        if patch.outcome is not None:
            kind = guarded(f"{self.site.place} outcome", patch.outcome, self.call, result)
            if kind is not None:
                self._take({semconv.ERROR_TYPE: kind})
        if patch.after is not None:
            self._emit(guarded(f"{self.site.place} after", _listed, patch.after, self.call, result))
        keep = self.site.keep
        dropped = keep is not None and guarded(f"{self.site.place} keep", keep, self.call, result)
        self._end(self._usage(result), None, drop=keep is not None and dropped is False)

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """End after an exception; ``partial`` is what a stream had brought until then."""
        if not self._claimed():
            return
        patch = self.site.patch
        if patch.failure is not None:
            self._take(guarded(f"{self.site.place} failure", patch.failure, self.call, error))
        if partial is not None and patch.response is not None:
            self._take(guarded(f"{self.site.place} response", patch.response, self.call, partial))
        self.failure = error
        failures.describe(self, error)
        self._end(self._usage(partial) if partial is not None else None, error)

    def abandon(self, partial: Any = None) -> None:
        """End because the caller lost interest: closed early, dropped, never read."""
        if not self._claimed():
            return
        patch = self.site.patch
        self._take({semconv.STREAM_ABANDONED: True})
        if partial is not None and patch.response is not None:
            self._take(guarded(f"{self.site.place} response", patch.response, self.call, partial))
        self._end(self._usage(partial) if partial is not None else None, None)

    def chunk(self) -> None:
        """The first chunk of a stream has arrived."""
        self.first_chunk_ns = time.perf_counter_ns()
        elapsed = (self.first_chunk_ns - self._clock) / 1e9
        self._take({semconv.RESPONSE_TIME_TO_FIRST_CHUNK: elapsed})
        self.event(semconv.EVENT_FIRST_CHUNK, {semconv.ELAPSED_SECONDS: elapsed})

    def elapsed_ns(self) -> int:
        """Nanoseconds since the start."""
        return time.perf_counter_ns() - self._clock

    def materialise(self) -> Context:
        """The context of the span, which is made now if it was not yet."""
        if self._span is None:
            self._start_span()
        return self._own_context()

    # --- parts ---------------------------------------------------------------------------------

    def _name(self) -> None:
        patch, kind = self.site.patch, self.site.kind
        name = patch.name
        if callable(name):
            name = guarded(f"{self.site.place} name", name, self.call)
        if callable(patch.operation):
            operation = guarded(f"{self.site.place} operation", patch.operation, self.call)
            self.attributes[semconv.OPERATION_NAME] = operation
        if kind == "run":
            workflow = name or self.site.engine
            engine = self.site.engine
            self.run = self.run.nested(workflow, engine) if self.parent else Run(workflow, engine)
        attributes = self.attributes
        attributes[semconv.RUN_ID] = self.run.run_id
        if self.run.workflow is not None:
            attributes[semconv.WORKFLOW_NAME] = self.run.workflow
        if name is not None and kind in semconv.NAME_OF_KIND:
            attributes[semconv.NAME_OF_KIND[kind]] = name

    def _request(self) -> None:
        patch, attributes, kind = self.site.patch, self.attributes, self.site.kind
        if patch.request is not None:
            self._take(guarded(f"{self.site.place} request", patch.request, self.call))
        if kind == "step" and semconv.STEP_INDEX not in attributes:
            with self.run.lock:
                self.run.steps += 1
                attributes[semconv.STEP_INDEX] = self.run.steps
        if kind in ("step", "node"):
            self.step = attributes.get(semconv.STEP_NAME) or self.site.label
            attributes.setdefault(semconv.STEP_NAME, self.step)
        if kind == "node":
            attributes.setdefault(semconv.NODE_ID, self.step)
            attributes.setdefault(semconv.ATTEMPT, 1)
        if kind == "llm":
            self._inherit_prompt()
            if self.site.machine.content != "off" and patch.content is not None:
                self._record_content(None)
        if patch.snapshot is not None:
            self.call.snapshot = guarded(f"{self.site.place} snapshot", patch.snapshot, self.call)

    def _inherit_prompt(self) -> None:
        frame = self.parent
        while frame is not None and frame.prompt is None:
            frame = frame.parent
        if frame is not None and frame.prompt is not None:
            name, version = frame.prompt
            self._take({semconv.PROMPT_NAME: name, semconv.PROMPT_VERSION: version})

    def _ask(self, hooks: Iterable[Any]) -> None:
        for hook in hooks:
            try:
                answer = guarded_hook(f"{type(hook).__name__}.before", hook.before, self)
            except FlowspanError as refusal:
                self.fail(refusal)
                raise
            if answer is not None:
                self.replay = answer
                self._take({semconv.REPLAYED: True})
                return

    def _start_span(self) -> None:
        outer = self._outer
        parent = self.parent
        if parent is not None and parent._span is None:  # noqa: SLF001 - of the same class
            outer = set_span_in_context(_span_of(parent), outer)
        self._span = self.site.machine.tracer.start_span(
            self._span_name(),
            context=outer,
            kind=SpanKind.CLIENT if self.site.kind == "llm" else SpanKind.INTERNAL,
            attributes=self.attributes,
            start_time=self.started_ns,
        )
        self._late = {}
        self._outer = outer
        self._context = None

    def _span_name(self) -> str:
        site = self.site
        span_name = site.patch.span_name
        if callable(span_name):
            span_name = guarded(f"{site.place} span name", span_name, self.call)
        if span_name is not None:
            return span_name
        kind = site.kind
        subject = self.attributes.get(semconv.NAME_OF_KIND.get(kind or "", ""))
        operation = self.attributes.get(semconv.OPERATION_NAME)
        if operation is None:
            return site.label
        return operation if subject is None else f"{operation} {subject}"

    def _own_context(self) -> Context:
        if self._context is None:
            values = {**self._outer, INVOCATION_KEY: self}
            context = Context(values)
            self._context = (
                context if self._span is None else set_span_in_context(self._span, context)
            )
        return self._context

    def _take(self, attributes: Mapping[str, Any] | None) -> None:
        if not attributes:
            return
        late = self._late
        for key, value in attributes.items():
            if value is not None:
                late[key] = value
                if late is not self.attributes:
                    self.attributes[key] = value

    def _emit(self, events: list[Event] | None) -> None:
        for event in events or ():
            target = self if event.on == "own" else self.parent
            if target is not None:
                target.event(event.name, event.attributes)

    def _usage(self, result: Any) -> Usage | None:
        patch = self.site.patch
        if self.site.kind != "llm" or self.replay is not None:
            return None
        if self.site.machine.content != "off" and patch.content is not None:
            self._record_content(result)
        if patch.usage is None:
            return None
        return guarded(f"{self.site.place} usage", patch.usage, self.call, result)

    def _record_content(self, result: Any) -> None:
        patch, mode = self.site.patch, self.site.machine.content
        if patch.content is None:
            return
        found = guarded(f"{self.site.place} content", patch.content, self.call, result)
        if found is not None:
            if result is not None:
                found = found._replace(input=None, system=None)
            self._take(guarded(f"{self.site.place} content", content.attributes, found, mode))

    def _claimed(self) -> bool:
        """True for the first that wants to end the call, so that it ends once."""
        with self.run.lock:
            first, self.closing = not self.closing, True
        return first

    def _end(self, usage: Usage | None, error: BaseException | None, *, drop: bool = False) -> None:
        duration_ns = time.perf_counter_ns() - self._clock
        if usage is not None:
            self._take(usage.attributes())
        outcome = Outcome(usage, error, self.replay is not None)
        for hook in self.site.machine.hooks_of.get(self.site.kind, ()):
            found = guarded(f"{type(hook).__name__}.after", hook.after, self, outcome)
            self._take(found)
        if usage is not None:
            counted = {
                **usage.attributes(),
                semconv.COST_USD: self.attributes.get(semconv.COST_USD),
            }
            self.event(semconv.EVENT_TOKENS_COUNTED, counted)
        accounting.ended(self, usage, error, duration_ns)
        self.ended = True
        if drop and self._span is None:
            return
        self.materialise()
        self._end_span(duration_ns)

    def _end_span(self, duration_ns: int) -> None:
        span = self._span
        if span is None or not span.is_recording():
            return
        if self._late:
            span.set_attributes(self._late)
        if (events := self._events) is not None:
            self._hand_over(span, events)
        if (error_type := self.attributes.get(semconv.ERROR_TYPE)) is not None:
            span.set_status(Status(StatusCode.ERROR, failures.description(self, error_type)))
        span.end(self.started_ns + duration_ns)

    def _hand_over(self, span: Span, events: EventLog) -> None:
        outlet = self.site.machine.outlet
        kept: list[Recorded] = events.kept() if outlet.to_span else []
        for event in kept:
            span.add_event(event.name, event.attributes, event.timestamp)
        if events.dropped:
            span.set_attribute(semconv.EVENTS_DROPPED, events.dropped)
            accounting.events_dropped(self, events.dropped)


def _span_of(invocation: Invocation) -> Span:
    invocation.materialise()
    return invocation._span  # type: ignore[return-value]  # noqa: SLF001 - made just now


def _listed(events: Any, *args: Any) -> list[Event]:
    return list(events(*args))
