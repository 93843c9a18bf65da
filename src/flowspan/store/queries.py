"""Questions to the store: which runs there are, what became of them, and the spans of one.

Everything is asked over the one view ``spans`` with SQLAlchemy Core; what differs between database
engines is one small table in ``dialects``.  A store is the embedded one, or a database that a
collector fills (``clickhouse``).  Only the command line and the pages import this module; the
program being watched never does.
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
from flowspan.store import faults, migrations, opening, resumptions, statements
from flowspan.store.clickhouse.address import Address
from flowspan.store.decoding import (
    OTHER_COLUMNS,
    PLAIN_FIELDS,
    Contents,
    contents_by_span,
    span_row,
)
from flowspan.store.dialects import ALL, SQLITE, Bounds, Dialect, read_only, spans
from flowspan.store.liveness import ProcessRecord, is_alive
from flowspan.store.location import Place
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
        place: Its file, or the address of its database.
    """

    def __init__(self, place: Place, dialect: Dialect = SQLITE) -> None:
        self.place = place
        self._dialect = dialect
        self._engine = dialect.connect(place)

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
            raise RunNotFoundError(_nothing(name, self.place))
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
        bounds = self._bounds(trace_id)
        rows = self._rows(
            sa.select(*columns)
            .where(spans.c.trace_id == trace_id)
            .order_by(spans.c.start_ns, spans.c.span_id),
            bounds,
        )
        siblings = frozenset(row["span_id"] for row in rows)
        alive = self._alive(rows)
        contents = self._contents(trace_id, bounds) if texts else {}
        return [
            span_row(
                row,
                siblings=siblings,
                alive=alive,
                contents=contents.get(row["span_id"]),
                restore=self._dialect.restore,
            )
            for row in rows
        ]

    def info(self) -> StoreInfo:
        """What ``flowspan doctor`` tells about an embedded store.

        Raises:
            StoreError: It cannot be read, or is not a file.
        """
        if not isinstance(self.place, Path) or self._dialect.form is None:
            raise StoreError(f"{self.place} is no file of flowspan's own")
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
            path=self.place,
            size_bytes=size_on_disk(self.place),
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

    def _rows(self, statement: sa.Select[Any], bounds: Bounds = ALL) -> Sequence[Row]:
        statement = self._dialect.bounded(statement, bounds)
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(statement).mappings()]
        except DBAPIError as error:
            cause = error.orig if isinstance(error.orig, Exception) else error
            raise StoreError(self._dialect.sentence(cause, self.place)) from error

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
        return self._rows(
            statements.named(traces, name, exactly=False).limit(_MOST_NAMED)
        ) or self._rows(statements.named_by_root(traces, name, exactly=False).limit(_MOST_NAMED))

    def _described(self, traces: Sequence[Row]) -> list[RunRow]:
        """What became of these traces; one that was deleted meanwhile is left out."""
        trace_ids = [trace["trace_id"] for trace in traces]
        bounds = _around(traces)
        heads = _grouped(self._rows(statements.heads(trace_ids), bounds))
        totals = {
            row["trace_id"]: _named_totals(row)
            for row in self._rows(statements.totals(trace_ids), bounds)
        }
        failed = [trace_id for trace_id in trace_ids if totals.get(trace_id, {}).get("failed")]
        passed_on = {
            row["trace_id"]: row["failures"]
            for row in (self._rows(statements.passed_on(failed), bounds) if failed else ())
        }
        for trace_id in trace_ids:
            if trace_id not in heads:
                heads[trace_id] = list(self._rows(statements.earliest(trace_id), bounds))
        alive = self._alive(head for group in heads.values() for head in group)
        silence_ns = self._dialect.silence_ns
        since_ns = None if silence_ns is None else time.time_ns() - silence_ns
        runs = [
            run_row(
                trace,
                heads[key],
                totals[key],
                passed_on.get(key, 0),
                alive,
                silent_since_ns=since_ns,
            )
            for trace in traces
            if heads[key := trace["trace_id"]] and key in totals
        ]
        return self._joined(runs)

    def _joined(self, runs: list[RunRow]) -> list[RunRow]:
        """Each with the run that it goes on with, and the one that went on with it."""
        asked = [run for run in runs if resumptions.may_be_joined(run)]
        if not asked:
            return runs
        conversations = {run.conversation_id for run in asked if run.conversation_id is not None}
        rows = self._rows(
            statements.resumptions([run.trace_id for run in asked], sorted(conversations))
        )
        return resumptions.joined(runs, rows)

    def _alive(self, rows: Iterable[Row]) -> frozenset[int]:
        """Which of the processes that have something open live."""
        ids = {row["process_id"] for row in rows if row["state"] == "open"} - {None}
        processes = self._dialect.processes
        place = self.place
        if not ids or processes is None or not isinstance(place, Path):
            return frozenset()
        now_ns = time.time_ns()
        records = [
            ProcessRecord(**row)
            for row in self._rows(sa.select(*processes.c).where(processes.c.id.in_(ids)))
        ]
        return frozenset(record.id for record in records if is_alive(record, place, now_ns))

    def _contents(self, trace_id: str, bounds: Bounds) -> Contents:
        table = self._dialect.contents
        if table is None:
            return {}
        statement = sa.select(*table.c).where(table.c.trace_id == trace_id)
        return contents_by_span(self._rows(statement, bounds))

    def _bounds(self, trace_id: str) -> Bounds:
        """What is to be known to find the spans of a trace."""
        lifetime = self._dialect.lifetime(trace_id)
        known = () if lifetime is None else self._rows(lifetime)
        period = (known[0]["first_ns"], known[0]["last_ns"]) if known else None
        return Bounds(trace_ids=(trace_id,), period=period, whole=True)


def open_store(place: Place) -> Store:
    """Open a store for reading.

    Args:
        place: What ``location.place`` makes of what the user said.

    Raises:
        StoreError: There is no such store, or it is not one that can be read.
        StoreTooNewError: It was written by a newer flowspan.
    """
    return _open_database(place) if isinstance(place, Address) else _open_file(place)


def is_there(place: Place) -> bool:
    """False for a file that no program has begun yet."""
    return isinstance(place, Address) or place.exists()


def _open_database(address: Address) -> Store:
    from flowspan.store.clickhouse import database  # noqa: PLC0415 - most stores are files

    return Store(address, database.dialect(database.survey(address).relations))


def _open_file(path: Path) -> Store:
    """Open a file with ``mode=ro``; one of an older form is brought to the present one first."""
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


def _around(traces: Sequence[Row]) -> Bounds:
    """These traces, of which there is at least one."""
    first_ns = min(trace["first_ns"] for trace in traces)
    last_ns = max(trace["last_ns"] for trace in traces)
    trace_ids = [trace["trace_id"] for trace in traces]
    return Bounds(trace_ids=trace_ids, period=(first_ns, last_ns))


def _nothing(name: str, place: Place) -> str:
    if name == "last":
        return f"the store {place} has no runs yet: run a program under flowspan first"
    return (
        f"no run or trace in the store {place} is called {name!r} or begins so: "
        "flowspan runs lists them"
    )


def _several(name: str, runs: Sequence[RunRow]) -> str:
    names = ", ".join(_name(run) for run in runs)
    return f"{name!r} may mean several runs ({names}, …): write more of the id that is meant"


def _name(run: RunRow) -> str:
    begun = datetime.fromtimestamp(run.started_ns / 1e9).astimezone()
    return f"{run.run_id or run.trace_id} of {begun:%Y-%m-%d %H:%M}"
