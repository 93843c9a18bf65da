"""Rows of flows: each is a run, one that is a node of another is a nested run, a batch has steps.

::

    invoke_workflow Flow from Outline           run     Flow, AsyncFlow and what is made of them
    ├─ run_step Outline                         node    (nodes.py)
    └─ invoke_workflow Chapters                 run     a flow that is a node of a flow
       ├─ run_step item                         step    one item of a BatchFlow
       │  └─ run_step Write                     node
       └─ run_step item
          └─ run_step Write
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.graph import (
    FLOW,
    FLOW_ITEM,
    Once,
    chooses_itself,
    flow_around,
    identity,
    is_first,
    place_of,
    route,
    route_taken,
)
from flowspan.instrumentation.engines.pocketflow.naming import is_a, places
from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Event,
    Frame,
    Judged,
    Patch,
)
from flowspan.semconv import BATCH_INDEX, BATCH_SIZE

_choices: Final = Once("get_next_node")


def _workflow(call: Call) -> str:
    return place_of(call.instance, flow_around(call)).name


def _opened(call: Call) -> Attributes:
    frame = call.frame
    assert frame is not None  # noqa: S101 - rows with a kind have one
    # The flow that runs all is not named in the ids of its nodes.
    frame.notes["id"] = "" if call.enclosing is None else identity(call)
    frame.notes["places"] = places(call.instance)
    return NOTHING


def _batch_size(call: Call, _ended: Any) -> Attributes:
    if call.frame is None or not is_a(call.instance, "BatchFlow"):
        return NOTHING
    return {BATCH_SIZE: call.frame.notes.get("items", 0)}


def _is_item(call: Call) -> bool:
    return is_a(call.instance, "BatchFlow") and is_first(call, FLOW_ITEM)


def _item(call: Call) -> Attributes:
    flow, frame = call.enclosing, call.frame
    if flow is None or frame is None:
        return NOTHING
    flow.notes["items"] = index = flow.notes.get("items", 0) + 1
    # Each item has nodes of its own: that they come again with the next one is no loop.
    frame.notes["id"] = f"{flow.notes.get('id', '')}[{index}]"
    return {BATCH_INDEX: index}


def _choosing(call: Call) -> Iterable[Event]:
    _choices.begins(_flow(call))
    return ()


def _chosen(call: Call, successor: Any) -> Iterable[Event]:
    """The route of a flow that chooses itself; the node is over by then, so the flow has it."""
    flow = _flow(call)
    if _choices.ends(flow) and flow is not None:
        yield from route(flow, call.argument("curr", 0), call.argument("action", 1), successor)


def _not_chosen(call: Call, _error: BaseException) -> Attributes:
    _choices.ends(_flow(call))
    return NOTHING


def _flow(call: Call) -> Frame | None:
    frame = call.frame
    frame = frame.parent if frame is not None and frame.label == FLOW_ITEM else frame
    return frame if frame is not None and frame.label == FLOW else None


def _is_own_choice(flow: Any, _args: Any, _kwargs: Any) -> bool:
    return chooses_itself(flow)


_RUN: Final[dict[str, Any]] = {
    "label": FLOW,
    "kind": "run",
    "name": _workflow,
    "when": lambda call: is_first(call, FLOW),
    "request": _opened,
    "response": _batch_size,
    "failure": _batch_size,
    "after": route_taken,
    "judged": lambda call, result: Judged(result, call.argument("shared", 0)),
    "subclasses": True,
}
_STEP: Final[dict[str, Any]] = {
    "label": FLOW_ITEM,
    "kind": "step",
    "name": "item",
    "when": _is_item,
    "request": _item,
    "subclasses": True,
    "detail": "normal",
}

PATCHES: Final = (
    Patch(target="pocketflow:Flow._run", **_RUN),
    Patch(target="pocketflow:AsyncFlow._run_async", **_RUN),
    Patch(target="pocketflow:Flow._orch", **_STEP),
    Patch(target="pocketflow:AsyncFlow._orch_async", **_STEP),
    Patch(
        target="pocketflow:Flow.get_next_node",
        label="choice",
        glance=_is_own_choice,
        before=_choosing,
        after=_chosen,
        failure=_not_chosen,
        subclasses=True,
    ),
)
