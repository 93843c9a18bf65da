"""Loads something heavy once, in a thread of its own, while the program waits for a model.

Nobody imports on the calling thread.  Whoever needs the thing before it is there waits for it, but
all waiting together ends a stated time after the first one began: a call that ends later than
that, while the thing is still loading, goes without.  In practice the load (about 0.2 s) is over
before the first model has answered; where it is not, one wait of at most that time, once in the
life of a process, buys that the first calls of a short program are priced too.  The price is that
the wait holds up an event loop as well, because a span must have its cost before it ends.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from flowspan import safety
from flowspan.background import Lock, Signal
from flowspan.background import start as start_thread

_Thing = TypeVar("_Thing")

_HEAD_START: Final = 0.02
"""Seconds that the thread leaves to the call that started it: loading is work for the processor,
and should fall into the time when the program waits for the network."""

_FORK_PATIENCE: Final = 2.0
"""The longest that forks wait for a load under way, in seconds since it began."""


class _Load:
    """One attempt."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.needed = Signal()
        self.over = Signal()
        self.began: float | None = None
        self.deadline: float | None = None


class Background(Generic[_Thing]):
    """Something that is loaded once in the background.

    Args:
        load: Loads it; called in a daemon thread.
        name: What it is, for the one sentence that is logged should loading fail.
        patience: The longest that callers wait for it, in seconds.
    """

    def __init__(self, load: Callable[[], _Thing], *, name: str, patience: float) -> None:
        self._load = load
        self._name = name
        self._patience = patience
        self._attempt = _Load()
        self._survives_forks = False
        self.thing: _Thing | None = None

    @property
    def started(self) -> bool:
        """True once loading was begun in this process."""
        return self.thing is not None or self._attempt.began is not None

    def start(self) -> None:
        """Start loading, unless that was done; returns at once."""
        attempt = self._attempt
        if attempt.began is not None:
            return
        with attempt.lock:
            if attempt.began is None:
                attempt.began = time.monotonic()
                self._survive_forks()
                self._start_thread(attempt)

    def wait(self) -> _Thing | None:
        """The thing, once it is there; ``None`` if it failed or patience has run out."""
        if self.thing is not None:
            return self.thing
        self.start()
        attempt = self._attempt
        if not attempt.over.is_set():
            attempt.needed.set()
            with attempt.lock:
                if attempt.deadline is None:
                    attempt.deadline = time.monotonic() + self._patience
            attempt.over.wait(max(0.0, attempt.deadline - time.monotonic()))
        return self.thing

    def finish(self, *, within: float) -> bool:
        """Wait until loading is over; false where that takes longer than so many seconds."""
        self.start()
        self._attempt.needed.set()
        return self._attempt.over.wait(within)

    def _start_thread(self, attempt: _Load) -> None:
        if start_thread("flowspan-loading", self._run, attempt) is None:
            self._failed(RuntimeError("no thread can be started any more"))
            attempt.over.set()

    def _run(self, attempt: _Load) -> None:
        try:
            attempt.needed.wait(_HEAD_START)
            self.thing = self._load()
        except Exception as error:  # noqa: BLE001 - whatever an import may raise; said once
            self._failed(error)
        finally:
            attempt.over.set()

    def _failed(self, error: Exception) -> None:
        safety.report_once(
            f"loading {self._name}",
            f"flowspan: {self._name} cannot be loaded ({type(error).__name__}: {error}), so model "
            f"calls are priced by your own price files only; is {self._name} installed?",
        )

    def _survive_forks(self) -> None:
        """Let no fork happen in the middle of the load.

        The child would inherit the locks of the modules that are being imported, but not the
        thread that holds them: its own import of any of them would never return.
        """
        if self._survives_forks or not hasattr(os, "register_at_fork"):
            return
        self._survives_forks = True
        reference = weakref.ref(self)  # hooks cannot be taken back

        def before() -> None:
            background = reference()
            if background is not None:
                background.before_fork()

        def after() -> None:
            background = reference()
            if background is not None:
                background.after_fork_in_child()

        os.register_at_fork(before=before, after_in_child=after)

    def before_fork(self) -> None:
        """Let a load under way end."""
        attempt = self._attempt
        if attempt.began is not None:
            attempt.needed.set()
            attempt.over.wait(max(0.0, attempt.began + _FORK_PATIENCE - time.monotonic()))

    def after_fork_in_child(self) -> None:
        """Forget an attempt whose thread did not come along."""
        if self.thing is None:
            self._attempt = _Load()
