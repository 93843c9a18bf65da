"""The one connection of a process to its store: opened when needed, and again when the file went.

It is used by one thread at a time; the writer sees to that.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from flowspan.store import schema
from flowspan.store.aside import set_aside
from flowspan.store.liveness import Presence
from flowspan.store.migrations import store_id
from flowspan.store.opening import Identity, identity, open_for_writing
from flowspan.store.rows import SpanEntry, Values


class StoreConnection:
    """Opens, writes and closes.

    Attributes:
        path: The store's file.
        presence: This process's mark beside it.
        generation: Grows by one each time that another file is begun to be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.presence = Presence(path)
        self.generation = 0
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._store_id = ""

    def use(self) -> sqlite3.Connection:
        """An open connection to the file that has the name now.

        Raises:
            StoreError: The file is not ours, or newer than this program.
            sqlite3.Error: It cannot be opened.
            OSError: It or its folder cannot be made.
        """
        if self._connection is not None and identity(self.path) == self._identity:
            return self._connection
        self.close()
        self._identity = identity(self.path)  # should it be damaged
        connection = open_for_writing(self.path, deadline=time.monotonic())
        self._connection, self._identity = connection, identity(self.path)
        # Not told by the inode: a new file may have the number that the deleted one had.
        before, self._store_id = self._store_id, store_id(connection)
        self.generation += self._store_id != before
        return connection

    def write(self, entries: Sequence[SpanEntry]) -> None:
        """Write rows in one transaction: all of them, or none and an error."""
        connection = self.use()
        begun = [entry.span for entry in entries if entry.is_open]
        traces = list(_merged(entries).values())
        last_ns = max((last for _, _, last in traces), default=0)
        writes: list[tuple[str, Collection[Values]]] = [
            (schema.INSERT_RESOURCE, {(*entry.resource, last_ns) for entry in entries}),
            (schema.INSERT_SCOPE, {(*entry.scope, last_ns) for entry in entries}),
            (schema.INSERT_TRACE, traces),
            (schema.INSERT_PROCESS, [self.presence.record()] if begun else []),
            (schema.INSERT_OPEN, begun),
            (schema.INSERT_DONE, [entry.span for entry in entries if not entry.is_open]),
            (schema.INSERT_CONTENT, [text for entry in entries for text in entry.contents]),
        ]

        def execute() -> None:
            for statement, rows in writes:
                if rows:
                    connection.executemany(statement, rows)

        in_transaction(connection, execute)

    def heartbeat(self) -> bool:
        """Say that this process is alive."""
        connection = self.use()
        record = self.presence.record()
        in_transaction(connection, lambda: connection.execute(schema.INSERT_PROCESS, record))
        return True

    def set_aside(self) -> Path | None:
        """Rename the damaged file (see ``aside``)."""
        self.close()
        return set_aside(self.path, self._identity)

    def close(self) -> None:
        """Close, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @property
    def is_open(self) -> bool:
        """Whether a connection is open now."""
        return self._connection is not None


def in_transaction(connection: sqlite3.Connection, execute: Callable[[], object]) -> None:
    """Run statements in one write transaction; on an error none of them counts."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        execute()
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        raise


def _merged(entries: Sequence[SpanEntry]) -> dict[str, tuple[str, int, int]]:
    """One row per trace: the first begin and the last sign of life."""
    merged: dict[str, tuple[str, int, int]] = {}
    for entry in entries:
        trace_id, first, last = entry.trace
        known = merged.get(trace_id)
        if known is not None:
            first, last = min(first, known[1]), max(last, known[2])
        merged[trace_id] = trace_id, first, last
    return merged
