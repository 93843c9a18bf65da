"""Results that are still to come: streams, lazy objects and bodies not yet read.

An observed object stays what it was: nothing is put on it and no proxy replaces it.  A weak map
keeps its observation; rows of the roles ``iterate``, ``next`` and ``close`` on its class report
what happens to it.  Whatever ends first ends the call, once: drained, closed, dropped, failed, or
the end of the process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from flowspan.safety import guarded, swallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowspan.instrumentation.integration import Joiner
    from flowspan.instrumentation.invocation import Invocation


class Observation:
    """One stream under way.

    Attributes:
        invocation: The call whose result it is.
        joiner: Adds up its chunks; ``None`` where only the end matters.
        busy: True while a report is being made, so that what the object does to itself in the
            meantime (an iterator that closes its own response) is not reported too.
    """

    __slots__ = ("_add", "_begun", "_handled", "busy", "invocation", "joiner", "over")

    def __init__(self, invocation: Invocation, joiner: Joiner | None) -> None:
        self.invocation = invocation
        self.joiner = joiner
        self.busy = False
        self.over = False
        self._begun = False
        self._add = None if joiner is None else joiner.add
        self._handled = sys.exc_info()[1]

    def chunk(self, chunk: Any) -> None:
        """A chunk arrived."""
        counts: bool | None = None
        if self._add is not None:
            try:
                counts = self._add(chunk)
            except Exception as error:  # noqa: BLE001 - the guard, without the cost of a call
                self._add = None
                swallow(f"{self.invocation.site.place} join", error)
        if not self._begun and counts is not False:
            self._begun = True
            guarded("first chunk", self.invocation.chunk)

    def drained(self) -> None:
        """The stream came to its end."""
        if self._last():
            guarded("end of stream", self.invocation.complete, self._partial())

    def failed(self, error: BaseException) -> None:
        """The stream raised."""
        if self._last():
            guarded("end of stream", self.invocation.fail, error, self._partial())

    def closed(self) -> None:
        """The stream was closed; by an exception in the caller's ``with`` block, if there is one.

        Python shows that exception in ``sys.exc_info`` while ``__exit__`` runs.  ``GeneratorExit``
        is how a generator hears that nobody will read on.
        """
        if self.over:
            return
        error = sys.exc_info()[1]
        if error is None or error is self._handled or isinstance(error, GeneratorExit):
            self.dropped()
        else:
            self.failed(error)

    def dropped(self) -> None:
        """Nobody will read on; which is an ordinary end if the stream said that it is over."""
        if self._last():
            if getattr(self.joiner, "complete", False):
                guarded("end of stream", self.invocation.complete, self._partial())
            else:
                guarded("end of stream", self.invocation.abandon, self._partial())

    def _last(self) -> bool:
        first, self.over = not self.over, True
        _observed.discard(self)
        return first

    def _partial(self) -> Any:
        if self.joiner is None:
            return None
        return guarded(f"{self.invocation.site.place} join", self.joiner.result)


class _Observed:
    """Observations by the identity of their objects, and those that nobody reads any more.

    Objects are dropped at any moment, in any thread, even inside the garbage collector while some
    lock is held.  So a weak reference's callback only puts a note on a reentrant queue, and a
    thread of its own ends the call.
    """

    def __init__(self) -> None:
        self.by_identity: dict[int, tuple[weakref.ref[Any], Observation]] = {}
        self.dropped: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.open: set[Observation] = set()
        self.sweeper: threading.Thread | None = None
        self.lock = threading.Lock()

    def add(self, subject: Any, observation: Observation) -> None:
        identity = id(subject)
        by_identity, dropped = self.by_identity, self.dropped

        def forget(_: Any) -> None:
            by_identity.pop(identity, None)
            dropped.put(observation.dropped)

        by_identity[identity] = (weakref.ref(subject, forget), observation)
        self.open.add(observation)
        self.start_sweeper()

    def find(self, subject: Any) -> Observation | None:
        found = self.by_identity.get(id(subject))
        if found is None or found[0]() is not subject or found[1].over:
            return None
        return found[1]

    def discard(self, observation: Observation) -> None:
        self.open.discard(observation)

    def start_sweeper(self) -> None:
        if self.sweeper is not None:
            return
        with self.lock:
            if self.sweeper is None:
                self.sweeper = threading.Thread(
                    target=_sweep, args=(self.dropped,), name="flowspan-streams", daemon=True
                )
                self.sweeper.start()


def _sweep(dropped: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (end := dropped.get()) is not None:
        guarded("end of a dropped stream", end)


_observed: Final = _Observed()


def _after_fork() -> None:
    """A child has no sweeper, and the parent's streams are not the child's to end."""
    _observed.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
    os.register_at_fork(after_in_child=_after_fork)


def observe(subject: Any, invocation: Invocation) -> bool:
    """Keep a call open until its result, ``subject``, has ended.

    Returns:
        False if the object cannot be observed (it takes no weak references).
    """
    join = invocation.site.patch.join
    joiner = None
    if join is not None:
        joiner = guarded(f"{invocation.site.place} join", join, invocation.call)
    try:
        _observed.add(subject, Observation(invocation, joiner))
    except TypeError:
        return False
    return True


def find(subject: Any) -> Observation | None:
    """The observation of an object, if it is observed and has not ended."""
    return _observed.find(subject) if _observed.by_identity else None


def end_later(end: Callable[[], None]) -> None:
    """Run ``end`` soon, outside the place that noticed it (a generator being finalised)."""
    _observed.start_sweeper()
    _observed.dropped.put(end)


def settle() -> None:
    """Wait until every stream dropped so far has ended."""
    if _observed.sweeper is None or not _observed.sweeper.is_alive():
        return
    done = threading.Event()
    _observed.dropped.put(done.set)
    done.wait(5)


def end_open() -> None:
    """End every stream that is still open: the process ends, or recording stops."""
    settle()
    for observation in tuple(_observed.open):
        guarded("end of an open stream", observation.dropped)
