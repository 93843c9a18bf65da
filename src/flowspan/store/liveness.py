"""Tells a span that is under way from one whose process died: by a lock that dies with it.

A process that writes open spans holds a lock (``flock``) on a file of its own beside the store, for
as long as it lives.  The kernel lets go of it at the process's end, whatever ends it, so a reader
who can take the lock knows at once that nobody is there.  This survives what process ids do not:
ids used again, containers (whose ids mean nothing outside, but whose locks are the same kernel's),
a process that is stopped or busy, and a store copied elsewhere (no lock there: interrupted).

A lock says nothing across kernels (a virtual machine, a network disk) and does not exist on
Windows.  There, the time counts at which the process was last heard of: it writes that down every
``HEARTBEAT_SECONDS`` for as long as a span of its is open.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from pathlib import Path
from typing import Final, NamedTuple

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

HEARTBEAT_SECONDS: Final = 10.0
STALE_SECONDS: Final = 3 * HEARTBEAT_SECONDS

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TRIES: Final = 5


class ProcessRecord(NamedTuple):
    """A process that writes, as the table ``process`` has it.

    Attributes:
        id: Its row; drawn by lot.
        pid: Its process id, for people.
        kernel: Which running kernel it is under.
        lock: Name of its lock file; ``None`` where there are no such locks.
        started_ns: When it began to write.
        seen_ns: When it was last heard of.
    """

    id: int
    pid: int
    kernel: str
    lock: str | None
    started_ns: int
    seen_ns: int


class Presence:
    """This process's own mark in a store's folder; lasts until :meth:`leave` or its death."""

    def __init__(self, store: Path) -> None:
        self._folder = lock_folder(store)
        self._lock: int | None = None
        self.id = secrets.randbits(62)
        self._started_ns = time.time_ns()

    def record(self) -> ProcessRecord:
        """What to write into the table, now. Takes the lock if need be and if it can."""
        if fcntl is not None and not self._is_held():
            with contextlib.suppress(OSError):  # a file system without locks: the heartbeat counts
                self._lock = _take(self._folder / str(self.id))
        lock = None if self._lock is None else str(self.id)
        return ProcessRecord(self.id, os.getpid(), kernel(), lock, self._started_ns, time.time_ns())

    def _is_held(self) -> bool:
        """Whether our lock file is still where a reader looks for it."""
        if self._lock is None:
            return False
        if _is_at(self._lock, self._folder / str(self.id)):
            return True
        self.forget()
        return False

    def leave(self) -> None:
        """The process ends in good order: nothing of its is under way any more."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                (self._folder / str(self.id)).unlink()
            self.forget()

    def forget(self) -> None:
        """Close the lock file; in a forked child this leaves the parent's lock as it is."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def lock_folder(store: Path) -> Path:
    """Where the processes that write a store keep their locks."""
    return store.with_name(store.name + "-live")


def is_alive(record: ProcessRecord, store: Path, now_ns: int) -> bool:
    """Whether a process that wrote open spans is still there.

    Args:
        record: As the store has it.
        store: The store's file.
        now_ns: The time, in nanoseconds since the epoch.
    """
    if record.lock is not None and fcntl is not None and record.kernel == kernel():
        locked = _is_locked(lock_folder(store) / record.lock)
        if locked is not None:
            return locked
    return now_ns - record.seen_ns < STALE_SECONDS * 1e9


def sweep(store: Path) -> None:
    """Remove the lock files of processes that died."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        for path in lock_folder(store).iterdir():
            _remove_if_free(path)


def kernel() -> str:
    """Names the running kernel: the same in a container as outside, another one after a boot."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return platform.node()


def _take(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(_TRIES):
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody sweeps
            os.close(lock)
            continue
        except OSError:
            os.close(lock)
            raise
        if _is_at(lock, path):
            return lock
        os.close(lock)
    raise OSError(f"the lock file {path} cannot be held")


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _is_locked(path: Path) -> bool | None:
    """Whether somebody holds the lock; ``None`` where that cannot be seen."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # pragma: no cover - a file system without locks
        return None
    else:
        return False
    finally:
        os.close(descriptor)


def _remove_if_free(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            path.unlink()
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
