"""Writes spans into the store, and keeps every trouble with it away from the program.

::

    export thread ── rows built ──► backlog ──► one transaction per 512 rows ──► file
    open-row thread ──────────────►    ▲  │
                                       └──┘ given back when a write fails; tried again later

A failed write is reported once, in one sentence; the rows wait in memory up to a bound.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from flowspan import background, safety
from flowspan.store import faults, forks
from flowspan.store.backlog import Backlog
from flowspan.store.connection import StoreConnection
from flowspan.store.opening import is_busy
from flowspan.store.rows import RowBuilder, SpanEntry

CHUNK: Final = 512
TIMEOUT_SECONDS: Final = 1.0
_LONGEST_FORK_WAIT: Final = 1.0
_PAUSE_BETWEEN_TRIES: Final = 0.01
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 5.0

_WAITING: Final = "; spans wait in memory and are written as soon as it can be"
_GIVEN_UP: Final = "; nothing is stored"
_NOT_WORTH_WAITING: Final = frozenset({"too-new", "refused"})
_OF_ONE_ROW: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)


class StoreWriter:
    """Writes to one store; safe to use from several threads, and across a fork."""

    def __init__(self, path: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Nothing is opened before the first write.

        Args:
            path: The store's file (see ``location``).
            timeout_seconds: How long a write may wait for locks of other processes.
        """
        self.path = path
        self._timeout = timeout_seconds
        self._rows = RowBuilder()
        self._begin(StoreConnection(path))
        forks.watch(self)

    def _begin(self, connection: StoreConnection) -> None:
        self._pid = os.getpid()
        self._lock = background.Lock()
        self._backlog = Backlog()
        self._connection = connection
        self._usable = True
        self._retry_at = 0.0
        self._delay = _FIRST_DELAY

    @property
    def generation(self) -> int:
        """Grows when another file is begun: open spans must be written again."""
        return self._connection.generation

    @property
    def waiting(self) -> int:
        """How many rows are not written yet."""
        return len(self._backlog)

    @property
    def dropped(self) -> int:
        """How many rows gave way because too many were waiting."""
        return self._backlog.dropped

    def write_ended(self, spans: Iterable[ReadableSpan]) -> bool:
        """Write spans that have ended.

        Returns:
            Whether they, and all that waited before them, are in the file.
        """
        return self._write(spans, self._rows.ended)

    def write_begun(self, spans: Iterable[ReadableSpan]) -> bool:
        """Write open rows of spans that have begun; returns what :meth:`write_ended` does."""
        process_id = self._connection.presence.id
        return self._write(spans, lambda span: self._rows.begun(span, process_id))

    def _write(
        self, spans: Iterable[ReadableSpan], build: Callable[[ReadableSpan], SpanEntry]
    ) -> bool:
        if not self._owned():
            return False
        rows = [safety.guarded("store row", build, span) for span in spans]
        self._count(self._backlog.add(row for row in rows if row is not None))
        return self.flush()

    def flush(self, timeout_seconds: float | None = None, *, now: bool = False) -> bool:
        """Write what waits.

        Args:
            timeout_seconds: How long to wait for locks of other processes.
            now: Try even where the last try failed a moment ago.

        Returns:
            Whether nothing waits any more.
        """
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + timeout
        if not self._owned() or (not now and time.monotonic() < self._retry_at):
            return not self.waiting
        may_set_aside = True
        while True:
            try:
                if not self._locked(deadline, self._write_chunk):
                    return not self.waiting
            except Exception as error:  # noqa: BLE001 - whatever it is, the program goes on
                kind = faults.kind_of(error)
                if kind == "locked" and time.monotonic() < deadline:
                    time.sleep(_PAUSE_BETWEEN_TRIES)
                elif kind != "corrupt" or not may_set_aside:
                    self._failed(error)
                    return False
                elif not self._set_aside(deadline):
                    return False
                else:
                    may_set_aside = False

    def attempt(self, action: Callable[[sqlite3.Connection], bool]) -> bool:
        """Do something small with the connection, between writes.

        Returns:
            What ``action`` returns; false where it failed (the next write says why).
        """
        if not self._owned():
            return False
        try:
            return self._locked(
                time.monotonic() + self._timeout, lambda: action(self._connection.use())
            )
        except Exception:  # noqa: BLE001 - see above
            return False

    def heartbeat(self) -> bool:
        """Say in the store that this process is alive."""
        return self.attempt(lambda _: self._connection.heartbeat())

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Write what waits and close the file; a later write opens it again.

        Returns:
            Whether everything is written.
        """
        started = time.monotonic()
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        written = self.flush(timeout, now=True)
        left = max(0.0, timeout - (time.monotonic() - started))
        if self._owned() and self._lock.acquire(timeout=left):
            try:
                self._connection.close()
                self._connection.presence.leave()
            finally:
                self._lock.release()
        return written

    def _locked(self, deadline: float, action: Callable[[], bool]) -> bool:
        """Do something alone; false where others were at it until the deadline."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            return action()
        except BaseException as error:
            if not (isinstance(error, sqlite3.Error) and is_busy(error)):
                self._connection.close()
            raise
        finally:
            self._lock.release()

    def _write_chunk(self) -> bool:
        """Write some of what waits; false where nothing does."""
        entries = self._backlog.take(CHUNK)
        if not entries:
            return False
        try:
            self._write_entries(entries)
        except BaseException:
            self._count(self._backlog.give_back(entries))
            raise
        self._retry_at, self._delay = 0.0, _FIRST_DELAY
        return True

    def _write_entries(self, entries: Sequence[SpanEntry]) -> None:
        try:
            self._connection.write(entries)
        except _OF_ONE_ROW as error:
            if len(entries) > 1:
                for entry in entries:
                    self._write_entries([entry])
            else:
                safety.report_once(
                    f"store row {self.path}",
                    f"flowspan: a span cannot be stored and is left out ({error})",
                )

    def _set_aside(self, deadline: float) -> bool:
        def rename() -> bool:
            kept = self._connection.set_aside()
            if kept is not None:
                safety.report_once(
                    f"store corrupt {self.path}",
                    f"flowspan: the store {self.path} was damaged; it is kept as {kept.name}, "
                    "and a new one is begun",
                )
            return True

        try:
            return self._locked(deadline, rename)
        except Exception as error:  # noqa: BLE001 - it stays where it is
            self._failed(error)
            return False

    def _failed(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, _LONGEST_DELAY)
        kind = faults.kind_of(error)
        waits = kind not in _NOT_WORTH_WAITING
        if not waits:
            self._backlog.take(self.waiting)
        safety.report_once(
            f"store {kind} {self.path}",
            f"flowspan: {faults.sentence(error, self.path)}{_WAITING if waits else _GIVEN_UP}",
        )

    def _count(self, dropped: int) -> None:
        if dropped:
            safety.report_once(
                f"store dropped {self.path}",
                f"flowspan: more spans wait for the store {self.path} than can be kept in memory: "
                "the oldest are lost",
            )

    def _owned(self) -> bool:
        """Whether this process may use the connection (see ``forks``)."""
        if os.getpid() != self._pid:
            # Forked by something that does not tell Python.
            self.after_fork_in_child(closed=False)
        if not self._usable:
            safety.report_once(
                f"store forked {self.path}",
                f"flowspan: this process was forked in the middle of a write to the store "
                f"{self.path}: it stores nothing; its children and its parent are not affected",
            )
        return self._usable

    def before_fork(self) -> bool:
        """See ``forks``: waits for a write that is under way."""
        if not self._lock.acquire(timeout=_LONGEST_FORK_WAIT):
            return False
        self._connection.close()
        return True

    def after_fork_in_parent(self, closed: bool) -> None:  # noqa: FBT001 - what before_fork said
        """See ``forks``."""
        if closed:
            self._lock.release()

    def after_fork_in_child(self, closed: bool) -> None:  # noqa: FBT001 - what before_fork said
        """See ``forks``: what waits here is the parent's to write."""
        inherited = self._connection
        inherited.presence.forget()
        self._begin(StoreConnection(self.path))
        if inherited.is_open and not closed:
            _never_touched_again.append(inherited)
            self._usable = False


_never_touched_again: Final[list[StoreConnection]] = []

_shared: weakref.WeakValueDictionary[Path, StoreWriter] = weakref.WeakValueDictionary()


def shared_writer(path: Path) -> StoreWriter:
    """The writer of a store in this process, so that all of its users share one connection."""
    writer = _shared.get(path)
    if writer is None:
        writer = _shared.setdefault(path, StoreWriter(path))
    return writer
