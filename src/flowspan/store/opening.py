"""Opens the store for writing: makes it where there is none, brings it to the present form.

The file is private (0600, its folder 0700): traces may hold prompts.  It is in WAL mode, where
writers and readers do not wait for each other; on disks where shared memory cannot work (network
file systems) it is in TRUNCATE mode instead.

Nothing here opens the file except SQLite itself: closing a second descriptor of the same file would
drop the locks of every connection that this process has to it.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from flowspan.errors import StoreError
from flowspan.store import faults, migrations

Identity = tuple[int, int]
"""Device and inode: whether a name still means the same file."""

_MOUNTS: Final = Path("/proc/self/mounts")
_WITHOUT_SHARED_MEMORY: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "virtiofs", "drvfs"}
)
_LONGEST_WAIT_FOR_LOCK: Final = 0.1
_JOURNAL_SIZE: Final = 16 << 20


def open_for_writing(path: Path, *, deadline: float) -> sqlite3.Connection:
    """Open, and make or migrate if need be.

    Args:
        path: The file; it and its folder are made where they are missing.
        deadline: Until when to wait for other processes' locks (``time.monotonic``).

    Returns:
        A connection in autocommit mode, to be used by one thread at a time. It waits a tenth of a
        second for locks by itself; longer waits are the caller's.

    Raises:
        StoreError: It is not ours, or newer than this program (``StoreTooNewError``).
        sqlite3.Error: It cannot be opened or written.
        OSError: Its folder or file cannot be made.
    """
    _make_file(path)
    if _has_shared_memory(path):
        try:
            return _open(path, deadline, _use_wal, locking="NORMAL")
        except _NoSharedMemoryError:
            pass
    # A file in WAL mode can be read without shared memory by one connection that is alone.
    return _open(path, deadline, _use_truncate, locking="EXCLUSIVE")


class _NoSharedMemoryError(Exception):
    """Found out by trying."""


def _open(
    path: Path,
    deadline: float,
    set_journal_mode: Callable[[sqlite3.Connection], None],
    *,
    locking: Literal["NORMAL", "EXCLUSIVE"],
) -> sqlite3.Connection:
    # Not sqlite3.connect: instrumentations of SQLite patch that, and would trace our own writing.
    connection = sqlite3.Connection(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=_LONGEST_WAIT_FOR_LOCK,
        isolation_level=None,
        check_same_thread=False,
    )

    def prepare() -> None:
        if migrations.check(connection, path) == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table
        set_journal_mode(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_SIZE}")
        migrations.migrate(connection, path)

    try:
        connection.execute(f"PRAGMA locking_mode = {locking}")
        until(deadline, prepare)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")  # only the first use tells whether it works
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise
        raise _NoSharedMemoryError from error


def _use_truncate(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA locking_mode = NORMAL")
    connection.execute("SELECT count(*) FROM sqlite_master")  # lets the lock go


def until(deadline: float, action: Callable[[], object]) -> None:
    """Call ``action`` again while other processes hold their locks, up to a time."""
    while True:
        try:
            action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds a lock that is needed."""
    return faults.kind_of(error) == "locked"


def identity(path: Path) -> Identity | None:
    """Which file has this name now; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StoreError(
                f"{path} is not a file: set FLOWSPAN_STORE to the path of a file or folder"
            ) from None
        # SQLite would open it all the same, and give its log the same mode, which then stays.
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it may not be written", str(path)) from None


def _has_shared_memory(path: Path) -> bool:
    """Whether processes see each other's memory maps of a file: not on network file systems."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return True
    place = str(path.parent.resolve())
    mounts = [(_unescaped(point), kind) for _, point, kind, *_ in map(str.split, lines)]
    around = [mount for mount in mounts if _is_inside(place, mount[0])]
    _, kind = max(around, key=lambda mount: len(mount[0]), default=("", ""))
    return kind not in _WITHOUT_SHARED_MEMORY and not kind.startswith("fuse.")


def _is_inside(place: str, point: str) -> bool:
    return f"{place}/".startswith(f"{point.rstrip('/')}/")


def _unescaped(point: str) -> str:
    """The kernel writes a blank as its octal number behind a backslash, and so on."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
