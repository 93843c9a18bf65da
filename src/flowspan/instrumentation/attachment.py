"""Making a context current for a while, cheaply, and without ever complaining in the program's log.

``opentelemetry.context.detach`` logs an error when it is called in another context than
``attach`` was, which happens to generators and coroutines that are closed from elsewhere (by the
garbage collector, by another task).  There is nothing to restore then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context, attach, detach


def _operations() -> tuple[Callable[[Context], Any], Callable[[Any], None]]:
    """How a context is made current, and how what was current before is restored.

    OpenTelemetry keeps it in a context variable, which a token names, unless the user chose
    somebody else's way (``OTEL_PYTHON_CONTEXT``).
    """
    token = attach(Context())
    detach(token)
    variable = getattr(token, "var", None)
    if isinstance(variable, ContextVar):
        return variable.set, variable.reset
    return attach, detach


_make_current, _restore = _operations()


class Attached:
    """A context made current; :meth:`detach` restores what was current before."""

    __slots__ = ("_token",)

    def __init__(self, context: Context) -> None:
        self._token = _make_current(context)

    def detach(self) -> None:
        """Restore what was current before, even if somebody inside attached and never detached.

        Without effect where ours was made current in another task or thread, or in the one that
        this one began as a copy of.
        """
        try:
            _restore(self._token)
        except (ValueError, RuntimeError):
            return
