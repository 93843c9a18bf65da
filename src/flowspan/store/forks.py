"""Keeps a fork from sharing a database connection between two processes.

SQLite's locks belong to a process.  A child that inherits an open connection, and then opens its
own, believes to hold the parent's locks and holds none: when the parent closes, the log that the
child goes on writing to is removed, and what the child wrote is lost.  So every connection is
closed *before* the fork; parent and child open their own with their next write.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What holds a connection."""

    def before_fork(self) -> bool:
        """Close the connection and let nobody open one; false where that cannot be had soon."""

    def after_fork_in_parent(self, closed: bool) -> None:  # noqa: FBT001 - what before_fork said
        """Go on."""

    def after_fork_in_child(self, closed: bool) -> None:  # noqa: FBT001 - what before_fork said
        """Begin anew, with nothing of the parent's."""


class _Forking(threading.local):
    """What this thread's fork has found; two threads may fork at a time."""

    def __init__(self) -> None:
        self.closed: list[tuple[Forkable, bool]] = []


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_forking = _Forking()


def watch(forkable: Forkable) -> None:
    """Have an object told of each fork for as long as it lives."""
    _watched.add(forkable)


def _before() -> None:
    _forking.closed = [(forkable, forkable.before_fork()) for forkable in list(_watched)]


def _in_parent() -> None:
    for forkable, closed in _forking.closed:
        forkable.after_fork_in_parent(closed)
    _forking.closed = []


def _in_child() -> None:
    # Servers that fork on their own (uWSGI) tell the child only: nothing was closed then.
    closed = {id(forkable): closed for forkable, closed in _forking.closed}
    _forking.closed = []
    for forkable in list(_watched):
        forkable.after_fork_in_child(closed.get(id(forkable), False))


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
