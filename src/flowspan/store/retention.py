"""Forgets old runs, by age, by number and by size, in steps small enough to go unnoticed.

A step deletes about a thousand rows or gives a few hundred pages back to the disk, in one short
transaction; between steps others write.  Runs whose process is alive are never touched.
"""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flowspan.store.connection import in_transaction
from flowspan.store.liveness import ProcessRecord, is_alive, sweep
from flowspan.store.opening import open_for_writing, until
from flowspan.store.schema import LAST_USE_NS

STEP_ROWS: Final = 1_000
STEP_PAGES: Final = 500
_ENOUGH: Final = 0.9
_DAY_NS: Final = 86_400 * 10**9
_PATIENCE_SECONDS: Final = 10.0

_OLDEST: Final = (
    "SELECT trace_id, first_ns FROM trace WHERE (first_ns, trace_id) > (?, ?) "
    "ORDER BY first_ns, trace_id LIMIT 1"
)
_ALIVE: Final = (
    "SELECT s.trace_id, p.id, p.pid, p.kernel, p.lock, p.started_ns, p.seen_ns "
    "FROM span s JOIN process p ON p.id = s.process_id WHERE s.state = 'open'"
)
_UNUSED: Final = (
    """DELETE FROM process WHERE seen_ns < :day_ago AND id NOT IN
    (SELECT process_id FROM span WHERE state = 'open' AND process_id IS NOT NULL)""",
    # All that is left began after the oldest trace, and its resource was in use then.
    "DELETE FROM resource WHERE last_ns < :oldest",
    "DELETE FROM scope WHERE last_ns < :oldest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a store may keep; ``None`` sets no limit.

    Attributes:
        days: Age of the oldest run.
        runs: Number of runs.
        megabytes: Size of the file in MiB.
    """

    days: float | None = None
    runs: int | None = None
    megabytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was deleted.

    Attributes:
        runs: Traces.
        spans: Spans.
        bytes: By how much the file became smaller.
    """

    runs: int
    spans: int
    bytes: int


class Pruner:
    """Deletes what is beyond the limits, one step at a time."""

    def __init__(self, path: Path, limits: Limits, *, now_ns: int | None = None) -> None:
        self._path = path
        self._limits = limits
        self._now_ns = time.time_ns() if now_ns is None else now_ns
        self._size_goal = math.inf
        self._passed: tuple[int, str] = (-(1 << 63), "")
        self._begun = False
        self._cleaned = False
        self.runs = 0
        self.spans = 0

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do a little.

        Args:
            connection: In autocommit mode; not kept.

        Returns:
            Whether there is more to do.

        Raises:
            sqlite3.Error: Nothing of this step was done.
        """
        if not self._begun:
            self._begun = True
            self._set_goal(connection)
        trace_id = self._next(connection)
        if trace_id is not None:
            in_transaction(connection, lambda: self._delete(connection, trace_id))
            return True
        if not self._cleaned:
            self._cleaned = True
            in_transaction(connection, lambda: self._clean(connection))
        return self._give_back(connection)

    def _clean(self, connection: sqlite3.Connection) -> None:
        """Remove what nothing refers to any more."""
        oldest = connection.execute("SELECT min(first_ns) FROM trace").fetchone()[0]
        times = {
            "day_ago": self._now_ns - _DAY_NS,
            "oldest": (self._now_ns if oldest is None else oldest) - 2 * LAST_USE_NS,
        }
        for statement in _UNUSED:
            connection.execute(statement, times)

    def _set_goal(self, connection: sqlite3.Connection) -> None:
        sweep(self._path)
        if self._limits.megabytes is not None:
            most = self._limits.megabytes * (1 << 20)
            if used_bytes(connection) > most:
                self._size_goal = _ENOUGH * most  # below the limit, lest each start deletes a bit

    def _next(self, connection: sqlite3.Connection) -> str | None:
        """The oldest run that is beyond a limit and not under way."""
        while True:
            row = connection.execute(_OLDEST, self._passed).fetchone()
            if row is None or not self._is_beyond(connection, row[1]):
                return None
            trace_id, first_ns = row
            if trace_id not in self._alive(connection):
                return str(trace_id)
            self._passed = (first_ns, trace_id)

    def _is_beyond(self, connection: sqlite3.Connection, first_ns: int) -> bool:
        limits = self._limits
        if limits.days is not None and first_ns < self._now_ns - limits.days * _DAY_NS:
            return True
        if limits.runs is not None:
            count = connection.execute("SELECT count(*) FROM trace").fetchone()[0]
            if count > limits.runs:
                return True
        return self._size_goal < math.inf and used_bytes(connection) > self._size_goal

    def _alive(self, connection: sqlite3.Connection) -> set[str]:
        now_ns = time.time_ns()
        return {
            trace_id
            for trace_id, *record in connection.execute(_ALIVE)
            if is_alive(ProcessRecord(*record), self._path, now_ns)
        }

    def _delete(self, connection: sqlite3.Connection, trace_id: str) -> None:
        for table in ("content", "span"):
            deleted = connection.execute(
                f"DELETE FROM {table} WHERE rowid IN "  # noqa: S608 - names of our own
                f"(SELECT rowid FROM {table} WHERE trace_id = ? LIMIT {STEP_ROWS})",
                (trace_id,),
            ).rowcount
            self.spans += deleted if table == "span" else 0
            if deleted == STEP_ROWS:
                return
        connection.execute("DELETE FROM trace WHERE trace_id = ?", (trace_id,))
        self.runs += 1

    def _give_back(self, connection: sqlite3.Connection) -> bool:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        if not free:
            return False
        # execute() would free one page a call.
        connection.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")
        left = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return bool(0 < left < free)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Size of what is in the file, free pages not counted."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def prune(path: Path, limits: Limits, *, now_ns: int | None = None) -> Forgotten:
    """Delete what is beyond the limits, all of it; for the command line.

    Args:
        path: The store's file.
        limits: What may stay.
        now_ns: The time from which days are counted; now unless given.

    Raises:
        StoreError: It is not a store of ours.
        sqlite3.Error: It cannot be written.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    connection = open_for_writing(path, deadline=deadline)
    try:
        before = _size(connection)
        pruner = Pruner(path, limits, now_ns=now_ns)
        more = True

        def step() -> None:
            nonlocal more
            more = pruner.step(connection)

        while more:
            until(time.monotonic() + _PATIENCE_SECONDS, step)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return Forgotten(
            runs=pruner.runs, spans=pruner.spans, bytes=max(0, before - _size(connection))
        )
    finally:
        connection.close()


def _size(connection: sqlite3.Connection) -> int:
    pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * size)
