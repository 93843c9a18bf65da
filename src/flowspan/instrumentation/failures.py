"""How failures are described: error types, exception events, and what is no failure at all."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation.content import bounded, without_secrets

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame

_MOST_MESSAGE: Final = 1_000
_MOST_STACKTRACE: Final = 8_000


def is_quiet(error: BaseException, quiet: tuple[str, ...]) -> bool:
    """Whether an exception is the engine's control flow, by the names of its classes."""
    return bool(quiet) and any(kind.__name__ in quiet for kind in type(error).__mro__)


def describe(invocation: CallFrame, error: BaseException) -> None:
    """Put an exception on a span.

    Ctrl-C, ``SystemExit``, cancellation and ``GeneratorExit`` are interruptions, not errors.
    """
    name = type(error).__qualname__
    if not isinstance(error, Exception):
        invocation.describe({semconv.INTERRUPTION: name})
        return
    if is_quiet(error, invocation.site.patch.quiet):
        return
    if semconv.ERROR_TYPE not in invocation.attributes:
        invocation.describe({semconv.ERROR_TYPE: name})
    first = invocation.failed_below != id(error)
    invocation.event(semconv.EVENT_EXCEPTION, exception_attributes(error, first=first))


def exception_attributes(error: BaseException, *, first: bool) -> dict[str, Any]:
    """Attributes of the ``exception`` event, as OpenTelemetry defines them.

    The stack is given once, where the exception was first seen, not again on each span that it
    passes on its way up.
    """
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", None) else f"{kind.__module__}."
    attributes: dict[str, Any] = {
        "exception.type": f"{module}{kind.__qualname__}",
        "exception.message": message(error),
    }
    if first and not isinstance(error, FlowspanError):
        lines = traceback.format_exception(kind, error, error.__traceback__, limit=-20)
        text = without_secrets("".join(lines))
        attributes["exception.stacktrace"] = text[-_MOST_STACKTRACE:]
    return attributes


def message(error: BaseException) -> str:
    """The exception's text, without secrets, bounded; never raises."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises
        return "unprintable"
    return bounded(without_secrets(text), _MOST_MESSAGE)


def description(invocation: CallFrame, error_type: str) -> str:
    """The span's status description."""
    failure = invocation.failure
    if failure is None:
        return error_type
    return f"{type(failure).__qualname__}: {message(failure)}"
