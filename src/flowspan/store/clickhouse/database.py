"""Opens a ClickHouse database for reading: looks what it has, and asks that."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from flowspan.errors import StoreError
from flowspan.store.clickhouse import errors
from flowspan.store.clickhouse.address import Address
from flowspan.store.clickhouse.attributes import restored
from flowspan.store.clickhouse.relations import CORE, LOOKUP, TRACES_CORE, VIEW, Relations
from flowspan.store.dialects import CONTENT, TRACES, Dialect, table

SILENCE_NS: Final = 600 * 1_000_000_000
"""How long after its last span a run whose root has not come counts as running.

Spans come when they end, and nothing tells of one that has only begun.  Few calls of a model take
longer than this.
"""

_DRIVER: Final = "clickhouse_connect"
_TRANSPORT: Final = {"connect_timeout": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a database has.

    Attributes:
        relations: Tables and views of interest.
        spans: Rows in the collector's table; ``None`` where that may not be known.
        size_bytes: Their size on disk; likewise.
    """

    relations: Relations
    spans: int | None = None
    size_bytes: int | None = None


def connect(address: Address) -> sa.Engine:
    """An engine; nothing is connected to yet.

    Raises:
        StoreError: The driver is not installed.
    """
    if find_spec(_DRIVER) is None:
        raise StoreError(
            f"reading {address} needs clickhouse-connect, which is not installed: "
            "pip install 'flowspan[clickhouse]'"
        )
    # It writes what it raises as well, and without a handler that would go to the terminal.
    logging.getLogger(_DRIVER).addHandler(logging.NullHandler())
    url = sa.URL.create(
        "clickhousedb",
        username=address.user or os.environ.get("CLICKHOUSE_USER"),
        password=address.password or os.environ.get("CLICKHOUSE_PASSWORD"),
        host=address.host,
        port=address.port,
        database=address.database,
        query={**_TRANSPORT, **address.options},
    )
    return sa.create_engine(url)


def survey(address: Address) -> Survey:
    """Look what a database has.

    Raises:
        StoreError: It cannot be reached, or has nothing that can be read.
    """
    engine = connect(address)
    try:
        with engine.connect() as connection:
            found = _survey(connection, address)
    except DBAPIError as error:
        raise StoreError(errors.sentence(error, address)) from error
    finally:
        engine.dispose()
    if not found.relations.readable:
        raise StoreError(
            f"{address} has no table {address.table} that may be read: a collector makes it with "
            "its first spans; name the database that the collector writes to, and a user who may "
            "read it"
        )
    return found


def dialect(relations: Relations) -> Dialect:
    """How a database that has this is asked."""
    return Dialect(
        connect=connect,
        traces=table("traces", TRACES),
        contents=table("content", CONTENT) if relations.keeps_texts else None,
        processes=None,
        bounded=relations.bounded,
        lifetime=relations.lifetime,
        restore=restored,
        silence_ns=SILENCE_NS,
        sentence=errors.sentence,
    )


def _survey(connection: sa.Connection, address: Address) -> Survey:
    lookup = LOOKUP.format(address.table)
    names = (address.table, lookup, VIEW, CORE, TRACES_CORE)
    columns: dict[str, dict[str, str]] = {}
    for name, column, kind in connection.execute(_columns(), {"names": names}):
        columns.setdefault(name, {})[column] = kind
    database = str(connection.execute(sa.text("SELECT currentDatabase()")).scalar_one())
    _refuse_json(columns.get(address.table, {}), address)
    rows, size = connection.execute(_size(), {"name": address.table}).one_or_none() or (None, None)
    return Survey(
        relations=Relations(database=database, columns=columns, collected=address.table),
        spans=rows,
        size_bytes=size,
    )


def _columns() -> sa.TextClause:
    return sa.text(
        "SELECT table, name, type FROM system.columns "
        "WHERE database = currentDatabase() AND table IN :names"
    ).bindparams(sa.bindparam("names", expanding=True))


def _size() -> sa.TextClause:
    return sa.text(
        "SELECT total_rows, total_bytes FROM system.tables "
        "WHERE database = currentDatabase() AND name = :name"
    )


def _refuse_json(columns: Mapping[str, Any], address: Address) -> None:
    kind = columns.get("SpanAttributes", "Map")
    if not str(kind).startswith("Map"):
        raise StoreError(
            f"the table {address.table} of {address} keeps attributes as {kind}, and flowspan "
            "reads maps: set json: false for the collector's clickhouse exporter"
        )
