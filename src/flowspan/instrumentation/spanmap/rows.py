"""A row of a span map at work: what it says, as the functions that a :class:`Patch` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import Attributes, Call, Detail, Event, Patch
from flowspan.instrumentation.spanmap.arguments import everything
from flowspan.instrumentation.spanmap.events import EventRule, Moment, Placed, Watch
from flowspan.instrumentation.spanmap.paths import Path, Scope, parse_path
from flowspan.instrumentation.spanmap.values import Condition, Value
from flowspan.semconv import Kind
from flowspan.usage import Usage

OTHER: Final = "_OTHER"
"""``error.type`` where the map does not say one, as the conventions have it."""

_DETAIL_OF_KIND: Final[Mapping[Kind | None, Detail]] = {
    "run": "minimal",
    "node": "minimal",
    "agent": "minimal",
    "llm": "minimal",
}


_DEFAULT_NAMES: Final[Mapping[Kind | None, Path]] = {
    "tool": parse_path("function"),
    "agent": parse_path("type(self) or function"),
    "plan": parse_path("type(self) or function"),
}
"""What a call is about where the map does not say, or says what is unknown."""


class Failure(NamedTuple):
    """A result that means failure."""

    conditions: tuple[Condition, ...]
    error: Value | None


class Snapshot(NamedTuple):
    """What a row keeps from before the call."""

    remembered: SimpleNamespace | None
    looks: tuple[Any, ...]


class _Last:
    """Keeps the last thing that a call yields."""

    def __init__(self, call: Call) -> None:
        del call
        self._last: Any = None

    def add(self, chunk: Any) -> None:
        """Take one."""
        self._last = chunk

    def result(self) -> Any:
        """The last."""
        return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a map says of one function or method, parsed.

    Attributes:
        plain: The fields of the patch that need no thought: target, label, switches.
        kind: Role of the span, if there is one.
        name: What the call is about.
        span_name: The whole name of the span.
        request: Attributes known before the call.
        response: Attributes known from its result.
        failure: Attributes known from its exception.
        remember: Values kept from before the call.
        when: Conditions without which the call is left alone.
        keep: Conditions without which its span is dropped, below detail ``full``.
        failed: Results that mean failure.
        watches: What is looked at before and after.
        events: What happens at a moment.
        usage: Where each number of tokens is found.
        streams: True if the result is the last thing that the call yields.
    """

    plain: Mapping[str, Any]
    kind: Kind | None = None
    name: Value | None = None
    span_name: Value | None = None
    request: tuple[tuple[str, Value], ...] = ()
    response: tuple[tuple[str, Value], ...] = ()
    failure: tuple[tuple[str, Value], ...] = ()
    remember: tuple[tuple[str, Value], ...] = ()
    when: tuple[Condition, ...] = ()
    keep: tuple[Condition, ...] = ()
    failed: tuple[Failure, ...] = ()
    watches: tuple[Watch, ...] = ()
    events: tuple[EventRule, ...] = ()
    usage: tuple[tuple[str, Path], ...] = ()
    streams: bool = False

    def patch(self) -> Patch:
        """The row in the vocabulary of integrations; what it does not ask for stays ``None``."""
        moments = {rule.moment for rule in self.events}
        asked: dict[str, tuple[Any, Any]] = {
            "name": (self.name or self.kind in _DEFAULT_NAMES, self._name),
            "span_name": (self.span_name, self._span_name),
            "request": (self.request, self._request),
            "response": (self.response, self._response),
            "failure": (self.failure or self.watches or "failure" in moments, self._failure),
            "snapshot": (self.remember or self.watches, self._snapshot),
            "before": ("before" in moments, self._before),
            "after": (self.watches or "after" in moments, self._after),
            "when": (self.when or self.plain.get("subclasses"), self._when),
            "keep": (self.keep, self._keep),
            "outcome": (self.failed, self._outcome),
            "usage": (self.usage, self._usage),
            "join": (self.streams, _Last),
            "inputs": (self.kind == "node", everything),
        }
        functions = {field: function for field, (wanted, function) in asked.items() if wanted}
        plain = dict(self.plain)
        if plain.get("script"):  # a row of a script is applied as the script defines its target
            path = plain["target"].partition(":")[2]
            plain["names"] = (*plain.get("names", ()), f"__main__:{path}")
        detail = _DETAIL_OF_KIND.get(self.kind, "normal")
        return Patch(**{"detail": detail, "kind": self.kind, **plain, **functions})

    # --- before the call -----------------------------------------------------------------------

    def _when(self, call: Call) -> bool:
        if self.plain.get("subclasses") and _is_of_override(call):
            return False
        scope = Scope(call)
        return all(condition.holds(scope) for condition in self.when)

    def _name(self, call: Call) -> str | None:
        named = None if self.name is None else self.name.text(Scope(call))
        default = _DEFAULT_NAMES.get(self.kind)
        return default.read(Scope(call)) if named is None and default is not None else named

    def _span_name(self, call: Call) -> str:
        text = None if self.span_name is None else self.span_name.text(Scope(call))
        return text or self.plain.get("label") or self.plain["target"].partition(":")[2]

    def _request(self, call: Call) -> Attributes:
        return _read(self.request, Scope(call))

    def _snapshot(self, call: Call) -> Snapshot:
        scope = Scope(call)
        looks = () if _quiet(call) else tuple(watch.look(scope) for watch in self.watches)
        remembered = SimpleNamespace(**_read(self.remember, scope)) if self.remember else None
        return Snapshot(remembered, looks)

    def _before(self, call: Call) -> Iterable[Event]:
        return _for_machine(call, self._events("before", Scope(call)))

    # --- after the call ------------------------------------------------------------------------

    def _response(self, call: Call, result: Any) -> Attributes:
        return _read(self.response, _later(call, result))

    def _after(self, call: Call, result: Any) -> Iterable[Event]:
        scope = _later(call, result)
        return _for_machine(call, [*self._changes(scope), *self._events("after", scope)])

    def _failure(self, call: Call, error: BaseException) -> Attributes:
        scope = _later(call, None, error)
        for event in (*self._changes(scope), *self._events("failure", scope)):
            event.tell(call)
        return _read(self.failure, scope)

    def _keep(self, call: Call, result: Any) -> bool:
        scope = _later(call, result)
        return all(condition.holds(scope) for condition in self.keep)

    def _outcome(self, call: Call, result: Any) -> str | None:
        scope = _later(call, result)
        for rule in self.failed:
            if all(condition.holds(scope) for condition in rule.conditions):
                return (rule.error and rule.error.text(scope)) or OTHER
        return None

    def _usage(self, call: Call, result: Any) -> Usage | None:
        scope = _later(call, result)
        found = {field: path.read(scope) for field, path in self.usage}
        known = {field: value for field, value in found.items() if _belongs(field, value)}
        return Usage(**known) if known else None

    # --- events --------------------------------------------------------------------------------

    def _events(self, moment: Moment, scope: Scope) -> list[Placed]:
        if _quiet(scope.call):
            return []
        found = [rule.event(scope) for rule in self.events if rule.moment == moment]
        return [event for event in found if event is not None]

    def _changes(self, scope: Scope) -> list[Placed]:
        snapshot = scope.call.snapshot
        if not isinstance(snapshot, Snapshot):
            return []
        pairs = zip(self.watches, snapshot.looks, strict=False)  # none were looked at when quiet
        found = [watch.event(before, scope) for watch, before in pairs]
        return [event for event in found if event is not None]


