"""Brings a store to the form that this version of flowspan reads and writes.

Migrations are numbered from 1 and never changed once released; the number of the last one is kept
in the file (``PRAGMA user_version``).  Each runs in one transaction of its own, so that a file is
never between two forms.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from flowspan.errors import StoreError, StoreTooNewError
from flowspan.store import schema

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"PRAGMA application_id = {schema.APPLICATION_ID}",
        *schema.TABLES,
        "INSERT INTO meta VALUES ('id', lower(hex(randomblob(16))))",
        "INSERT INTO meta VALUES ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
    ),
    schema.RESUMPTIONS,
)
"""What to execute for each number, from 1."""

LATEST: Final = len(MIGRATIONS)

# In one statement: another process may be making the file just now.
_FORM: Final = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version"""


def store_id(connection: sqlite3.Connection) -> str:
    """Tells one store from another one under the same name."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
    return str(row[0]) if row else ""


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
    application, found, tables = connection.execute(_FORM).fetchone()
    if application != schema.APPLICATION_ID and (application or found or tables):
        raise StoreError(
            f"{path} is the database of another program, not a flowspan store: "
            "set FLOWSPAN_STORE to another file"
        )
    if found > LATEST:
        raise StoreTooNewError(
            f"the store {path} was written by a newer flowspan (its form is {found}, this version "
            f"knows up to {LATEST}): upgrade flowspan, or set FLOWSPAN_STORE to another file"
        )
    return int(found)


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
        connection.execute(statement)
    if number == LATEST:
        for view in schema.VIEWS.values():
            connection.execute(view)
    connection.execute(f"PRAGMA user_version = {number}")
