"""The ends of a process: exit, SIGTERM, and children that leave by ``os._exit``.

The SDK flushes in ``atexit`` only, which a SIGTERM with the default handler and a forked child
never reach.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from flowspan import background
from flowspan.delivery.deadline import Deadline
from flowspan.instrumentation import streams
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowspan.delivery.metrics import BoundedReader

CHILD_SECONDS: Final = 2.0
"""The longest that a forked child's ``os._exit`` waits for its spans."""


class Flushable(Protocol):
    """A provider or a processor."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand over what has ended."""


class Endings:
    """Flushes at every end of the process that Python lets us see.

    Args:
        flushables: What is flushed, in this order: the embedded store first.
        deadline: Bounds all of it together.
        reader: Sends the metrics; at an ordinary exit its provider does that.
    """

    def __init__(
        self,
        flushables: tuple[Flushable, ...],
        deadline: Deadline,
        reader: BoundedReader | None = None,
    ) -> None:
        self._flushables = flushables
        self._deadline = deadline
        self._reader = reader
        self._active = True
        self._leave: Callable[[int], Any] = os._exit

    def install(self) -> None:
        """Watch the ends of this process and of children forked from it."""
        atexit.register(self.at_exit)
        if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
            os.register_at_fork(after_in_child=self._in_child)
        self._watch_sigterm()

    def uninstall(self) -> None:
        """Do nothing any more."""
        self._active = False
        atexit.unregister(self.at_exit)

    def at_exit(self) -> None:
        """End open streams and flush, within the deadline."""
        if not self._active:
            return
        self._deadline.begin()
        guarded("open streams at exit", streams.end_open, self._deadline.remaining() / 2)
        self.flush()

    def flush(self) -> None:
        """Flush spans in half of the time that is left, so that metrics have their part."""
        for flushable in self._flushables:
            millis = max(1, int(self._deadline.remaining() * 500))
            guarded("flush", flushable.force_flush, millis)

    def _flush_all(self) -> None:
        self.flush()
        if self._reader is not None:
            guarded("metrics on SIGTERM", self._reader.shutdown)

    # --- SIGTERM -------------------------------------------------------------------------------

    def _watch_sigterm(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, _frame: Any) -> None:
        """Flush, then die of the signal as the program would have."""
        if self._active:
            guarded("flush on SIGTERM", self._flush_elsewhere)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _flush_elsewhere(self) -> None:
        """Flush from a thread: the signal may have met this one inside any lock."""
        self._deadline.begin()
        flusher = background.start("flowspan-sigterm", self._flush_all)
        if flusher is not None:
            flusher.join(self._deadline.remaining())

    # --- forked children -----------------------------------------------------------------------

    def _in_child(self) -> None:
        """``os._exit`` is how forked children end; no handler of Python's runs there."""
        if self._active and getattr(os._exit, "__self__", None) is not self:
            self._leave = os._exit
            os._exit = self._flush_and_leave  # type: ignore[assignment]

    def _flush_and_leave(self, status: int) -> None:
        if self._active:
            guarded("flush before os._exit", self._flush_child)
        self._leave(status)

    def _flush_child(self) -> None:
        deadline = Deadline(CHILD_SECONDS)
        for flushable in self._flushables:
            guarded("flush", flushable.force_flush, max(1, int(deadline.remaining() * 1000)))
