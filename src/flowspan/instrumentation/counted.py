"""The model calls counted last, so that another span of the same call is not counted as well.

Layers that see one call often know nothing of each other: their spans are neither inside each other
nor share a name.  They stand for the same call if the provider gave them the same response id, or
if they asked the same model at the same time from the same place.  One call stands for at most one
span of each layer, so that calls at the same time stay apart.
"""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame

_MOST: Final = 128
"""How many calls are remembered; two layers end the same call within microseconds."""

_NOT_YET: Final = 1 << 63


@dataclass(slots=True, eq=False)
class ModelCall:
    """One span of a model call.

    Attributes:
        layer: Who made the span.
        place: Id of the span that was current when it began.
        models: The models that it names.
        started_ns: Start in nanoseconds of the epoch.
        ended_ns: Its end.
        response_id: The provider's name for the answer.
        span_id: Id of its span.
        parent_id: Id of the span around it.
        layers: Whose spans of the same call are accounted for.
    """

    layer: str
    place: int | None
    models: tuple[Any, ...]
    started_ns: int
    ended_ns: int = _NOT_YET
    response_id: Any = None
    span_id: int | None = None
    parent_id: int | None = None
    layers: set[str] = field(default_factory=set)

    def has_the_answer_of(self, other: ModelCall) -> bool:
        """Whether the provider says that both are one."""
        return self.response_id is not None and self.response_id == other.response_id

    def is_around(self, other: ModelCall) -> bool:
        """Whether the other span is inside this one, made perhaps when it had ended."""
        return self.span_id is not None and self.span_id == other.parent_id

    def is_at_the_moment_of(self, other: ModelCall) -> bool:
        """Whether both ask the same model at the same time from the same place."""
        return (
            self.place == other.place
            and self.started_ns <= other.ended_ns
            and other.started_ns <= self.ended_ns
            and None in {self.response_id, other.response_id}
            and any(model in self.models for model in other.models if model is not None)
        )


_counted: Final[deque[ModelCall]] = deque(maxlen=_MOST)
_under_way: Final[weakref.WeakKeyDictionary[CallFrame, ModelCall]] = weakref.WeakKeyDictionary()


def call_of(frame: CallFrame) -> ModelCall:
    """What tells the call of a frame from others."""
    known = frame.attributes
    models = known.get(semconv.REQUEST_MODEL), known.get(semconv.RESPONSE_MODEL)
    call = ModelCall(frame.layer, frame.place, models, frame.started_ns)
    call.response_id = known.get(semconv.RESPONSE_ID)
    call.span_id, call.parent_id = frame.span_ids()
    call.layers.add(frame.layer)
    return call


def begun(frame: CallFrame) -> None:
    """A call that will be counted began while spans of others are open."""
    _under_way[frame] = call_of(frame)


def note(frame: CallFrame, duration_ns: int) -> None:
    """A call has ended and is counted."""
    call = call_of(frame)
    if _under_way and (former := _under_way.pop(frame, None)) is not None:
        call.layers |= former.layers
    call.ended_ns = call.started_ns + duration_ns
    _counted.append(call)


def is_counted(frame: CallFrame, ended_ns: int) -> bool:
    """Whether the call that a frame stands for is counted on another layer's span."""
    wanted = call_of(frame)
    wanted.ended_ns = ended_ns
    for is_same in (
        ModelCall.is_around,
        ModelCall.has_the_answer_of,
        ModelCall.is_at_the_moment_of,
    ):
        for call in (*_under_way.values(), *reversed(_counted.copy())):
            if wanted.layer not in call.layers and is_same(call, wanted):
                call.layers.add(wanted.layer)
                return True
    return False


def forget() -> None:
    """Forget all calls."""
    _counted.clear()
    _under_way.clear()
