"""The model calls counted last, so that another span of the same call is not counted as well.

Layers that see one call often know nothing of each other: their spans are neither inside each other
nor share a name.  They stand for the same call if one was made inside the other, if the provider
gave both the same response id, or if they asked the same model at the same time from the same
place.  One call stands for at most one span of each layer, so that calls at the same time stay
apart.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from flowspan import semconv

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame

_MOST: Final = 64
"""How many calls are remembered; two layers end the same call within microseconds."""

_NOT_YET: Final = 1 << 63


class ModelCall:
    """One span of a model call.

    Attributes:
        layer: Who made the span.
        span_id: Its id.
        places: Ids of the spans that were current when it began, and when spans of others around
            it did that stand for it too.
        parent_id: Id of the span that it is inside of.
        models: The models that it names.
        response_id: The provider's name for the answer.
        started_ns: Start in nanoseconds of the epoch.
        ended_ns: Its end.
        layers: Whose spans of the same call are accounted for.
    """

    __slots__ = (
        "ended_ns",
        "layer",
        "layers",
        "models",
        "parent_id",
        "places",
        "response_id",
        "span_id",
        "started_ns",
    )

    def __init__(self, frame: CallFrame, ended_ns: int) -> None:
        known = frame.attributes
        self.layer = frame.layer
        self.span_id, self.parent_id, _ = frame.span_ids()
        self.places = frozenset(_places(frame))
        self.models = known.get(semconv.REQUEST_MODEL), known.get(semconv.RESPONSE_MODEL)
        self.response_id = known.get(semconv.RESPONSE_ID)
        self.started_ns = frame.started_ns
        self.ended_ns = ended_ns
        self.layers: tuple[str, ...] = (self.layer,)

    def likeness(self, other: ModelCall) -> int:
        """How sure it is that the other span stands for the same call; 0 where it does not."""
        if self.span_id is not None and self.span_id == other.parent_id:
            return 3
        if self.response_id is not None and other.response_id is not None:
            return 2 if self.response_id == other.response_id else 0
        same = any(model in self.models for model in other.models if model is not None)
        overlap = self.started_ns <= other.ended_ns and other.started_ns <= self.ended_ns
        return 1 if same and overlap and self.places & other.places else 0


def _places(frame: CallFrame) -> Iterator[int | None]:
    yield frame.span_ids()[2]
    above = frame.parent
    while above is not None and above.carries_call:
        yield above.span_ids()[2]
        above = above.parent


_counted: Final[deque[ModelCall]] = deque(maxlen=_MOST)
_under_way: Final[weakref.WeakKeyDictionary[CallFrame, ModelCall]] = weakref.WeakKeyDictionary()
_open: Final[weakref.WeakKeyDictionary[CallFrame, ModelCall]] = weakref.WeakKeyDictionary()
"""Spans of others that are open, to which one that says no tokens left its call."""


def begun(frame: CallFrame) -> None:
    """A call that will be counted began while spans of others are open."""
    _under_way[frame] = ModelCall(frame, _NOT_YET)


def note(frame: CallFrame, duration_ns: int) -> None:
    """A call has ended and is counted."""
    call = ModelCall(frame, frame.started_ns + duration_ns)
    for former in (_under_way, _open):
        if former and (known := former.pop(frame, None)) is not None:
            call.layers = known.layers
    _counted.append(call)


def is_counted(frame: CallFrame, ended_ns: int) -> bool:
    """Whether the call that a frame stands for is counted on another layer's span."""
    wanted = ModelCall(frame, ended_ns)
    if (known := _open.get(frame)) is not None:
        wanted.layers = known.layers
    started, answer, parent = wanted.started_ns, wanted.response_id, wanted.parent_id
    candidates = [
        call
        for call in (*_under_way.values(), *reversed(_counted.copy()))
        if call.ended_ns >= started or call.response_id == answer or call.span_id == parent
    ]
    return _is_one_of(wanted, candidates)


def is_left_to(frame: CallFrame, ended_ns: int, still_open: Iterable[CallFrame]) -> bool:
    """Whether the call that a frame stands for will be counted on one of the open spans."""
    calls = [_open.setdefault(other, ModelCall(other, _NOT_YET)) for other in still_open]
    return _is_one_of(ModelCall(frame, ended_ns), calls)


def _is_one_of(wanted: ModelCall, candidates: Iterable[ModelCall]) -> bool:
    best: tuple[int, ModelCall | None] = (0, None)
    for call in candidates:
        apart = set(wanted.layers).isdisjoint(call.layers)
        if apart and (likeness := call.likeness(wanted)) > best[0]:
            best = likeness, call
    if best[1] is None:
        return False
    best[1].layers += wanted.layers
    return True


def forget() -> None:
    """Forget all calls."""
    _counted.clear()
    _under_way.clear()
    _open.clear()
