"""Why something failed: what a node was told by its last attempt is told all the way up.

The engine catches what nodes raise, makes an answer of it that says "error", and walks on or stops.
Its own words for that are few (``node_action_error``); where one says no more than that something
failed, the exception of the last attempt is what a span says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.graph import ITEM, NODE
from flowspan.instrumentation.integration import Call, Event, Frame
from flowspan.semconv import ATTEMPT, ERROR_TYPE, EVENT_FALLBACK

FAILED: Final = "error"
"""How an action begins by which a node says that it failed."""

_VAGUE: Final = frozenset({"", "error", "exception", "execution_failure", "node_action_error"})
_REASON: Final = "reason"
_ANSWERED: Final = "answered"


def is_failure(action: Any) -> bool:
    """Whether a node says by its action that it failed."""
    return str(action or "").startswith(FAILED)


def reason(frame: Frame | None, said: Any, otherwise: str) -> str:
    """Why it failed: as the engine says it, as an attempt did, or as something inside did.

    Args:
        frame: Of the node, item or run that failed.
        said: The engine's own word, if it has one.
        otherwise: What is said where nobody knows.
    """
    notes: Mapping[str, Any] = {} if frame is None else frame.notes
    known = str(said or "")
    if known in _VAGUE:
        known = str(notes.get(_REASON) or _raised(notes) or known or otherwise)
    return known


def _raised(notes: Mapping[str, Any]) -> Any:
    """What the last attempt raised, where the node has only put it into words."""
    return notes.get("error") if _ANSWERED in notes else None


def tell(frame: Frame | None, why: str) -> None:
    """Let whoever is around know why: the nearest node, item or run."""
    while frame is not None and frame.kind != "run" and frame.label not in (NODE, ITEM):
        frame = frame.parent
    if frame is not None:
        frame.notes[_REASON] = why


def told(call: Call, why: str | None) -> str | None:
    """The same for the outcome of a call, which is handed on."""
    if why is not None:
        tell(call.enclosing, why)
    return why


def answered(holder: Frame) -> Iterable[Event]:
    """Something has answered in place of what failed; whether in mere words is yet to be seen."""
    holder.notes[_ANSWERED] = True
    return ()


def fallback(call: Call) -> Iterable[Event]:
    """That something has truly answered; asked once a node or an item is over and did not fail."""
    notes: Mapping[str, Any] = {} if call.frame is None else call.frame.notes
    if _ANSWERED in notes:
        yield Event(EVENT_FALLBACK, {ATTEMPT: notes.get("attempt"), ERROR_TYPE: notes.get("error")})
