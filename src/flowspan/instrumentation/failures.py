"""How failures are described: error types, exception events, and what is no failure at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation.stacktraces import message, stacktrace, type_name
from flowspan.instrumentation.values import text

if TYPE_CHECKING:
    from types import TracebackType

    from flowspan.instrumentation.frame import CallFrame

_OF_WRAPPERS: Final = frozenset(
    f"flowspan.instrumentation.{module}" for module in ("wrappers", "following", "managers")
)


def is_quiet(error: BaseException, quiet: tuple[str, ...]) -> bool:
    """Whether an exception is the engine's control flow, by the names of its classes."""
    return bool(quiet) and any(kind.__name__ in quiet for kind in type(error).__mro__)


def ending(error: BaseException) -> str:
    """What an exception that is no error is called: one of the program's own as what it is.

    By its own name it would be taken for an engine's word that a run waits for somebody.
    """
    names = (kind.__qualname__ for kind in type(error).__mro__)
    return next(name for name in names if name in semconv.ENDINGS)


def describe(invocation: CallFrame, error: BaseException) -> None:
    """Put an exception on a span.

    Ctrl-C, ``SystemExit``, cancellation and ``GeneratorExit`` are interruptions, not errors; and so
    is what the row's ``failure`` says to be one.
    """
    name, quiet = type(error).__qualname__, is_quiet(error, invocation.site.patch.quiet)
    if not isinstance(error, Exception):
        invocation.describe({semconv.INTERRUPTION: name if quiet else ending(error)})
        return
    if quiet or semconv.INTERRUPTION in invocation.attributes:
        return
    if semconv.ERROR_TYPE not in invocation.attributes:
        invocation.describe({semconv.ERROR_TYPE: name})
    first = not came_from_inside(invocation, error)
    invocation.event(semconv.EVENT_EXCEPTION, exception_attributes(error, first=first))


def came_from_inside(invocation: CallFrame, error: BaseException) -> bool:
    """Whether a call inside this one has described the exception already.

    Its identity alone does not say so: another exception may be where one that is gone was.
    """
    below, first = invocation.failed_below, error.__traceback__
    if not isinstance(below, tuple) or below[0] != id(error) or first is None:
        return False
    if _place(first) == below[1]:  # it passed two ``with`` blocks of one function
        return True
    entry = first.tb_next  # the first is this call's own
    while entry is not None:
        if _is_ours(entry) or _place(entry) == below[1]:
            return True
        entry = entry.tb_next
    return False


def identity(error: BaseException) -> tuple[int, tuple[int, int] | None]:
    """What tells an exception that is passing from a later one where it was in memory.

    One that passes a wrapper shows that by itself; one that leaves a ``with`` block was raised at
    a place in it.
    """
    entry = error.__traceback__
    return id(error), None if entry is None or _is_ours(entry) else _place(entry)


def _is_ours(entry: TracebackType) -> bool:
    return entry.tb_frame.f_globals.get("__name__") in _OF_WRAPPERS


def _place(entry: TracebackType) -> tuple[int, int]:
    return id(entry.tb_frame.f_code), entry.tb_lasti


def exception_attributes(error: BaseException, *, first: bool) -> dict[str, Any]:
    """Attributes of the ``exception`` event, as OpenTelemetry defines them.

    The stack is given once, where the exception was first seen, not again on each span that it
    passes on its way up.
    """
    attributes: dict[str, Any] = {
        "exception.type": type_name(error),
        "exception.message": message(error),
    }
    if first and not isinstance(error, FlowspanError):
        attributes["exception.stacktrace"] = stacktrace(error)
    return attributes


def description(invocation: CallFrame, error_type: str) -> str:
    """The span's status description."""
    failure = invocation.failure
    if failure is None:
        return text(error_type)
    return text(f"{type(failure).__qualname__}: {message(failure)}")
