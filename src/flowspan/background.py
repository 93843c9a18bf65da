"""Threads of flowspan's own: they keep nothing of the program, and are threads whatever it does.

Programs may replace Python's threads and locks by cooperative ones (gevent's monkey patching); a
worker that then waited in earnest would stop everything.  So what is needed here is taken from the
interpreter before the program runs, and used in its place everywhere: threads, locks, signals.
"""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import RLock
from typing import Any, Final

__all__ = ["Empty", "Lock", "RLock", "Signal", "SimpleQueue", "Worker", "running", "start"]

Lock = allocate_lock
"""The interpreter's own lock."""

_running: Final[dict[int, str]] = {}


class Signal:
    """An event that may be set anywhere: in signal handlers and finalisers too.

    It is for one waiter, or for many that wait only once.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Whether it was set and not cleared."""
        return not self._lock.locked()

    def set(self) -> None:
        """Let whoever waits go on."""
        try:
            self._lock.release()
        except RuntimeError:  # it was set
            return

    def clear(self) -> None:
        """Let whoever comes wait again."""
        self._lock.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; false if that took longer than the timeout, in seconds."""
        if not self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            return False
        self.set()
        return True


class Worker:
    """A thread that was started."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._over = Signal()

    def is_alive(self) -> bool:
        """Whether its work goes on."""
        return not self._over.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, so many seconds at most."""
        self._over.wait(timeout)

    def _run(self, target: Callable[..., object], args: tuple[Any, ...]) -> None:
        # What ``threading`` does for its own threads: a debugger or a coverage tool asked for it.
        sys.settrace(threading.gettrace())
        sys.setprofile(threading.getprofile())
        try:
            target(*args)
        finally:
            _running.pop(id(self), None)
            self._over.set()


def start(name: str, target: Callable[..., object], *args: Any) -> Worker | None:
    """Start a thread that the end of the process does not wait for, in an empty context.

    Returns:
        ``None`` where no thread can be started any more: the interpreter is shutting down (from
        Python 3.12 on already while ``atexit`` functions run), or the system has no more.
    """
    if sys.is_finalizing():  # up to Python 3.11 it would be started, and never run
        return None
    worker = Worker(name)
    _running[id(worker)] = name  # from now on, not from its first instruction
    try:
        start_new_thread(worker._run, (target, args))  # noqa: SLF001 - of the same module
    except RuntimeError:
        _running.pop(id(worker), None)
        return None
    return worker


def running() -> list[str]:
    """Names of the threads of ours that were started and have not ended."""
    return list(_running.values())
