"""What differs between database engines: how to connect, and which tables are beside ``spans``.

Every engine offers a view ``spans`` with the same columns, and one row per trace to make lists
from.  What is ``None`` here does not exist there: nothing is ever open, no text is apart.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from flowspan.store import schema
from flowspan.store.schema import SPAN_COLUMNS

_TYPES: Final[dict[str, type[sa.types.TypeEngine[Any]]]] = {
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


def _table(name: str, **columns: type[sa.types.TypeEngine[Any]]) -> sa.TableClause:
    return sa.table(name, *(sa.column(key, kind) for key, kind in columns.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One database engine.

    Attributes:
        connect: Makes an engine for what the user named.
        traces: ``trace_id``, ``first_ns``, ``last_ns``: one row per trace.
        contents: Texts that are kept apart, or ``None``.
        processes: Who writes open rows, or ``None``.
        form: Number of the last migration, and how the file is kept.
    """

    connect: Callable[[Path], sa.Engine]
    traces: sa.TableClause
    contents: sa.TableClause | None
    processes: sa.TableClause | None
    form: Callable[[sa.Connection], tuple[int, str]]


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
    traces=_table("trace", trace_id=sa.Text, first_ns=sa.BigInteger, last_ns=sa.BigInteger),
    contents=_table(
        "content",
        trace_id=sa.Text,
        span_id=sa.Text,
        event=sa.Integer,
        key=sa.Text,
        is_json=sa.Boolean,
        text=sa.Text,
    ),
    processes=_table(
        "process",
        id=sa.BigInteger,
        pid=sa.BigInteger,
        kernel=sa.Text,
        lock=sa.Text,
        started_ns=sa.BigInteger,
        seen_ns=sa.BigInteger,
    ),
    form=_form_of_sqlite,
)
