"""The events that a row of a span map asks for: fixed ones, and those that a change makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from flowspan import semconv
from flowspan.instrumentation.integration import Call, Event
from flowspan.instrumentation.spanmap.paths import Path, Scope
from flowspan.instrumentation.spanmap.values import Condition, Value, attribute_value
from flowspan.instrumentation.statechanges import changed
from flowspan.instrumentation.states import NOTHING_SEEN, Looked, compare, look

Moment = Literal["before", "after", "failure"]
Span = Literal["own", "enclosing", "run", "step", "node", "agent"]
"""Which span gets an event: the call's own, the one around it, or the nearest of a kind."""


class Placed(NamedTuple):
    """An event and the span that it is for."""

    name: str
    attributes: Mapping[str, Any]
    span: Span

    def for_machine(self, call: Call) -> Event | None:
        """The event, where the machine knows its span; else it is told here and now."""
        if self.span == "own" or self.span == "enclosing":  # noqa: PLR1714 - mypy reads it so
            return Event(self.name, self.attributes, self.span)
        self.tell(call)
        return None

    def tell(self, call: Call) -> None:
        """Add the event to its span, now; where there is none, nobody is told."""
        frame = call.frame
        if self.span == "enclosing":
            frame = None if frame is None else frame.parent
        elif self.span != "own":
            while frame is not None and frame.kind != self.span:
                frame = frame.parent
        if frame is not None:
            frame.event(self.name, self.attributes)


class Shorthand(NamedTuple):
    """A key of a row that stands for an event of the contract.

    Attributes:
        event: The event's name.
        attributes: What each key of the shorthand's table becomes.
        moment: When it happens, unless the map says otherwise.
    """

    event: str
    attributes: Mapping[str, str]
    moment: Moment


SHORTHANDS: Final[Mapping[str, Shorthand]] = {
    "prompt": Shorthand(
        semconv.EVENT_PROMPT_SELECTED,
        {
            "name": semconv.PROMPT_NAME,
            "version": semconv.PROMPT_VERSION,
            "reason": semconv.PROMPT_REASON,
            "candidates": semconv.PROMPT_CANDIDATES,
        },
        "after",
    ),
    "prompt_text": Shorthand(
        semconv.EVENT_PROMPT_CONSTRUCTED, {"variables": semconv.PROMPT_VARIABLES}, "after"
    ),
    "route": Shorthand(
        semconv.EVENT_ROUTE_TAKEN,
        {
            "from": semconv.ROUTE_FROM,
            "to": semconv.ROUTE_TO,
            "action": semconv.ROUTE_ACTION,
        },
        "after",
    ),
    "retry": Shorthand(
        semconv.EVENT_RETRY,
        {"attempt": semconv.ATTEMPT, "error": semconv.ERROR_TYPE},
        "before",
    ),
}
"""The keys that stand for one event each."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event at one moment.

    Attributes:
        name: Of the event.
        attributes: What finds each attribute.
        moment: When it happens.
        span: Which span gets it.
        conditions: What must hold for it to happen.
    """

    name: str
    attributes: tuple[tuple[str, Callable[[Scope], Any]], ...]
    moment: Moment
    span: Span
    conditions: tuple[Condition, ...] = ()

    def event(self, scope: Scope) -> Placed | None:
        """The event for a call, if its conditions hold."""
        if not all(condition.holds(scope) for condition in self.conditions):
            return None
        return Placed(self.name, {key: find(scope) for key, find in self.attributes}, self.span)


class Watch(Protocol):
    """Something looked at before and after a call."""

    def look(self, scope: Scope) -> Any:
        """What there is now."""

    def event(self, before: Any, scope: Scope) -> Placed | None:
        """The event, if there is something else now than ``before``."""


@dataclass(frozen=True, slots=True)
class TransitionWatch:
    """A state that has one value at a time, such as a status."""

    path: Path
    cause: Value | None
    node_id: Value | None
    span: Span

    def look(self, scope: Scope) -> Any:
        """The value of the state, as an attribute may hold it."""
        return attribute_value(self.path.read(scope))

    def event(self, before: Any, scope: Scope) -> Placed | None:
        """A transition, if the value is another one."""
        now = self.look(scope)
        if now == before:
            return None
        attributes = {
            semconv.STATE_FROM: None if before is None else str(before),
            semconv.STATE_TO: None if now is None else str(now),
            semconv.STATE_CAUSE: None if self.cause is None else self.cause.read(scope),
            semconv.NODE_ID: None if self.node_id is None else self.node_id.text(scope),
        }
        return Placed(semconv.EVENT_STATE_TRANSITION, attributes, self.span)


@dataclass(frozen=True, slots=True)
class StateWatch:
    """A state of many keys, such as a memory that nodes share.

    Attributes:
        path: Where it is.
        span: Which span is told.
        keys: The keys to look at; all of them unless said.
    """

    path: Path
    span: Span
    keys: tuple[str, ...] | None = None

    def look(self, scope: Scope) -> Looked:
        """Names and identities; nothing for a state that is not there."""
        state = self.path.read(scope)
        return NOTHING_SEEN if state is None else look(state, self.keys)

    def event(self, before: Any, scope: Scope) -> Placed | None:
        """A change, if keys were added, changed or removed."""
        state = self.path.read(scope)
        attributes = changed(compare(before, {} if state is None else state, self.keys))
        return Placed(semconv.EVENT_STATE_CHANGED, attributes, self.span) if attributes else None
