"""Threads of flowspan's own: they keep nothing of the program, and may fail to start."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context, attach, detach


def start(name: str, target: Callable[..., None], *args: Any) -> threading.Thread | None:
    """Start a daemon thread in a context of its own.

    A thread that inherited the context that it was started in would keep the program's objects in
    it for ever.

    Returns:
        ``None`` where no thread can be started any more: the interpreter is shutting down (from
        Python 3.12 on already while ``atexit`` functions run), or the system has no more.
    """
    if sys.is_finalizing():  # up to Python 3.11 it would be started, and waited for in vain
        return None
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    token = attach(Context())
    try:
        thread.start()
    except RuntimeError:
        return None
    finally:
        detach(token)
    return thread
