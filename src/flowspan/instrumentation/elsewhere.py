"""The frame of a call in another process, as a worker knows it that does a part of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flowspan.instrumentation.frame import NO_CONTEXT, CallFrame
from flowspan.instrumentation.integration import NOTHING, Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowspan.instrumentation.integration import Attributes
    from flowspan.instrumentation.run import Run
    from flowspan.semconv import Kind


class _Elsewhere:
    """The row of a call in another process: nothing of it matters here."""

    label = ""
    kind = None
    static: ClassVar[dict[str, Any]] = {}


class RemoteFrame(CallFrame):
    """What is known, in a worker process, of the call that gave the work away.

    Its span is in the other process: nothing can be added to it from here.
    """

    __slots__ = ("_kind",)

    def __init__(self, run: Run, step: str | None, kind: Any) -> None:
        site: Any = _Elsewhere
        super().__init__(site, Call(None, (), {}), None, NO_CONTEXT)
        self.run = run
        self.step = step
        self._kind: Kind | None = kind
        self._around = self  # its span is in the context: none has to be made

    @property
    def kind(self) -> Kind | None:
        """Role of the span."""
        return self._kind

    @property
    def defers(self) -> bool:
        """Never: what is found out here is not told there."""
        return False

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Nothing: see above."""

    def event(
        self, name: str, attributes: Attributes = NOTHING, timestamp: int | None = None
    ) -> None:
        """Nothing: see above."""
