"""Finds the run that a process goes on with, where another process had it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanContext, TraceFlags

from flowspan.store.clickhouse.address import is_address
from flowspan.store.exporter import configured_path

if TYPE_CHECKING:
    from pathlib import Path

    from flowspan.config import Settings

_LONGEST_WAIT_SECONDS: Final = 0.1

# The outermost: runs inside it are of the same conversation.
_LAST: Final = """SELECT trace_id, span_id FROM span WHERE kind = 'run' AND run_id = (
        SELECT run_id FROM span WHERE kind = 'run' AND conversation_id = ?1 AND engine = ?2
        ORDER BY start_ns DESC LIMIT 1
    ) AND conversation_id = ?1 ORDER BY start_ns LIMIT 1"""


class Recall:
    """Asks the embedded store, once for each run that this process does not know itself."""

    def __init__(self, path: Path) -> None:
        """Ask the store in a file; nothing is opened before it is asked."""
        self._path = path

    @classmethod
    def configured(cls, settings: Settings) -> Recall | None:
        """For the store that the settings name; ``None`` where programs write none."""
        if is_address(settings.store):
            return None  # a collector fills it, and has its own time for that
        path = configured_path(settings)
        return None if path is None else cls(path)

    def __call__(self, engine: str, conversation: str) -> SpanContext | None:
        """The span of the last run of a conversation.

        Raises:
            sqlite3.Error: The store cannot be read.
        """
        if not self._path.exists():
            return None
        # Not sqlite3.connect: instrumentations of SQLite patch that.
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(
            sqlite3.Connection(address, uri=True, timeout=_LONGEST_WAIT_SECONDS)
        ) as connection:
            found = connection.execute(_LAST, (conversation, engine)).fetchone()
        if found is None:
            return None
        trace_id, span_id = (int(part, 16) for part in found)
        return SpanContext(trace_id, span_id, True, TraceFlags(TraceFlags.SAMPLED))
