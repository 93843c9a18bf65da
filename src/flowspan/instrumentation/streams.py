"""Results that are still to come: streams, generators, lazy objects and bodies not yet read.

An observed object stays what it was: nothing is put on it and no proxy replaces it.  A weak map
keeps its observations; rows of the other roles on its class report what happens to it.  Whatever
ends first ends the call, once: drained, closed, dropped, failed, or the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flowspan import background
from flowspan.instrumentation.integration import Observed
from flowspan.safety import guarded, swallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowspan.instrumentation.attachment import Attached
    from flowspan.instrumentation.integration import Joiner
    from flowspan.instrumentation.invocation import Invocation
    from flowspan.instrumentation.remarks import Remark

SETTLE_SECONDS: Final = 1.0
"""The longest that anybody waits for streams that were dropped a moment ago."""


class Observation:
    """One result under way.

    Attributes:
        invocation: The call whose result it is.
        joiner: Adds up its chunks; ``None`` where only the end matters.
        count: Chunks so far.
        busy: True while a report is being made, so that what the object does to itself in the
            meantime (an iterator that closes its own response) is not reported too.
        taking: How many ``take`` methods are under way inside each other.
        attached: The call's context, while the program is inside a ``with`` block of the object.
        before: An observation of the same object by a call inside this one.
        waiting: True while the coroutine that makes the call has not begun, and perhaps never will.
    """

    __slots__ = (
        "_add",
        "_begun",
        "_handled",
        "attached",
        "before",
        "busy",
        "count",
        "invocation",
        "joiner",
        "over",
        "taking",
        "waiting",
    )

    def __init__(self, invocation: Invocation | Remark, *, waiting: bool = False) -> None:
        self.invocation = invocation
        self.joiner = _joiner(invocation)
        self.busy = False
        self.count = 0
        self.taking = 0
        self.over = False
        self.attached: Attached | None = None
        self.before: Observation | None = None
        self.waiting = waiting
        self._begun = False
        self._add = getattr(self.joiner, "add", None)
        self._handled = id(sys.exc_info()[1])

    def chunk(self, chunk: Any) -> None:
        """A chunk arrived."""
        self.count += 1
        if self.before is not None:
            self.before.chunk(chunk)
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

    def drained(self, result: Any = None) -> None:
        """It came to its end, with a result where its chunks are not joined."""
        if self.before is not None:
            self.before.drained(result)
        if self._last():
            whole = result if self.joiner is None else self._partial()
            guarded("end of stream", self.invocation.complete, whole)

    def returned(self, result: Any) -> None:
        """It turned out to have nothing to come: ``result`` is all."""
        if self._last():
            guarded("end of a call", self.invocation.complete, result)

    def refused(self, error: BaseException) -> None:
        """It raised where it should have turned into what is to be read: nothing was answered."""
        if self._last():
            guarded("end of a call", self.invocation.fail, error)

    def failed(self, error: BaseException) -> None:
        """It raised."""
        if self.before is not None:
            self.before.failed(error)
        if self._last():
            guarded("end of stream", self.invocation.fail, error, self._partial())

    def closed(self) -> None:
        """It was closed; by an exception in the caller's ``with`` block, if there is one.

        Python shows that exception in ``sys.exc_info`` while ``__exit__`` runs.
        """
        if self.over:
            return
        error = sys.exc_info()[1]
        if error is None or id(error) == self._handled or isinstance(error, GeneratorExit):
            self.dropped()
        else:
            self.failed(error)

    def dropped(self) -> None:
        """Nobody will read on; where it said itself that it is over, that is an ordinary end."""
        if self.before is not None:
            self.before.dropped()
        if not self._last():
            return
        if self.waiting:
            guarded("end of a call", self.invocation.never_begun)
        else:
            complete = guarded("end of stream", getattr, self.joiner, "complete", False)
            end = self.invocation.complete if complete is True else self.invocation.abandon
            guarded("end of stream", end, self._partial())

    def _last(self) -> bool:
        first, self.over = not self.over, True
        _observed.open.discard(self)
        return first

    def _partial(self) -> Any:
        if self.joiner is None:
            return None
        return guarded(f"{self.invocation.site.place} join", self.joiner.result)


def _joiner(invocation: Invocation | Remark) -> Joiner | None:
    join = invocation.site.patch.join
    if join is None:
        return None
    return guarded(f"{invocation.site.place} join", join, invocation.call)


later: background.SimpleQueue[Callable[[], object]] = background.SimpleQueue()
"""What is to be done outside the place that noticed it; putting something there needs no room on
the stack.  See :func:`end_later`."""


class _Observed:
    """Observations by the identity of their objects, and those that nobody reads any more.

    Objects are dropped at any moment, in any thread, even inside the garbage collector while some
    lock is held.  So a weak reference's callback only puts a note on a reentrant queue, and a
    thread of its own ends the call.
    """

    def __init__(self) -> None:
        self.by_identity: dict[int, tuple[Callable[[], Any], Observation]] = {}
        global later  # noqa: PLW0603 - one queue for each process
        self.dropped = later = background.SimpleQueue()
        self.open: set[Observation] = set()
        self.sweeper: background.Worker | None = None
        self.starting = background.Lock()

    def add(self, seen: Observed, observation: Observation) -> None:
        subject, others, members = seen
        observation.before = self.find(subject)
        held = [getattr(subject, name, None) for name in members]
        identities = [id(each) for each in (subject, *others, *held)]
        by_identity, dropped = self.by_identity, self.dropped

        def forget(_: Any) -> None:
            for identity in identities:
                by_identity.pop(identity, None)
            dropped.put(observation.dropped)

        whole = weakref.ref(subject, forget)
        by_identity[id(subject)] = (whole, observation)
        for other in others:
            by_identity[id(other)] = (weakref.ref(other), observation)
        for name, member in zip(members, held, strict=True):
            by_identity[id(member)] = (partial(_member, whole, name), observation)

    def find(self, subject: Any) -> Observation | None:
        found = self.by_identity.get(id(subject))
        if found is None or found[0]() is not subject or found[1].over:
            return None
        return found[1]

    def start_sweeper(self) -> None:
        # Whoever comes while another starts it need not wait; it may even be the same thread,
        # where the garbage collector has stepped in.
        if self.sweeper is not None or not self.starting.acquire(blocking=False):
            return
        try:
            if self.sweeper is None:
                self.sweeper = background.start("flowspan-streams", _sweep, self.dropped)
        finally:
            self.starting.release()


def _member(whole: weakref.ref[Any], name: str) -> Any:
    """What an object has that takes no weak references itself, as long as both live."""
    return getattr(whole(), name, None)


def _sweep(dropped: background.SimpleQueue[Callable[[], object]]) -> None:
    while True:
        guarded("end of a dropped stream", dropped.get())


_observed: Final = _Observed()


def _after_fork() -> None:
    """A child has no sweeper, and the parent's streams are not the child's to end."""
    _observed.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
    os.register_at_fork(after_in_child=_after_fork)


def follow(invocation: Invocation | Remark, *, waiting: bool = False) -> Observation:
    """Keep a call open until whoever follows its result tells that it has ended.

    Args:
        invocation: The call.
        waiting: Whether it is made by a coroutine that has yet to begin.
    """
    observation = Observation(invocation, waiting=waiting)
    _observed.open.add(observation)
    _observed.start_sweeper()
    return observation


def release(observation: Observation) -> None:
    """Keep a call open no more: it has begun, and ends by itself."""
    _observed.open.discard(observation)


def observe(subject: Any, invocation: Invocation) -> bool:
    """Keep a call open until its result, ``subject``, has ended.

    Returns:
        False if the object cannot be observed (it takes no weak references).
    """
    observation = Observation(invocation)
    try:
        _observed.add(_as_observed(subject), observation)
    except TypeError:
        return False
    _observed.open.add(observation)
    _observed.start_sweeper()
    return True


def _as_observed(subject: Any) -> Observed:
    return subject if isinstance(subject, Observed) else Observed(subject)


def hand_over(observation: Observation, holder: Any, subject: Any) -> None:
    """Observe ``subject`` from now on, no longer ``holder``."""
    _observed.by_identity.pop(id(holder), None)
    try:
        _observed.add(_as_observed(subject), observation)
    except TypeError:
        observation.returned(subject)


def find(subject: Any) -> Observation | None:
    """The observation of an object, if it is observed and has not ended."""
    return _observed.find(subject) if _observed.by_identity else None


def of(invocation: Invocation | Remark) -> Observation | None:
    """What keeps a call open, if anything does."""
    open_ = tuple(_observed.open)
    return next((found for found in open_ if found.invocation is invocation), None)


def end_later(end: Callable[[], object]) -> None:
    """Run ``end`` soon, outside the place that noticed it (a generator being finalised)."""
    _observed.dropped.put(end)
    _observed.start_sweeper()


def settle(seconds: float = SETTLE_SECONDS) -> None:
    """Wait until every stream dropped so far has ended, but no longer than so many seconds."""
    sweeper = _observed.sweeper
    if sweeper is None or not sweeper.is_alive():
        with contextlib.suppress(background.Empty):
            while True:
                guarded("end of a dropped stream", _observed.dropped.get_nowait())
        return
    done = background.Signal()
    _observed.dropped.put(done.set)
    done.wait(min(seconds, SETTLE_SECONDS))


def end_open(seconds: float = SETTLE_SECONDS) -> None:
    """End everything that is still open: the process ends, or recording stops.

    Args:
        seconds: How long to wait for what was dropped a moment ago.
    """
    settle(seconds)
    for observation in list(_observed.open):
        guarded("end of an open stream", observation.dropped)
