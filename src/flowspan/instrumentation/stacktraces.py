"""Exceptions as text: what Python would print, short, without secrets and without side effects.

``traceback.format_exception`` looks for what somebody may have meant: it asks the program's
objects for their attributes, which may import modules or talk to other machines.  Only frames and
messages are looked at here.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Final

from flowspan.instrumentation.content import bounded, without_secrets

MOST_MESSAGE: Final = 1_000
_MOST_STACKTRACE: Final = 8_000
_FRAMES: Final = 20
_EXCEPTIONS: Final = 5
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


def type_name(error: BaseException) -> str:
    """The exception's class, with its module unless that is Python's own."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """The exception's text, without secrets, bounded; never raises."""
    try:
        text = str(error)[: 2 * MOST_MESSAGE]  # a secret that is cut in two is beyond the bound
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises
        return "unprintable"
    return bounded(without_secrets(text), MOST_MESSAGE)


def stacktrace(error: BaseException) -> str:
    """Frames and message of an exception, after those of what led to it."""
    text = "".join(reversed(list(_blocks(error))))
    return without_secrets(text)[-_MOST_STACKTRACE:]


def _blocks(error: BaseException) -> Iterator[str]:
    """An exception, then what it followed from, and so on."""
    seen: set[int] = set()
    link = ""
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _EXCEPTIONS:
        seen.add(id(current))
        yield _block(current) + link
        if current.__cause__ is not None:
            current, link = current.__cause__, _CAUSE
        else:
            current, link = None if current.__suppress_context__ else current.__context__, _CONTEXT


def _block(error: BaseException) -> str:
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), limit=-_FRAMES, lookup_lines=True
    )
    header = "Traceback (most recent call last):\n" if frames else ""
    said = message(error)
    lines = [header, *frames.format(), f"{type_name(error)}: {said}" if said else type_name(error)]
    if isinstance(error, BaseExceptionGroup):
        lines += [f"\n  | {type_name(one)}: {message(one)}" for one in error.exceptions]
    return "".join(lines) + "\n"
