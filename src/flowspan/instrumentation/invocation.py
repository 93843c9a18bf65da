"""The life of one call, from request to response.  The only module that starts and ends spans.

::

    start ─► before hooks ─► span starts ─► enter … (around the original, or each of its parts)
                                               │
              complete(result) ◄───────────────┤ returned, drained
              fail(error)      ◄───────────────┤ raised
              abandon()        ◄───────────────┤ closed early, dropped, never read
              never_begun()    ◄───────────────┘ a coroutine that nobody awaited
                   │
                   └─► usage ─► after hooks ─► totals of the frames above ─► metrics ─► span ends

A call whose row has ``keep`` starts without a span: the span is made when something inside it
needs a parent, or at its end if ``keep`` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Status, StatusCode

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation import accounting, content, failures, prompts, rounds, statechanges
from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.frame import CallFrame
from flowspan.instrumentation.hooks import Outcome
from flowspan.instrumentation.outcomes import verdict
from flowspan.instrumentation.run import Run
from flowspan.instrumentation.span import LeanSpan
from flowspan.instrumentation.values import text
from flowspan.safety import guarded, guarded_hook, swallow
from flowspan.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import SpanContext

    from flowspan.config import ContentMode
    from flowspan.instrumentation.events import EventLog
    from flowspan.instrumentation.integration import (
        Attributes,
        Content,
        Conversation,
        Event,
        ToolRequest,
    )


class Invocation(CallFrame):
    """One call under way: begins, is entered, and ends exactly once."""

    __slots__ = ()

    # --- beginning -----------------------------------------------------------------------------

    def start(self) -> Invocation:
        """Describe the request, ask the hooks, start the span.

        Raises:
            FlowspanError: A hook refused the call, as the user asked it to.
        """
        site = self.site
        if site.patch.began is not None and (ago := site.ask("began", site.patch.began, self.call)):
            self.began(ago)
        self._name()
        self._request()
        found: Conversation | None = None
        if site.patch.conversation is not None:
            found = site.ask("conversation", site.patch.conversation, self.call)
        resumed = None if found is None else self._resumed(found)
        accounting.started(self)
        if hooks := site.machine.hooks_of.get(site.kind):
            self._ask(hooks)
        if site.keep is None:
            self._start_span()
        if found is not None:
            self._converse(found, resumed)
        if site.patch.before is not None:
            self._emit(site.ask_all("before", site.patch.before, self.call))
        return self

    def enter(self) -> Attached:
        """Make this the current frame, and its span the current span."""
        return Attached(self.own_context())

    def _name(self) -> None:
        site, attributes = self.site, self.attributes
        patch, kind = site.patch, site.kind
        name = patch.name
        if callable(name):
            name = site.ask("name", name, self.call)
        if name is not None:
            name = text(name)
        if callable(patch.operation):
            self._take({semconv.OPERATION_NAME: site.ask("operation", patch.operation, self.call)})
        if kind == "run":
            workflow = name or site.engine
            nested = self.parent is not None and self.run.workflow is not None
            if nested:
                self.run = self.run.nested(workflow, site.engine)
            else:
                self.run = Run.begun(workflow, site.engine, self._outer)
        attributes[semconv.RUN_ID] = self.run.run_id
        if self.run.workflow is not None:
            attributes[semconv.WORKFLOW_NAME] = self.run.workflow
        if name is not None and kind in semconv.NAME_OF_KIND:
            attributes[semconv.NAME_OF_KIND[kind]] = text(name)

    def _request(self) -> None:
        site, call = self.site, self.call
        patch = site.patch
        if patch.request is not None:
            self._take(site.ask("request", patch.request, call))
        if site.kind in ("step", "node"):
            self._number()
        elif site.kind == "llm":
            self._inherit_prompt()
            if patch.content is not None and site.machine.content != "off":
                self._record_content(None)
        if patch.snapshot is not None:
            call.snapshot = site.ask("snapshot", patch.snapshot, call)
        if site.watches:
            self.looked = statechanges.seen_before(site, call)
        if site.repeats:
            rounds.began(self)

    def _number(self) -> None:
        """What every step and node has, unless its row said so."""
        attributes = self.attributes
        self.step = attributes.setdefault(semconv.STEP_NAME, self.site.label)
        if self.site.kind == "node":
            attributes.setdefault(semconv.NODE_ID, self.step)
            attributes.setdefault(semconv.ATTEMPT, 1)
        elif semconv.STEP_INDEX not in attributes:
            with self.run.lock:
                self.run.steps += 1
                attributes[semconv.STEP_INDEX] = self.run.steps

    def _converses(self, found: Conversation) -> str:
        """Say which conversation the run is part of; its name among those that are remembered."""
        if not found.told:
            return found.id
        self._take({semconv.CONVERSATION_ID: found.id})
        return str(self.attributes[semconv.CONVERSATION_ID])

    def _resumed(self, found: Conversation) -> SpanContext | None:
        """The run that this one resumes; one inside another is part of the run around it."""
        name = self._converses(found)
        self._take({semconv.RESUMED: found.resumes or None})
        if self.host is not None or not found.resumes:
            return None
        site = self.site
        return site.machine.conversations.latest(site.engine, name, beyond=found.told)

    def _converse(self, found: Conversation, resumed: SpanContext | None = None) -> None:
        """Link the run to the one that it resumes; the next of the conversation finds this one."""
        name, site = self._converses(found), self.site
        if self.host is not None or self._span is None or not name:
            return
        if resumed is not None:
            self._span.add_link(resumed)
        site.machine.conversations.remember(site.engine, name, self._span.get_span_context())

    def _inherit_prompt(self) -> None:
        """A model call that names no prompt of its own has the one chosen around it."""
        if semconv.PROMPT_NAME in self.attributes:
            return
        if (prompt := prompts.chosen(self.parent, self._outer)) is not None:
            self._take({semconv.PROMPT_NAME: prompt[0], semconv.PROMPT_VERSION: prompt[1]})

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

    # --- meanwhile -----------------------------------------------------------------------------

    def chunk(self) -> None:
        """The first chunk of a stream has arrived."""
        elapsed = self.elapsed_ns() / 1e9
        self.describe({semconv.RESPONSE_TIME_TO_FIRST_CHUNK: elapsed})
        self.event(semconv.EVENT_FIRST_CHUNK, {semconv.ELAPSED_SECONDS: elapsed})

    def _emit(self, events: list[Event]) -> None:
        for event in events:
            try:
                target = self if event.on == "own" else self.parent
                if target is not None:
                    target.event(event.name, event.attributes)
            except Exception as error:  # noqa: BLE001 - not what an extractor should answer
                swallow(f"{self.site.place} events", error)

    def _changed(self, attributes: Attributes) -> None:
        if attributes:
            self.event(semconv.EVENT_STATE_CHANGED, attributes)

    # --- end -----------------------------------------------------------------------------------

    def complete(self, result: Any) -> None:
        """End after a result."""
        if not self._claimed():
            return
        site, call = self.site, self.call
        patch = site.patch
        if patch.response is not None:
            self._take(site.ask("response", patch.response, call, result))
        self._conversed(result)
        if patch.outcome is not None:
            kind = site.ask("outcome", patch.outcome, call, result)
            self._take({semconv.ERROR_TYPE: None if kind is None else text(kind)})
        if site.machine.outcomes:
            self._take({semconv.ERROR_TYPE: verdict(self, result)})
        if self.looked is not None:
            self._changed(statechanges.after_return(site, call, self.looked, result))
        if patch.after is not None:
            self._emit(site.ask_all("after", patch.after, call, result))
        if self.round is not None:
            rounds.ended(self, result)
        drop = site.keep is not None and site.ask("keep", site.keep, call, result) is False
        self._end(self._usage(result), None, drop=drop)

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """End after an exception; ``partial`` is what a stream had brought until then."""
        if not self._claimed():
            return
        site = self.site
        self.failure = error
        if site.patch.failure is not None:
            self._take(site.ask("failure", site.patch.failure, self.call, error))
        if failures.is_quiet(error, site.patch.quiet):
            self._conversed(error)
        if self.looked is not None:
            self._changed(statechanges.after_failure(site, self.call, self.looked))
        if partial is None and site.patch.salvage is not None:
            partial = site.ask("salvage", site.patch.salvage, self.call, error)
        usage = self._partial(partial)
        if self.round is not None:
            rounds.ended(self, error)
        failures.describe(self, error)
        self._end(usage, error)
        self.failure = None  # its traceback leads to our frames and so back here: no circle

    def abandon(self, partial: Any = None) -> None:
        """End because the caller lost interest: closed early, dropped, never read."""
        if not self._claimed():
            return
        self._take({semconv.STREAM_ABANDONED: True})
        if self.round is not None:
            rounds.ended(self, None)
        self._end(self._partial(partial), None)

    def never_begun(self) -> None:
        """End because the coroutine that makes the call was dropped before it began.

        Nobody was asked anything: as for a call that failed on its way, there is nothing to pay.
        """
        if not self._claimed():
            return
        self._take({semconv.STREAM_ABANDONED: True})
        if self.round is not None:
            rounds.ended(self, None)
        self._end(None, GeneratorExit())

    def end_anyway(self) -> None:
        """End with what is known, where something of ours failed on the way to the end."""
        if self.ended or self.inherited:
            return
        self.closing = True
        if self._span is None:
            self.ended = True
            self.release()
        else:
            self._end(None, self.failure)

    def _conversed(self, end: Any) -> None:
        """Ask for the conversation that only the result, or the exception, tells."""
        site, conversed = self.site, self.site.patch.conversed
        found = None if conversed is None else site.ask("conversed", conversed, self.call, end)
        if found is not None:
            self._converse(found)

    def _claimed(self) -> bool:
        """True for the first that wants to end the call, so that it ends once.

        A child that was forked in the middle of it leaves that to its parent.
        """
        with self.run.lock:
            first, self.closing = not self.closing, True
        return first and not self.inherited

    def _partial(self, partial: Any) -> Usage | None:
        if partial is None:
            return None
        site = self.site
        if site.patch.response is not None:
            self._take(site.ask("response", site.patch.response, self.call, partial))
        return self._usage(partial)

    def _usage(self, result: Any) -> Usage | None:
        site = self.site
        patch = site.patch
        if site.kind != "llm" or self.replay is not None:
            return None
        reports = self.reports
        if reports is not None:
            reports.settle()
        if patch.tools is not None and (reports is None or not reports.tools):
            self._requested_tools(site.ask_all("tools", patch.tools, self.call, result))
        if patch.content is not None and site.machine.content != "off":
            self._record_content(result)
        usage = None if patch.usage is None else site.ask("usage", patch.usage, self.call, result)
        return usage if isinstance(usage, Usage) else None

    def _requested_tools(self, requests: list[ToolRequest]) -> None:
        for request in requests:
            attributes = {
                semconv.TOOL_NAME: request.name,
                semconv.TOOL_CALL_ID: request.call_id,
            }
            self.event(semconv.EVENT_TOOL_REQUESTED, attributes)

    def _record_content(self, result: Any) -> None:
        """Record messages; those of the request were recorded before the call."""
        site = self.site
        assert site.patch.content is not None  # noqa: S101 - asked by the callers
        found = site.ask("content", site.patch.content, self.call, result)
        if found is not None:
            self._take(site.ask("content", _messages, found, result, site.machine.content))

    def _end(self, usage: Usage | None, error: BaseException | None, *, drop: bool = False) -> None:
        duration_ns = self.elapsed_ns()
        if self.reports is not None:
            usage = self.reports.added(usage)
        counted = None if usage is None else usage.attributes()
        self._take(counted)
        if hooks := self.site.machine.hooks_of.get(self.site.kind):
            outcome = Outcome(usage, error, self.replay is not None)
            for hook in hooks:
                self._take(guarded(f"{type(hook).__name__}.after", hook.after, self, outcome))
        if counted is not None:
            told = {**counted, semconv.COST_USD: self.attributes.get(semconv.COST_USD)}
            # Finding the price may have taken a while: that is not the call's time.
            self.event(semconv.EVENT_TOKENS_COUNTED, told, self.started_ns + duration_ns)
        dropped = drop and self._span is None and usage is None  # what was charged is never dropped
        try:
            accounting.ended(self, usage, error, duration_ns, dropped=dropped)
        except Exception as trouble:  # noqa: BLE001 - the span ends all the same
            swallow(f"{self.site.place} accounting", trouble)
        self.ended = True
        try:
            if not dropped:
                self.materialise()
                self._end_span(duration_ns)
        finally:
            self.release()

    def _end_span(self, duration_ns: int) -> None:
        span, events = self._span, self._events
        if span is None or not span.is_recording():
            return
        dropped = 0 if events is None else events.dropped
        if dropped:
            self.attributes[semconv.EVENTS_DROPPED] = dropped
            accounting.events_dropped(self, dropped)
        if not isinstance(span, LeanSpan):
            present = getattr(span, "attributes", None)
            span.set_attributes(self.site.machine.limits.of_span(self.attributes, present))
            self._hand_over(events)
        elif not self.site.machine.outlet.to_span:
            span.log = None
        if (error_type := self.attributes.get(semconv.ERROR_TYPE)) is not None:
            span.set_status(Status(StatusCode.ERROR, failures.description(self, error_type)))
        span.end(self.started_ns + duration_ns)

    def _hand_over(self, events: EventLog | None) -> None:
        """Give the events to a span of the SDK's."""
        if events is None or self._span is None or not self.site.machine.outlet.to_span:
            return
        limits = self.site.machine.limits
        for event in events.kept():
            self._span.add_event(event.name, limits.of_event(event.attributes), event.timestamp)


def _messages(found: Content, result: Any, mode: ContentMode) -> dict[str, Any]:
    """Attributes of messages; those of the request were recorded before the call."""
    if result is not None:
        found = found._replace(input=None, system=None)
    return content.attributes(found, mode)
