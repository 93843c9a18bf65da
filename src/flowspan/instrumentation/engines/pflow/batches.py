"""Rows of batches: how many items, and what became of each, in threads or one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any, Final

from flowspan.instrumentation.engines.pflow import failures
from flowspan.instrumentation.engines.pflow.workflows import identity
from flowspan.instrumentation.engines.pocketflow.attempts import was_tried_again
from flowspan.instrumentation.engines.pocketflow.graph import ITEM, SUBJECT
from flowspan.instrumentation.integration import NOTHING, Attributes, Call, Event, Patch
from flowspan.semconv import BATCH_INDEX, BATCH_SIZE

_BATCH: Final = "pflow.runtime.engine.batch_executor"


def _item(call: Call) -> Attributes:
    index = call.argument("idx", 0) + 1
    if call.frame is not None:
        call.frame.notes["id"] = f"{identity(call.enclosing)}[{index}]"
        call.frame.notes[SUBJECT] = call.argument("node", 2)
    return {BATCH_INDEX: index}


def _item_outcome(call: Call, result: Any) -> str | None:
    """What an item failed of; the engine gathers it in a list."""
    error = result[1]
    if error is None:
        return None
    raised = error.get("exception")
    said = None if raised is None else type(raised).__qualname__
    return failures.reason(call.frame, said, "item_failed")


def _answered(call: Call, result: Any) -> Iterable[Event]:
    return failures.fallback(call) if result[1] is None else ()


def _is_remarkable(call: Call, result: Any) -> bool:
    return result[1] is not None or was_tried_again(call, result)


def _size(_call: Call, items: Any) -> Attributes:
    return {BATCH_SIZE: len(items)} if isinstance(items, Sized) else NOTHING


PATCHES: Final = (
    Patch(
        target=f"{_BATCH}:_execute_batch_item",
        label=ITEM,
        kind="internal",
        request=_item,
        outcome=_item_outcome,
        after=_answered,
        keep=_is_remarkable,
        detail="normal",
    ),
    Patch(target=f"{_BATCH}:_resolve_and_validate_items", label="items", response=_size),
)
