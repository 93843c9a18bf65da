"""Questions to the store: which runs there are, what became of them, and the spans of one.

Everything is asked over the one view ``spans`` with SQLAlchemy Core; what differs between database
engines is one small table in ``dialects``.  Only the command line and the pages import this
module; the program being watched never does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from flowspan.store.records import RunFilter, RunRow, SpanRow, StoreInfo


class Store:
    """An open store, for reading.

    Use it as a context manager, or close it. Every question is its own short read transaction, so
    that a page left open never keeps the writer's log from being folded back.
    """

    path: Path

    def runs(self, wanted: RunFilter | None = None) -> list[RunRow]:
        """The runs that match, newest first.

        Args:
            wanted: Which; the 20 newest unless given.
        """
        raise NotImplementedError

    def find_run(self, name: str) -> RunRow:
        """The run that a user means.

        Args:
            name: ``last``, a run id or trace id, or how one of them begins.

        Raises:
            RunNotFoundError: Nothing begins so, or several runs do (the message names them).
        """
        raise NotImplementedError

    def trace(self, trace_id: str, *, texts: bool = False) -> list[SpanRow]:
        """All spans of a trace in the order of their begin; empty where there are none.

        Args:
            trace_id: 32 hex digits.
            texts: Put long attribute values back in full; else they are cut to a preview.
        """
        raise NotImplementedError

    def info(self) -> StoreInfo:
        """What ``flowspan doctor`` tells about the store."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the file back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(path: Path) -> Store:
    """Open a store for reading (``mode=ro``).

    Args:
        path: The file, as ``location.store_path`` gives it.

    Raises:
        StoreError: There is no such file, or it is not a store that can be read.
        StoreTooNewError: It was written by a newer flowspan.
    """
    raise NotImplementedError
