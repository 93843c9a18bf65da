"""Rows inside a node: its attempts and what falls back for them, its batch items, its phases.

``prep``, ``exec``, ``exec_fallback`` and ``post`` are the program's own overrides.  At detail
``full`` each call of one is a span; below that a node is one span, its attempts are events on it
(``flowspan.retry``, ``flowspan.fallback``), and what a phase calls is right under the node.

The item of a batch is a span where something was seen in it, or where it was tried again or failed:
a batch may have very many that do next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.graph import ITEM, NODE, SUBJECT, Once, is_first
from flowspan.instrumentation.engines.pocketflow.naming import is_a
from flowspan.instrumentation.integration import NOTHING, Attributes, Call, Event, Frame, Patch
from flowspan.semconv import ATTEMPT, BATCH_INDEX, ERROR_TYPE, EVENT_FALLBACK, EVENT_RETRY

EXEC: Final = "exec"
_PHASES: Final = ("prep", EXEC, "exec_fallback", "post")
_attempts: Final = Once("exec")
_fallbacks: Final = Once("exec_fallback")

# --- attempts ------------------------------------------------------------------------------------


def _holder(call: Call) -> Frame | None:
    """The node or item whose attempt a call is; ``None`` if a node calls another one's method."""
    frame = call.frame
    while frame is not None and frame.label in _PHASES:
        frame = frame.parent
    if frame is None or frame.label not in (NODE, ITEM):
        return None
    return frame if frame.notes.get(SUBJECT) is call.instance else None


def _tried(call: Call) -> Iterable[Event]:
    holder = _holder(call)
    if holder is None or not _attempts.begins(holder):
        return
    notes = holder.notes
    notes["attempt"] = attempt = notes.get("attempt", 0) + 1
    if attempt > 1:
        yield Event(EVENT_RETRY, {ATTEMPT: attempt, ERROR_TYPE: notes.get("error")})


def _succeeded(call: Call, _result: Any) -> Iterable[Event]:
    _attempts.ends(_holder(call))
    return ()


def _failed(call: Call, error: BaseException) -> Attributes:
    holder = _holder(call)
    if _attempts.ends(holder) and holder is not None:
        holder.notes["error"] = type(error).__qualname__
    return NOTHING


def _falls_back(call: Call) -> Iterable[Event]:
    _fallbacks.begins(_holder(call))
    return ()


def _telling(answered: Callable[[Frame], Iterable[Event]]) -> Callable[[Call, Any], Any]:
    def fell_back(call: Call, _result: Any) -> Iterable[Event]:
        holder = _holder(call)
        if _fallbacks.ends(holder) and holder is not None:
            yield from answered(holder)

    return fell_back


def _answered(holder: Frame) -> Iterable[Event]:
    """In PocketFlow whatever a fallback returns is the node's answer."""
    notes = holder.notes
    yield Event(EVENT_FALLBACK, {ATTEMPT: notes.get("attempt"), ERROR_TYPE: notes.get("error")})


def _gave_up(call: Call, _error: BaseException) -> Attributes:
    """The engine's own fallback raises the error again: that is none."""
    _fallbacks.ends(_holder(call))
    return NOTHING


# --- items of a batch ----------------------------------------------------------------------------


def _item(call: Call) -> Attributes:
    node = call.enclosing
    if node is None or call.frame is None:
        return NOTHING
    call.frame.notes[SUBJECT] = call.instance
    node.notes["items"] = index = node.notes.get("items", 0) + 1
    return {BATCH_INDEX: index}


def _is_item(call: Call) -> bool:
    return call.enclosing is not None and call.enclosing.label == NODE


def _of_a_batch(node: Any, _args: Any, _kwargs: Any) -> bool:
    """A batch node reaches the retry loop of its base once for each item."""
    return is_a(node, "BatchNode")


def was_tried_again(call: Call, _result: Any) -> bool:
    """Whether there was more than one attempt of a node or item."""
    return call.frame is not None and call.frame.notes.get("attempt", 0) > 1


# --- phases --------------------------------------------------------------------------------------


def _phase(call: Call) -> Attributes:
    holder = None if call.frame is None or call.frame.label != EXEC else _holder(call)
    return NOTHING if holder is None else {ATTEMPT: holder.notes.get("attempt")}


def _phase_row(base: str, method: str) -> Patch:
    label = method.removesuffix("_async")
    return Patch(
        target=f"{base}.{method}",
        label=label,
        kind="internal",
        when=lambda call: is_first(call, label),
        request=_phase,
        subclasses=True,
        detail="full",
    )


def rows_of(
    base: str,
    node: str,
    ending: str = "",
    *,
    answered: Callable[[Frame], Iterable[Event]] = _answered,
) -> tuple[Patch, ...]:
    """The rows of one family of nodes.

    Args:
        base: The class that has ``prep``, ``exec`` and ``post``.
        node: The class that tries again and has ``exec_fallback``.
        ending: What the names of these methods end with.
        answered: Events on the node or item in whose place a fallback has answered.
    """
    phases = (f"prep{ending}", f"exec{ending}", f"post{ending}")
    fallback = f"exec_fallback{ending}"
    return (
        *(_phase_row(base, phase) for phase in phases),
        _phase_row(node, fallback),
        # Behind the phases, so that they are around them: an attempt is counted before its span.
        Patch(
            target=f"{base}.{phases[1]}",
            label="attempt",
            before=_tried,
            after=_succeeded,
            failure=_failed,
            subclasses=True,
        ),
        Patch(
            target=f"{node}.{fallback}",
            label="fallback",
            before=_falls_back,
            after=_telling(answered),
            failure=_gave_up,
            subclasses=True,
        ),
    )


PATCHES: Final = (
    *rows_of("pocketflow:BaseNode", "pocketflow:Node"),
    *rows_of("pocketflow:AsyncNode", "pocketflow:AsyncNode", "_async"),
    *(
        Patch(
            target=target,
            label=ITEM,
            kind="internal",
            glance=_of_a_batch,
            when=_is_item,
            request=_item,
            keep=was_tried_again,
            detail="normal",
        )
        for target in ("pocketflow:Node._exec", "pocketflow:AsyncNode._exec")
    ),
)
