"""Rows without a span of their own: what they know goes to the span of the enclosing call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from flowspan import semconv
from flowspan.instrumentation import statechanges
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowspan.instrumentation.frame import CallFrame
    from flowspan.instrumentation.integration import Attributes, Call, Event
    from flowspan.instrumentation.machine import Site
    from flowspan.instrumentation.states import Looked


class Remark:
    """One call of a row without a kind; it has the life of an invocation, and no span.

    An exception that passes is told to the row's ``failure`` only; it does not mark the span.
    """

    __slots__ = ("call", "frame", "looked", "replay", "site")

    def __init__(self, site: Site, call: Call, frame: CallFrame) -> None:
        self.site = site
        self.call = call
        self.frame = frame
        self.replay = None
        self.looked: Looked | None = None

    def start(self) -> Self:
        """Tell what is known before the call."""
        patch, place, call = self.site.patch, self.site.place, self.call
        if patch.snapshot is not None:
            call.snapshot = guarded(f"{place} snapshot", patch.snapshot, call)
        if self.site.watches:
            self.looked = statechanges.seen_before(self.site, call)
        if patch.request is not None:
            self.frame.describe(guarded(f"{place} request", patch.request, call) or {})
        if patch.before is not None:
            self._emit(guarded(f"{place} before", _listed, patch.before, call))
        return self

    def enter(self) -> Any:
        """Nothing becomes current."""

    def complete(self, result: Any) -> None:
        """Tell what is known from the result."""
        patch, place, call = self.site.patch, self.site.place, self.call
        if patch.response is not None:
            self.frame.describe(guarded(f"{place} response", patch.response, call, result) or {})
        if self.looked is not None:
            self._changed(statechanges.after_return(self.site, call, self.looked, result))
        if patch.after is not None:
            self._emit(guarded(f"{place} after", _listed, patch.after, call, result))

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """Tell what is known from an exception."""
        del partial
        if self.site.patch.failure is not None:
            place = f"{self.site.place} failure"
            self.frame.describe(guarded(place, self.site.patch.failure, self.call, error) or {})
        if self.looked is not None:
            self._changed(statechanges.after_failure(self.site, self.call, self.looked))

    def abandon(self, partial: Any = None) -> None:
        """Nothing to tell."""

    def never_begun(self) -> None:
        """Nothing to tell."""

    def end_anyway(self) -> None:
        """Nothing to end."""

    def chunk(self) -> None:
        """Nothing to tell."""

    def _changed(self, attributes: Attributes) -> None:
        if attributes:
            self.frame.event(semconv.EVENT_STATE_CHANGED, attributes)

    def _emit(self, events: Iterable[Event] | None) -> None:
        guarded(f"{self.site.place} events", self._emit_each, events or ())

    def _emit_each(self, events: Iterable[Event]) -> None:
        for event in events:
            target = self.frame if event.on == "own" else self.frame.parent
            if target is not None:
                target.event(event.name, event.attributes)


def _listed(events: Any, *args: Any) -> list[Event]:
    return list(events(*args))
