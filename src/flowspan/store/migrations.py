"""Brings a store to the form that this version of flowspan reads and writes.

Migrations are numbered from 1 and never changed once released; the number of the last one is kept
in the file (``PRAGMA user_version``).  Each runs in one transaction of its own, so that a file is
never between two forms.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from flowspan.errors import StoreError, StoreTooNewError
from flowspan.store import schema

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"PRAGMA application_id = {schema.APPLICATION_ID}",
        *schema.TABLES,
        "INSERT INTO meta VALUES ('created_ns', '{now_ns}')",
    ),
)
"""What to execute for each number, from 1."""

LATEST: Final = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """Number of the last migration that the file has seen; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check(connection: sqlite3.Connection, path: object) -> int:
    """Make sure that a file is ours and not newer than this program.

    Args:
        connection: An open connection to it.
        path: Its name, for the message.

    Returns:
        Number of the last migration that it has seen.

    Raises:
        StoreTooNewError: It was written by a newer flowspan.
        StoreError: It is another program's database.
    """
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    found = version(connection)
    if application != schema.APPLICATION_ID:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application or found or tables:
            raise StoreError(
                f"{path} is the database of another program, not a flowspan store: "
                "set FLOWSPAN_STORE to another file"
            )
    if found > LATEST:
        raise StoreTooNewError(
            f"the store {path} was written by a newer flowspan (its form is {found}, this version "
            f"knows up to {LATEST}): upgrade flowspan, or set FLOWSPAN_STORE to another file"
        )
    return found


def migrate(connection: sqlite3.Connection, path: object) -> None:
    """Run the migrations that a file has not seen.

    Args:
        connection: In autocommit mode (``isolation_level=None``).
        path: Its name, for messages.

    Raises:
        StoreTooNewError: It was written by a newer flowspan.
        StoreError: It is another program's database.
    """
    while check(connection, path) < LATEST:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been first while we waited for the lock.
            found = check(connection, path)
            if found < LATEST:
                _apply(connection, found + 1)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def _apply(connection: sqlite3.Connection, number: int) -> None:
    for name in schema.VIEWS:
        connection.execute(f"DROP VIEW IF EXISTS {name}")
    for statement in MIGRATIONS[number - 1]:
        connection.execute(statement.replace("{now_ns}", str(time.time_ns())))
    if number == LATEST:
        for view in schema.VIEWS.values():
            connection.execute(view)
    connection.execute(f"PRAGMA user_version = {number}")
