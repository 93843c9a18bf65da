"""Questions to the store: which runs there are, what became of them, and the spans of one.

Everything is asked over the one view ``spans`` with SQLAlchemy Core; what differs between database
engines is one small table in ``dialects``.  Only the command line and the pages import this
module; the program being watched never does.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from flowspan.errors import RunNotFoundError, StoreError
from flowspan.store import faults, migrations, opening, statements
from flowspan.store.decoding import (
    OTHER_COLUMNS,
    PLAIN_FIELDS,
    Contents,
    contents_by_span,
    span_row,
)
from flowspan.store.dialects import SQLITE, Dialect, read_only, spans
from flowspan.store.liveness import ProcessRecord, is_alive
from flowspan.store.records import RunFilter, RunRow, SpanRow, StoreInfo
from flowspan.store.runs import run_row

_PAGE: Final = 200
_MOST_NAMED: Final = 5
_MIGRATION_SECONDS: Final = 10.0
_PARTS: Final = ("", "-wal", "-shm", "-journal")

Row = Mapping[str, Any]


class Store:
    """An open store, for reading.

    Use it as a context manager, or close it. Every question is its own short read transaction, so
    that a page left open never keeps the writer's log from being folded back.

    Attributes:
        path: Its file.
    """

    def __init__(self, path: Path, dialect: Dialect = SQLITE) -> None:
        self.path = path
        self._dialect = dialect
        self._engine = dialect.connect(path)

    def runs(self, wanted: RunFilter | None = None) -> list[RunRow]:
        """The runs that match, newest first.

        Args:
            wanted: Which; the 20 newest unless given.
        """
        wanted = RunFilter() if wanted is None else wanted
        found: list[RunRow] = []
        for page in self._pages(wanted):
            found += [run for run in self._described(page) if _has_status(run, wanted)]
            if wanted.limit is not None and len(found) >= wanted.limit:
                return found[: wanted.limit]
        return found

    def find_run(self, name: str) -> RunRow:
        """The run that a user means.

        Args:
            name: ``last``, a run id or trace id, or how one of them begins.

        Raises:
            RunNotFoundError: Nothing begins so, or several runs do (the message names them).
        """
        traces = self._dialect.traces
        if name == "last":
            matches = self._rows(statements.newest_first(traces).limit(1))
        else:
            matches = self._named(name)
        if not matches:
            raise RunNotFoundError(_nothing(name, self.path))
        if len(matches) > 1:
            raise RunNotFoundError(_several(name, self._described(matches)))
        return self._described(matches)[0]

    def trace(self, trace_id: str, *, texts: bool = False) -> list[SpanRow]:
        """All spans of a trace in the order of their begin; empty where there are none.

        Args:
            trace_id: 32 hex digits.
            texts: Put long attribute values back in full; else they are cut to a preview.
        """
        columns = [spans.c[name] for name in (*PLAIN_FIELDS, *OTHER_COLUMNS)]
        rows = self._rows(
            sa.select(*columns)
            .where(spans.c.trace_id == trace_id)
            .order_by(spans.c.start_ns, spans.c.span_id)
        )
        siblings = frozenset(row["span_id"] for row in rows)
        alive = self._alive(rows)
        contents = self._contents(trace_id) if texts else {}
        return [
            span_row(row, siblings=siblings, alive=alive, contents=contents.get(row["span_id"]))
            for row in rows
        ]

    def info(self) -> StoreInfo:
        """What ``flowspan doctor`` tells about the store."""
        traces = self._dialect.traces
        spans_there = sa.select(sa.func.count()).select_from(spans).scalar_subquery()
        counts = self._rows(
            sa.select(
                spans_there.label("spans"),
                sa.func.count().label("runs"),
                sa.func.min(traces.c.first_ns).label("oldest_ns"),
            ).select_from(traces)
        )[0]
        with self._engine.connect() as connection:
            version, journal_mode = self._dialect.form(connection)
        return StoreInfo(
            path=self.path,
            size_bytes=size_on_disk(self.path),
            schema_version=version,
            journal_mode=journal_mode,
            **counts,
        )

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, statement: sa.Select[Any]) -> Sequence[Row]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(statement).mappings()]
        except DBAPIError as error:
            cause = error.orig if isinstance(error.orig, Exception) else error
            raise StoreError(faults.reading_sentence(cause, self.path)) from error

    def _pages(self, wanted: RunFilter) -> Iterator[Sequence[Row]]:
        traces = self._dialect.traces
        size = _PAGE if wanted.limit is None or wanted.status else min(_PAGE, wanted.limit)
        statement = statements.candidates(traces, wanted).limit(size)
        page = self._rows(statement)
        while page:
            yield page
            last = page[-1]
            page = self._rows(
                statements.after(statement, traces, last["first_ns"], last["trace_id"])
            )

    def _named(self, name: str) -> Sequence[Row]:
        """Traces that a name may mean; one that it means exactly wins."""
        traces = self._dialect.traces
        exactly = self._rows(statements.named(traces, name, exactly=True).limit(1))
        if exactly or not name:
            return exactly
        return self._rows(statements.named(traces, name, exactly=False).limit(_MOST_NAMED))

    def _described(self, traces: Sequence[Row]) -> list[RunRow]:
        """What became of these traces; one that was deleted meanwhile is left out."""
        trace_ids = [trace["trace_id"] for trace in traces]
        heads = _grouped(self._rows(statements.heads(trace_ids)))
        totals = {
            row["trace_id"]: _named_totals(row) for row in self._rows(statements.totals(trace_ids))
        }
        failed = [trace_id for trace_id in trace_ids if totals.get(trace_id, {}).get("failed")]
        passed_on = {
            row["trace_id"]: row["failures"]
            for row in (self._rows(statements.passed_on(failed)) if failed else ())
        }
        for trace_id in trace_ids:
            if trace_id not in heads:
                heads[trace_id] = list(self._rows(statements.earliest(trace_id)))
        alive = self._alive(head for group in heads.values() for head in group)
        return [
            run_row(trace, heads[key], totals[key], passed_on.get(key, 0), alive)
            for trace in traces
            if heads[key := trace["trace_id"]] and key in totals
        ]

    def _alive(self, rows: Iterable[Row]) -> frozenset[int]:
        """Which of the processes that have something open live."""
        ids = {row["process_id"] for row in rows if row["state"] == "open"} - {None}
        processes = self._dialect.processes
        if not ids or processes is None:
            return frozenset()
        now_ns = time.time_ns()
        records = [
            ProcessRecord(**row)
            for row in self._rows(sa.select(*processes.c).where(processes.c.id.in_(ids)))
        ]
        return frozenset(record.id for record in records if is_alive(record, self.path, now_ns))

    def _contents(self, trace_id: str) -> Contents:
        table = self._dialect.contents
        if table is None:
            return {}
        return contents_by_span(self._rows(sa.select(*table.c).where(table.c.trace_id == trace_id)))


def open_store(path: Path) -> Store:
    """Open a store for reading (``mode=ro``); one of an older form is brought to the present one.

    Args:
        path: The file, as ``location.store_path`` gives it.

    Raises:
        StoreError: There is no such file, or it is not a store that can be read.
        StoreTooNewError: It was written by a newer flowspan.
    """
    if not path.is_file():
        raise StoreError(
            f"there is no store at {path} yet: run a program under flowspan first, "
            "or set FLOWSPAN_STORE to where the store is"
        )
    try:
        with closing(read_only(path)) as connection:
            form = migrations.check(connection, path)
        if form < migrations.LATEST:
            deadline = time.monotonic() + _MIGRATION_SECONDS
            opening.open_for_writing(path, deadline=deadline).close()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(faults.reading_sentence(error, path)) from error
    return Store(path)


def size_on_disk(path: Path) -> int:
    """Size of a store in bytes, its log included."""
    parts = (path.with_name(path.name + part) for part in _PARTS)
    return sum(part.stat().st_size for part in parts if part.exists())


def _has_status(run: RunRow, wanted: RunFilter) -> bool:
    return wanted.status is None or run.status in wanted.status


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["trace_id"], []).append(row)
    return groups


def _named_totals(row: Row) -> dict[str, Any]:
    prefix = statements.TOTAL.format("")
    return {key.removeprefix(prefix): value for key, value in row.items()}


def _nothing(name: str, path: Path) -> str:
    if name == "last":
        return f"the store {path} has no runs yet: run a program under flowspan first"
    return (
        f"no run or trace in the store {path} is called {name!r} or begins so: "
        "flowspan runs lists them"
    )


def _several(name: str, runs: Sequence[RunRow]) -> str:
    names = ", ".join(_name(run) for run in runs)
    return f"{name!r} may mean several runs ({names}, …): write more of the id that is meant"


def _name(run: RunRow) -> str:
    begun = datetime.fromtimestamp(run.started_ns / 1e9).astimezone()
    return f"{run.run_id or run.trace_id} of {begun:%Y-%m-%d %H:%M}"
