"""What differs between database engines: how to connect, and which tables are beside ``spans``.

Every engine offers a view ``spans`` with the same columns, and one row per trace to make lists
from.  What is ``None`` here does not exist there: nothing is ever open, no text is apart.  The
questions themselves are the same everywhere; an engine may only say what they are asked of.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from flowspan.store import faults, schema
from flowspan.store.decoding import Restore, as_stored
from flowspan.store.schema import SPAN_COLUMNS

Types = Mapping[str, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]]
"""Types of columns, by name."""

_TYPES: Final[Types] = {
    "TEXT": sa.Text,
    "INTEGER": sa.BigInteger,
    "REAL": sa.Float,
}
_READ_TIMEOUT: Final = 5.0


def _view_columns() -> list[sa.ColumnClause[Any]]:
    stored = [
        sa.column(column.name, _TYPES[column.type.split()[0]])
        for column in SPAN_COLUMNS
        if column.name not in schema.HIDDEN
    ]
    texts = ("node", "step", "model", "day", "service", "invocation", "scope")
    numbers = ("duration_ns", "process_id")
    return [
        *stored,
        *(sa.column(name, sa.Text) for name in texts),
        *(sa.column(name, sa.BigInteger) for name in numbers),
    ]


spans: Final = sa.table("spans", *_view_columns())
"""The view that all questions are asked over."""


def table(name: str, columns: Types) -> sa.TableClause:
    """A table or view, and the columns of it that are asked for."""
    return sa.table(name, *(sa.column(key, kind) for key, kind in columns.items()))


TRACES: Final[Types] = {"trace_id": sa.Text, "first_ns": sa.BigInteger, "last_ns": sa.BigInteger}
CONTENT: Final[Types] = {
    "trace_id": sa.Text,
    "span_id": sa.Text,
    "event": sa.Integer,
    "key": sa.Text,
    "is_json": sa.Boolean,
    "text": sa.Text,
}
"""Columns that every engine has which has the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a question is about, for an engine that must be told to find it without reading all.

    Attributes:
        trace_ids: Only these traces; all of them unless given.
        period: No span of them begins before or after this, in nanoseconds since the epoch.
        whole: Whether attributes, events and links are asked for.
    """

    trace_ids: Sequence[str] = ()
    period: tuple[int, int] | None = None
    whole: bool = False


ALL: Final = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One database engine.

    Attributes:
        connect: Makes an engine for what the user named.
        traces: ``trace_id``, ``first_ns``, ``last_ns``: one row per trace.
        contents: Texts that are kept apart, or ``None``.
        processes: Who writes open rows, or ``None``.
        form: Number of the last migration, and how the file is kept; ``None`` where there is no
            file of ours.
        bounded: Prepares a question.
        lifetime: Asks for ``first_ns`` and ``last_ns`` of a trace, or ``None`` where that need not
            be known to find it.
        restore: Gives attribute values the types that they were recorded with.
        silence_ns: How long a trace whose root is not here may be silent until it counts as
            interrupted; ``None`` where it is told by what is open.
        sentence: What is wrong, in one sentence, from an error and the place.
    """

    connect: Callable[[Any], sa.Engine]
    traces: sa.TableClause
    contents: sa.TableClause | None
    processes: sa.TableClause | None
    form: Callable[[sa.Connection], tuple[int, str]] | None = None
    bounded: Callable[[sa.Select[Any], Bounds], sa.Select[Any]] = lambda statement, _: statement
    lifetime: Callable[[str], sa.Select[Any] | None] = lambda _: None
    restore: Restore = as_stored
    silence_ns: int | None = None
    sentence: Callable[[Exception, Any], str] = faults.reading_sentence


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that only reads, also from a folder that cannot be written."""
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{'&immutable=1' if alone else ''}",
        uri=True,
        timeout=_READ_TIMEOUT,
        check_same_thread=False,
    )
    # Text that another program damaged must not keep the rest from being read.
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def _connect_sqlite(path: Path) -> sa.Engine:
    """Each question opens a connection and closes it again."""
    return sa.create_engine("sqlite://", creator=lambda: read_only(path), poolclass=NullPool)


def _form_of_sqlite(connection: sa.Connection) -> tuple[int, str]:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return int(version), str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())


SQLITE: Final = Dialect(
    connect=_connect_sqlite,
    traces=table("trace", TRACES),
    contents=table("content", CONTENT),
    processes=table(
        "process",
        {
            "id": sa.BigInteger,
            "pid": sa.BigInteger,
            "kernel": sa.Text,
            "lock": sa.Text,
            "started_ns": sa.BigInteger,
            "seen_ns": sa.BigInteger,
        },
    ),
    form=_form_of_sqlite,
)