def _is_of_override(call: Call) -> bool:
    """Whether an override calls what it overrides: both are one call.

    A method that calls itself is something else.
    """
    around = call.enclosing
    if around is None or call.instance is None or around.call.instance is not call.instance:
        return False
    above, here = (_plainly(one.function) for one in (around.call, call))
    return above is not here and getattr(above, "__name__", "") == getattr(here, "__name__", None)


def _plainly(function: Any) -> Any:
    return getattr(function, "__func__", function)


def _for_machine(call: Call, events: Iterable[Placed]) -> list[Event]:
    found = [event.for_machine(call) for event in events]
    return [event for event in found if event is not None]


def _quiet(call: Call) -> bool:
    """True where the user asked for spans alone."""
    return call.detail == "minimal"


def _later(call: Call, result: Any, error: BaseException | None = None) -> Scope:
    remembered = call.snapshot.remembered if isinstance(call.snapshot, Snapshot) else None
    return Scope(call, result, error, remembered)


def _read(values: Iterable[tuple[str, Value]], scope: Scope) -> dict[str, Any]:
    return {key: value.read(scope) for key, value in values}


def _belongs(field: str, value: Any) -> bool:
    if field == "service_tier":
        return isinstance(value, str)
    return isinstance(value, int) and not isinstance(value, bool)
