"""Where built programs are kept: outside the tree, one folder for each program and version."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import platformdirs

FOLDER_VARIABLE: Final = "FLOWSPAN_STACK_CACHE"
READY_MADE_VARIABLE: Final = "FLOWSPAN_STACK_BINARIES"


def cache_folder() -> Path:
    """The folder that ``FLOWSPAN_STACK_CACHE`` names, or one in the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_cache_path("flowspan") / "stack"


def ready_made(name: str) -> Path | None:
    """A program that the user has already, in the folder ``FLOWSPAN_STACK_BINARIES``.

    Args:
        name: File name of the program.
    """
    folder = os.environ.get(READY_MADE_VARIABLE, "").strip()
    program = Path(folder).expanduser().absolute() / name if folder else None
    return program if program is not None and program.is_file() else None


@contextmanager
def locked(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Lets one process at a time build; the lock goes with the process that holds it.

    Args:
        folder: The cache.
        waiting: Called once where another process builds already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
