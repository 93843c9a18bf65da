"""Making a context current for a while, cheaply, and without ever complaining in the program's log.

``opentelemetry.context.detach`` logs an error when it is called in another context than
``attach`` was, which happens to generators and coroutines that are closed from elsewhere (by the
garbage collector, by another task).  There is nothing to restore then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current


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


class Footing:
    """Where the parts of a generator run: where its call is, or where the last part left off.

    One that makes something current (a span of its own) and gives a part before that is over
    finds it current again, and nobody else does meanwhile.
    """

    __slots__ = ("_attached", "_enter", "_entered", "_left")

    def __init__(self, enter: Callable[[], Attached | None]) -> None:
        self._enter = enter
        self._attached: Attached | None = None
        self._entered: Context | None = None
        self._left: Context | None = None

    def enter(self) -> None:
        """Begin a part."""
        if self._left is not None:
            self._attached = Attached(self._left)
            return
        self._attached = self._enter()
        self._entered = None if self._attached is None else get_current()

    def leave(self) -> None:
        """End it; what it left current is kept for the next one."""
        attached, self._attached = self._attached, None
        if attached is None:
            return
        now = get_current()
        self._left = None if now is self._entered else now
        attached.detach()


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
