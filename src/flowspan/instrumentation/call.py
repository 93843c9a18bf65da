"""One call of a patched function, and the calls around it, as extractors may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from flowspan.semconv import Kind

AttributeValue = (
    str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
)
Attributes = Mapping[str, AttributeValue | None]
"""Attributes by name; a value of ``None`` means "not known" and is left out."""

NOTHING: Attributes = MappingProxyType({})
"""No attributes."""

Detail = Literal["minimal", "normal", "full"]


class Event(NamedTuple):
    """Something that happened at a moment inside a span.

    Attributes:
        name: Constant, low cardinality.
        attributes: What varies.
        on: ``own`` is the span of the row's call (of the enclosing call, for a row without a
            kind); ``enclosing`` is the span around it.
    """

    name: str
    attributes: Attributes = NOTHING
    on: Literal["own", "enclosing"] = "own"


class Frame(Protocol):
    """One call on the way from the run down to the current one, as extractors may see it."""

    @property
    def label(self) -> str:
        """The ``label`` of the row that made the frame."""

    @property
    def kind(self) -> Kind | None:
        """Role of the frame's span."""

    @property
    def call(self) -> Call:
        """The call that the frame stands for."""

    @property
    def notes(self) -> dict[str, Any]:
        """Scratch memory that lives as long as the call: counters of retries and the like."""

    @property
    def defers(self) -> bool:
        """Whether the frame's row defers to model calls inside it."""

    @property
    def told(self) -> bool:
        """Whether a model call inside this one was followed, which knows better than its row."""

    @property
    def parent(self) -> Frame | None:
        """The frame around this one."""

    @property
    def run_notes(self) -> dict[str, Any]:
        """Scratch memory of the whole run."""

    def describe(self, attributes: Attributes) -> None:
        """Set attributes on the frame's span, which were not known when it started."""

    def event(self, name: str, attributes: Attributes = NOTHING) -> None:
        """Add an event to the frame's span, now."""


@dataclass(slots=True)
class Call:
    """One call of a patched function, as extractors see it.

    Attributes:
        instance: ``self`` (or the class of a class method); ``None`` for functions.
        args: Positional arguments without ``self``. Never to be changed.
        kwargs: Keyword arguments. Never to be changed.
        frame: The frame of this call (of the enclosing call, for a row without a kind).
            ``None`` outside any frame, and while a name or ``when`` is asked.
        enclosing: The frame around this call, if any.
        detail: How much the user asked for.
        snapshot: What the row's ``snapshot`` returned before the call ran; a row without one may
            keep here what its ``when`` found out.
        content: True if the user asked to capture content in any form.
        function: The original, for those who need its signature.
    """

    instance: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    frame: Frame | None = None
    enclosing: Frame | None = None
    detail: Detail = "normal"
    snapshot: Any = None
    content: bool = False
    function: Callable[..., Any] | None = None

    def argument(self, name: str, position: int | None = None, default: Any = None) -> Any:
        """The argument called ``name``, or at ``position`` (not counting ``self``)."""
        if name in self.kwargs:
            return self.kwargs[name]
        if position is not None and position < len(self.args):
            return self.args[position]
        return default

    def nearest(self, label: str) -> Frame | None:
        """The nearest frame around this call whose row has that label."""
        frame = self.enclosing
        while frame is not None and frame.label != label:
            frame = frame.parent
        return frame

    def is_outermost(self) -> bool:
        """Whether no call that is seen is around this one, so that it can be a run."""
        return self.enclosing is None
