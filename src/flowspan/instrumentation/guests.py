"""Spans of others that are open, and their place on the way from the run down to a call.

A span that another instrumentation or the program itself made is a *guest*.  What flowspan knows
of it is kept beside it, by its id, for as long as it is open.  A guest that stands for a model
call, an agent or a tool gets a frame, so that what happens inside adds up on it as on ours.  One
that says it is a workflow is a run, and so is an agent that nothing is around.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from opentelemetry.trace import StatusCode, get_current_span, set_span_in_context

from flowspan import semconv
from flowspan.instrumentation import accounting, counted
from flowspan.instrumentation.dialects import engine_of, meters_itself, role_of
from flowspan.instrumentation.events import Recorded
from flowspan.instrumentation.frame import NO_CONTEXT, SPAN_KEY, CallFrame, living
from flowspan.instrumentation.integration import NOTHING, Call, Integration, Patch
from flowspan.instrumentation.machine import Machine, Site
from flowspan.instrumentation.run import Run
from flowspan.instrumentation.values import cleaned

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from flowspan.instrumentation.integration import Attributes
    from flowspan.semconv import Kind

LABEL: Final = "guest"
"""The label of guests' frames."""


class House:
    """Who takes guests in, and whether they go first.

    Attributes:
        site: The row that guests' frames stand for; ``None`` while nobody takes them in.
        yields: True where a guest that is a model call owns it, and rows of ours inside make no
            span.
    """

    site: ClassVar[Site | None] = None
    yields: ClassVar[bool] = False
    expect: ClassVar[Callable[[Mapping[str, Any]], None] | None] = None

    @classmethod
    def open(
        cls,
        machine: Machine,
        *,
        yields: bool,
        expect: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """Take guests in from now on.

        Args:
            machine: The surroundings of their frames.
            yields: Whether they go first.
            expect: Told what is known of a model call when its span starts.
        """
        patch = Patch(target="guest:span", label=LABEL)
        cls.expect = expect
        cls.site, cls.yields = Site(machine, Integration("guests", "", (patch,)), patch), yields

    @classmethod
    def close(cls) -> None:
        """Take no guests in any more."""
        cls.site = None
        live.clear()
        counted.forget()


class GuestFrame(CallFrame):
    """The frame of a guest.

    Attributes:
        role: What the span is.
        claimed: True once a row of ours owns a model call inside.
        adopted: True once the span itself counts as the model call.
    """

    __slots__ = ("_guest", "_reference", "adopted", "claimed", "role")
    sees_exceptions = False

    def __init__(self, site: Site, guest: Guest, role: Kind, parent: CallFrame | None) -> None:
        super().__init__(site, Call(None, (), NOTHING), parent, NO_CONTEXT)
        self.role = role
        self.claimed = False
        self.adopted = False
        self._guest = guest.scope, guest.span_ids
        self.started_ns = guest.started_ns
        self._reference = guest.reference
        self._around = self  # its span is in the context: none has to be made
        if role == "run":
            self._begin_run()

    def _begin_run(self) -> None:
        """Be a run, or a workflow inside of one."""
        span = self._reference()
        known: Mapping[str, Any] = {} if span is None else span.attributes or {}
        names = known.get(semconv.WORKFLOW_NAME), known.get(semconv.AGENT_NAME)
        engine = engine_of(self.layer)
        workflow = next((name for name in names if isinstance(name, str) and name), engine)
        nested = self.parent is not None and self.run.workflow is not None
        if nested:
            self.run = self.run.nested(workflow, engine)
        else:
            self.run = Run.begun(workflow, engine, self.materialise())
        accounting.started(self)
        if span is not None and span.is_recording():
            span.set_attributes(self.of_run())

    def of_run(self) -> dict[str, Any]:
        """The attributes that say which run this is."""
        return {
            semconv.KIND: "run",
            semconv.ENGINE: self.run.engine,
            semconv.RUN_ID: self.run.run_id,
            semconv.WORKFLOW_NAME: self.run.workflow,
        }

    @property
    def _tells(self) -> bool:
        """Whether what is found out inside is said on its span."""
        return self.kind in {"llm", "run"}

    @property
    def kind(self) -> Kind:
        """Role of the span, to those inside: only an owner is a model call to them."""
        if self.role == "llm" and not (self.adopted or House.yields):
            return "internal"
        return self.role

    @property
    def carries_call(self) -> bool:
        """Whether it stands for a model call, whoever counts that."""
        return self.role == "llm"

    @property
    def defers(self) -> bool:
        """Whether it takes what rows of ours inside find out: where it goes first."""
        return self.kind == "llm"

    @property
    def layer(self) -> str:
        """The scope of its maker."""
        return self._guest[0]

    def span_ids(self) -> tuple[int | None, int | None, int | None]:
        """Ids of the span, of its parent and of what was current when it started."""
        return self._guest[1]

    @property
    def metered_elsewhere(self) -> bool:
        """Whether its maker emits the conventions' metrics."""
        return meters_itself(self.layer)

    @property
    def failed_below(self) -> tuple[int, Any] | int | None:
        """As the frame around has it: a guest tells nothing of exceptions that pass."""
        return None if self.parent is None else self.parent.failed_below

    @failed_below.setter
    def failed_below(self, identity: tuple[int, Any] | int | None) -> None:
        if self.parent is not None and identity is not None:
            self.parent.failed_below = identity

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes on the span if it is a run or owns a call, else on the frame around.

        That it has failed, though no exception leaves it, a tool is told itself.
        """
        span = self._reference()
        if self.role == "tool" and semconv.ERROR_TYPE in attributes:
            if span is not None and span.is_recording():
                span.set_attribute(semconv.ERROR_TYPE, str(attributes[semconv.ERROR_TYPE]))
                span.set_status(StatusCode.ERROR)
        elif self._tells and span is not None and span.is_recording():
            if attributes.get(semconv.RESUMED) and self.parent is None:
                self._resume(span)
            clean = {key: cleaned(value) for key, value in attributes.items()}
            span.set_attributes({key: value for key, value in clean.items() if value is not None})
        elif self._tells:
            self._take(attributes)
        elif self.parent is not None:
            self.parent.describe(attributes)

    def _resume(self, span: Span) -> None:
        """Link a run, once, to the last of its conversation."""
        known = span.attributes or {}
        name = known.get(semconv.CONVERSATION_ID)
        if name is not None and semconv.RESUMED not in known:
            latest = self.site.machine.conversations.latest(self.run.engine, str(name))
            if latest is not None:
                span.add_link(latest)

    def event(
        self, name: str, attributes: Attributes = NOTHING, timestamp: int | None = None
    ) -> None:
        """Add an event to the span if it is a run or owns a call, else to that around."""
        span = self._reference()
        if self._tells and span is not None and span.is_recording():
            clean = {key: cleaned(value) for key, value in attributes.items()}
            clean = {key: value for key, value in clean.items() if value is not None}
            span.add_event(name, clean, timestamp)
            accounting.event(self, Recorded(name, clean, 0))
        elif self.parent is not None:
            self.parent.event(name, attributes, timestamp)

    def materialise(self) -> Context:
        """A context with the span."""
        span = self._reference()
        return NO_CONTEXT if span is None else set_span_in_context(span, NO_CONTEXT)


class Guest:
    """One open span of somebody else's.

    Attributes:
        reference: The span, held weakly: one that never ends is forgotten with it.
        scope: Name of the instrumentation that made it.
        started_ns: Start in nanoseconds of the epoch.
        around: Our frame in whose context it started.
        above: The guest that is its parent.
        frame: Its frame, once somebody needed one.
        span_ids: Its own id, its parent's, and that of the span that was current before.
        handled: Identity of the exception that was being handled when it started.
    """

    __slots__ = (
        "above",
        "around",
        "frame",
        "handled",
        "reference",
        "scope",
        "span_ids",
        "started_ns",
    )

    def __init__(self, span: Span, around: CallFrame | None, place: int | None) -> None:
        scope = span.instrumentation_scope
        identity = span.context.span_id
        self.reference = weakref.ref(span, lambda _: live.pop(identity, None))
        self.scope = "" if scope is None else scope.name
        self.started_ns: int = span.start_time or 0
        self.around = around
        parent = None if span.parent is None else span.parent.span_id
        self.span_ids = identity, parent, place
        self.above = None if parent is None else live.get(parent)
        self.handled = id(sys.exc_info()[1])
        self.frame: GuestFrame | None = None

    def enter(self) -> CallFrame | None:
        """The frame for those inside: its own if it says what it is, else the one around it.

        Inside a model call of ours it is nobody's but that call's.
        """
        outside = self.outside()
        if outside is not None and outside.kind == "llm" and not isinstance(outside, GuestFrame):
            return outside
        if self.frame is None and House.site is not None:
            span = self.reference()
            found = None if span is None else role_of(span.attributes)
            if found is not None:
                self.become(found[1].kind)
        return outside if self.frame is None else self.frame

    def become(self, role: Kind) -> GuestFrame | None:
        """Make its frame, or say what it turned out to be."""
        if self.frame is None:
            if House.site is None:
                return None
            outside = self.outside()
            alone = role == "agent" and outside is None
            self.frame = GuestFrame(House.site, self, "run" if alone else role, outside)
        if self.frame.role != "run":
            self.frame.role = role
        return self.frame

    def outside(self) -> CallFrame | None:
        """The frame around it: that of the guest above, unless one of ours is between."""
        if self.above is not None and self.above.around is self.around:
            return self.above.enter()
        return living(self.around)


live: Final[dict[int, Guest]] = {}
"""The open guests by span id."""


def enclosing(context: Context, parent: CallFrame | None) -> CallFrame | None:
    """The frame that a call in ``context`` is in, guests included.

    Args:
        context: Where the call begins.
        parent: Our frame there.
    """
    span = context.get(SPAN_KEY)
    if span is None or (parent is not None and parent.is_nearest(span)):
        return parent
    guest = live.get(get_current_span(context).get_span_context().span_id)
    return parent if guest is None else guest.enter()


def claim(frame: CallFrame) -> None:
    """A row of ours owns a model call: guests around it carry the same one."""
    counted.begun(frame)
    above = frame.parent
    while above is not None:
        if isinstance(above, GuestFrame):
            above.claimed = True
        above = above.parent
