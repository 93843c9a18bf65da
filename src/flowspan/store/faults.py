"""What SQLite and the system say, in one sentence that a user can act on."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Final, Literal

from flowspan.errors import StoreError, StoreTooNewError

FaultKind = Literal[
    "locked", "full", "read-only", "corrupt", "unreachable", "disk", "too-new", "refused", "other"
]

_OF_CODE: Final[dict[int, FaultKind]] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_PERM: "read-only",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_CANTOPEN: "unreachable",
    sqlite3.SQLITE_IOERR: "disk",
}

_OF_ERRNO: Final[dict[int, FaultKind]] = {
    errno.EACCES: "read-only",
    errno.EPERM: "read-only",
    errno.EROFS: "read-only",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EIO: "disk",
}

_SENTENCES: Final[dict[FaultKind, str]] = {
    "locked": "the store {path} is locked by another process and cannot be written for now",
    "full": "the store {path} cannot be written: there is no room left on its disk; make room, "
    "or shorten it with FLOWSPAN_STORE_MAX_MB",
    "read-only": "the store {path} cannot be written: the file or its folder is read-only; "
    "set FLOWSPAN_STORE to a place that can be written",
    "corrupt": "the store {path} is damaged ({error})",
    "unreachable": "the store {path} cannot be opened ({error}): check that its folder exists and "
    "may be written, or set FLOWSPAN_STORE to another place",
    "disk": "the store {path} cannot be read or written ({error}): check its disk",
    "other": "the store {path} cannot be used ({error})",
}


def kind_of(error: Exception) -> FaultKind:
    """What sort of trouble an error is."""
    if isinstance(error, StoreTooNewError):
        return "too-new"
    if isinstance(error, StoreError):
        return "refused"
    if isinstance(error, sqlite3.Error):
        # Extended codes carry the primary one in their lowest byte.
        code = getattr(error, "sqlite_errorcode", None)
        return "other" if code is None else _OF_CODE.get(code & 0xFF, "other")
    if isinstance(error, OSError):
        return _OF_ERRNO.get(error.errno or 0, "unreachable")
    return "other"


_UNREADABLE: Final = (
    "the store {path} cannot be read ({error}): check that the file and its folder may be read, "
    "or set FLOWSPAN_STORE to another file"
)


def sentence(error: Exception, path: Path) -> str:
    """What is wrong with writing, in one sentence: the thing, the place, and what to do."""
    kind = kind_of(error)
    if kind not in _SENTENCES:
        return str(error)
    return _SENTENCES[kind].format(path=path, error=error)


def reading_sentence(error: Exception, path: Path) -> str:
    """The same for reading."""
    if isinstance(error, StoreError):
        return str(error)
    return _UNREADABLE.format(path=path, error=error)
