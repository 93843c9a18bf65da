"""Making a context current for a while, without ever complaining in the program's log.

``opentelemetry.context.detach`` logs an error when it is called in another context than
``attach`` was, which happens to generators and coroutines that are closed from elsewhere (by the
garbage collector, by another task).  There is nothing to restore then.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context, attach, detach, get_current


class Attached:
    """A context made current; :meth:`detach` restores what was current before."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Any = attach(context)

    def detach(self) -> None:
        """Restore the former context if ours was made current here."""
        if get_current() is self._context:
            detach(self._token)
            return
        try:  # somebody inside attached and never detached: restore all the same
            self._token.var.reset(self._token)
        except (ValueError, RuntimeError, AttributeError):
            return  # made current in another task or thread, where it is of no effect any more
