"""What decorated code says of the span that it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation.decorators.live import connections

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame


class Handle:
    """A span, for the code inside it; does nothing while flowspan is off, or once it has ended.

    Values may be texts, numbers, booleans and lists of such; anything else is kept as JSON or text.
    """

    __slots__ = ()

    def describe(self, attributes: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        """Set attributes.

        Args:
            attributes: Names with dots in them, and their values.
            values: The same, for names without dots.
        """

    def event(
        self, name: str, attributes: Mapping[str, Any] | None = None, /, **values: Any
    ) -> None:
        """Add an event, now.

        Args:
            name: Constant; what varies goes into the attributes.
            attributes: As of :meth:`describe`.
            values: As of :meth:`describe`.
        """

    def route(self, to: str, *, action: str | None = None) -> None:
        """Say where the workflow goes from here (``flowspan.route.taken``).

        Args:
            to: The node that comes next.
            action: What decided it.
        """

    def state(self, before: str | None, after: str, *, cause: str | None = None) -> None:
        """Say that a status has moved (``flowspan.state.transition``).

        Args:
            before: The former value.
            after: The present one.
            cause: Why.
        """

    def prompt(
        self,
        name: str,
        *,
        version: str | None = None,
        reason: str | None = None,
        candidates: Iterable[str] = (),
    ) -> None:
        """Say which prompt was selected for the model calls that follow in this span.

        Args:
            name: Of the prompt.
            version: Of the prompt.
            reason: Why this one.
            candidates: From which.
        """


class _Open(Handle):
    """The handle of a span that is recorded."""

    __slots__ = ("_frame",)

    def __init__(self, frame: CallFrame) -> None:
        self._frame = frame

    def describe(self, attributes: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        _guarded("describe", lambda: self._frame.describe(_named("describe", attributes, values)))

    def event(
        self, name: str, attributes: Mapping[str, Any] | None = None, /, **values: Any
    ) -> None:
        _guarded("event", lambda: self._frame.event(name, _named("event", attributes, values)))

    def route(self, to: str, *, action: str | None = None) -> None:
        known = {
            semconv.ROUTE_FROM: self._frame.step,
            semconv.ROUTE_TO: to,
            semconv.ROUTE_ACTION: action,
        }
        _guarded("route", self._frame.event, semconv.EVENT_ROUTE_TAKEN, known)

    def state(self, before: str | None, after: str, *, cause: str | None = None) -> None:
        known = {
            semconv.STATE_FROM: before,
            semconv.STATE_TO: after,
            semconv.STATE_CAUSE: cause,
            semconv.NODE_ID: self._frame.attributes.get(semconv.NODE_ID),
        }
        _guarded("state", self._frame.event, semconv.EVENT_STATE_TRANSITION, known)

    def prompt(
        self,
        name: str,
        *,
        version: str | None = None,
        reason: str | None = None,
        candidates: Iterable[str] = (),
    ) -> None:
        known = {
            semconv.PROMPT_NAME: name,
            semconv.PROMPT_VERSION: version,
            semconv.PROMPT_REASON: reason,
            semconv.PROMPT_CANDIDATES: _guarded("prompt", list, candidates) or None,
        }
        _guarded("prompt", self._frame.event, semconv.EVENT_PROMPT_SELECTED, known)

    # A state that has a handle in it can be copied and pickled, as while flowspan is off.

    def __copy__(self) -> _Open:
        return self

    def __deepcopy__(self, memo: Any) -> _Open:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Handle, ()  # the span stays where it is


def _guarded(word: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - the guard: what is told is not the program's affair
        from flowspan.safety import swallow  # noqa: PLC0415 - not before flowspan is on

        swallow(f"{word} of a span", error)
        return None


def _named(word: str, attributes: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    if attributes is not None and not isinstance(attributes, Mapping):
        raise TypeError(f"{word} was given {attributes!r:.60}: expected a dict of names and values")
    return {**(attributes or {}), **values}


NOTHING: Final = Handle()
"""The handle while nothing is recorded."""


def of(frame: CallFrame | None) -> Handle:
    """The handle of a call's span."""
    return NOTHING if frame is None else _Open(frame)


def current() -> Handle:
    """The innermost span that is under way here, to describe it from inside a function."""
    if not connections:
        return NOTHING
    from flowspan.instrumentation import frame  # noqa: PLC0415 - not before flowspan is on

    return of(frame.living(frame.current()))
