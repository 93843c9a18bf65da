"""Sets a damaged store aside, whole, so that a new one can begin; nothing of it is deleted."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flowspan.errors import StoreError
from flowspan.store.location import FILE_SUFFIXES
from flowspan.store.opening import Identity, identity

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

# The log goes first: a new file must never meet the log of the old one.
_PARTS: Final = ("-wal", "-shm", "-journal", "")


def set_aside(path: Path, damaged: Identity | None) -> Path | None:
    """Rename a damaged store and its log.

    Args:
        path: The store's file. No connection of this process may be open to it.
        damaged: Which file was found to be damaged: where several processes find it so, the first
            one renames it, and the others must leave the new one alone.

    Returns:
        Its new name, ``None`` where another process was first.

    Raises:
        StoreError: By its name it may be anything of the user's.
        OSError: The folder does not allow it.
    """
    if path.suffix.lower() not in FILE_SUFFIXES:
        raise StoreError(f"{path} is not a flowspan store: set FLOWSPAN_STORE to another file")
    with _locked(path.parent):
        if damaged is None or identity(path) != damaged:
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S")
        kept = _free_name(path.with_name(f"{path.name}.corrupt-{stamp}"))
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + part).rename(kept.with_name(kept.name + part))
        return kept


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if fcntl is None:  # pragma: no cover - Windows
        yield
        return
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _free_name(wanted: Path) -> Path:
    number, name = 1, wanted
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name
