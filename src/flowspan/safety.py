"""The only place where telemetry errors are swallowed: nothing of ours may reach the program.

Every call from the machine into an extractor, a hook or a processor goes through :func:`guarded`.
In production an error is logged once per place and counted; in our own tests it is raised.
A ``FlowspanError`` passes where a user asked for it (see :func:`guarded`), and a
``BaseException`` that is not an ``Exception`` (Ctrl-C, ``SystemExit``, cancellation) always does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flowspan.background import RLock
from flowspan.errors import FlowspanError

_Result = TypeVar("_Result")

_log = logging.getLogger("flowspan")
_MOST_PLACES: Final = 1000


class _Ledger:
    """What went wrong so far: counts per place, and who wants to be told.

    The lock is reentrant: a signal handler, or a finaliser that the garbage collector runs in the
    middle of anything, may report too.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.counts: dict[str, int] = {}
        self.strict = False
        self.listener: Callable[[str], None] | None = None


_ledger = _Ledger()


def _after_fork() -> None:
    """Another thread may have held the lock when the process was forked."""
    _ledger.lock = RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
    os.register_at_fork(after_in_child=_after_fork)


def set_strict(strict: bool) -> bool:  # noqa: FBT001 - a switch is what it is
    """Raise instead of swallow, as our own tests do; returns the former setting."""
    former = _ledger.strict
    _ledger.strict = strict
    return former


def set_listener(listener: Callable[[str], None] | None) -> None:
    """Be told of each swallowed error, by place: the counter ``flowspan.telemetry.errors``."""
    _ledger.listener = listener


def counts() -> dict[str, int]:
    """How often each place failed in this process."""
    with _ledger.lock:
        return dict(_ledger.counts)


def reset() -> None:
    """Forget what was reported, so that each place may report once more."""
    with _ledger.lock:
        _ledger.counts.clear()


def _first(key: str) -> bool:
    """Count a place; true the first time, and never for more than :data:`_MOST_PLACES` places."""
    with _ledger.lock:
        seen = _ledger.counts.get(key, 0)
        known = seen > 0 or len(_ledger.counts) < _MOST_PLACES
        if known:
            _ledger.counts[key] = seen + 1
        return known and seen == 0


def _warn(message: str, *args: Any) -> None:
    try:
        _log.warning(message, *args)
    except Exception:  # noqa: BLE001 - a handler of the program's that raises
        return


def report_once(key: str, message: str) -> None:
    """Log one sentence, at warning level, the first time that ``key`` is reported."""
    if _first(key):
        _warn("%s", message)


def swallow(place: str, error: Exception) -> None:
    """Account for a telemetry error at ``place``: raise it in tests, else log it once.

    Args:
        place: What was being done, as ``"pflow run_step request"``.
        error: What was raised there.
    """
    if _ledger.strict:
        raise error
    if _first(place):
        _warn(
            "flowspan: %s failed and is left out from now on where it fails (%s: %s); "
            "the program is not affected",
            place,
            type(error).__name__,
            _text(error),
        )
    listener = _ledger.listener
    if listener is not None:
        try:
            listener(place)
        except Exception:  # noqa: BLE001 - the counter of errors must not make one
            return


def _text(error: Exception) -> str:
    try:
        return str(error)[:300]
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises
        return "unprintable"


def guarded(place: str, function: Callable[..., _Result], *args: Any) -> _Result | None:
    """Call ``function``; on an error account for it and return ``None``.

    Use it for extractors and everything else that only describes. Code that may refuse a call on
    the user's behalf uses :func:`guarded_hook`.
    """
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - this is the guard
        swallow(place, error)
        return None


def guarded_hook(place: str, function: Callable[..., _Result], *args: Any) -> _Result | None:
    """Like :func:`guarded`, but a ``FlowspanError``, which the user asked for, passes."""
    try:
        return function(*args)
    except FlowspanError:
        raise
    except Exception as error:  # noqa: BLE001 - this is the guard
        swallow(place, error)
        return None
