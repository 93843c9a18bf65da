"""Carries the place of a call along with an object: from who sends a message to who receives it.

Engines of messages have a task of their own that takes them from a queue, which began long before
the run that a message is part of, or in another one.  What a ``send`` row put on its way is
remembered here by its identity for as long as it lives; nothing is put on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import get_current

from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.frame import INVOCATION_KEY, CallFrame
from flowspan.instrumentation.identity import ByIdentity
from flowspan.instrumentation.remarks import Remark
from flowspan.safety import guarded

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from flowspan.instrumentation.integration import Call
    from flowspan.instrumentation.machine import Site


class _Place(NamedTuple):
    """Where something was sent from: the frame there, its run, and the context as it was."""

    frame: CallFrame
    run: CallFrame | None
    context: Context

    def now(self) -> Context:
        """Right inside the run, while that is under way: what was sent is nobody else's part."""
        return self.context if self.run is None or self.run.ended else self.run.materialise()


_under_way: Final = ByIdentity[_Place]()
"""Where what has been sent came from."""


class Sending(Remark):
    """A call of a ``send`` row: what it made, or is about, is on its way."""

    __slots__ = ()

    def complete(self, result: Any) -> None:
        """Remember where it came from."""
        place = _here()
        if place is not None and self.site.patch.lazy is not None:
            thing = guarded(f"{self.site.place} lazy", self.site.patch.lazy, self.call, result)
            if thing is not None:
                guarded(f"{self.site.place} send", _under_way.set, thing, place)


class Receiving(Remark):
    """A call of a ``receive`` row, which happens where what it received was sent from."""

    __slots__ = ("_context",)

    def __init__(self, site: Site, call: Call, frame: CallFrame, context: Context) -> None:
        super().__init__(site, call, frame)
        self._context = context

    def enter(self) -> Attached:
        """Make that place the current one."""
        return Attached(self._context)


def received(site: Site, call: Call) -> Receiving | None:
    """The beginning of a call that receives; ``None`` where nothing has to be done."""
    lazy = site.patch.lazy
    thing = None if lazy is None else guarded(f"{site.place} lazy", lazy, call, None)
    place = None if thing is None else _under_way.get(thing)
    if place is None:
        return None
    around: Any = get_current().get(INVOCATION_KEY)
    if around is not None and not around.ended and around.run.run_id == place.frame.run.run_id:
        return None
    return Receiving(site, call, place.frame, place.now())


def _here() -> _Place | None:
    context = get_current()
    around: Any = context.get(INVOCATION_KEY)
    if around is None:
        return None
    run = around
    while run is not None and run.kind != "run":
        run = run.parent
    return _Place(around, run, context)
