"""The events that a row of a span map asks for: fixed ones, and those that a change makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from flowspan import semconv
from flowspan.instrumentation.integration import Event
from flowspan.instrumentation.spanpaths import Path, Scope
from flowspan.instrumentation.spanstate import NOTHING_SEEN, Looked, compare, look
from flowspan.instrumentation.spanvalues import Condition, Value, attribute_value
from flowspan.instrumentation.statechanges import changed

Moment = Literal["before", "after", "failure"]
Span = Literal["own", "enclosing"]


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

    def event(self, scope: Scope) -> Event | None:
        """The event for a call, if its conditions hold."""
        if not all(condition.holds(scope) for condition in self.conditions):
            return None
        return Event(self.name, {key: find(scope) for key, find in self.attributes}, self.span)


class Watch(Protocol):
    """Something looked at before and after a call."""

    def look(self, scope: Scope) -> Any:
        """What there is now."""

    def event(self, before: Any, scope: Scope) -> Event | None:
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

    def event(self, before: Any, scope: Scope) -> Event | None:
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
        return Event(semconv.EVENT_STATE_TRANSITION, attributes, self.span)


@dataclass(frozen=True, slots=True)
class StateWatch:
    """A state of many keys, such as a memory that nodes share."""

    path: Path
    span: Span

    def look(self, scope: Scope) -> Looked:
        """Names and identities; nothing for a state that is not there."""
        state = self.path.read(scope)
        return NOTHING_SEEN if state is None else look(state)

    def event(self, before: Any, scope: Scope) -> Event | None:
        """A change, if keys were added, changed or removed."""
        state = self.path.read(scope)
        attributes = changed(compare(before, {} if state is None else state))
        return Event(semconv.EVENT_STATE_CHANGED, attributes, self.span) if attributes else None
