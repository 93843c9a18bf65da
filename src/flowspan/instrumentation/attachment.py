"""Making a context current for a while, without ever complaining in the program's log.

``opentelemetry.context.detach`` logs an error when it is called in another context than
``attach`` was, which happens to generators and coroutines that are closed from elsewhere (by the
garbage collector, by another task).  There is nothing to restore then.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context, attach, detach


class Attached:
    """A context made current; :meth:`detach` restores what was current before."""

    __slots__ = ("_token",)

    def __init__(self, context: Context) -> None:
        self._token: Any = attach(context)

    def detach(self) -> None:
        """Restore what was current before, even if somebody inside attached and never detached.

        Without effect where ours was made current in another task or thread, or in the one that
        this one began as a copy of.
        """
        try:
            self._token.var.reset(self._token)
        except AttributeError:  # a context of somebody else's making (OTEL_PYTHON_CONTEXT)
            detach(self._token)
        except (ValueError, RuntimeError):
            return
