"""Rows of nodes: one span for each run of one, whatever class it is of."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.graph import (
    NODE,
    SUBJECT,
    flow_around,
    identity,
    is_first,
    place_of,
    route_taken,
)
from flowspan.instrumentation.engines.pocketflow.naming import inside, is_a
from flowspan.instrumentation.integration import Attributes, Call, Patch
from flowspan.semconv import ATTEMPT, BATCH_SIZE, NODE_ID


def _name(call: Call) -> str:
    return place_of(call.instance, flow_around(call)).name


def _request(call: Call) -> Attributes:
    which, node = identity(call), inside(call.instance)
    if call.frame is not None:
        call.frame.notes["id"] = which
        call.frame.notes[SUBJECT] = node
    return {NODE_ID: which, "pflow.node.type": _type_in_pflow(type(node))}


def _type_in_pflow(kind: type) -> str | None:
    """What runs in pflow is named after its id in a file, which does not say what it is."""
    return kind.__name__ if kind.__module__.startswith("pflow.") else None


def _ended(call: Call, _result: Any) -> Attributes:
    notes = {} if call.frame is None else call.frame.notes
    return {ATTEMPT: notes.get("attempt"), BATCH_SIZE: notes.get("items")}


def _shared(call: Call) -> Any:
    """The shared store; a node of pflow's has a part of it for itself, behind a proxy."""
    shared = call.argument("shared", 0)
    own = getattr(shared, "__dict__", {})
    parent = own.get("_parent")
    return parent.get(own.get("_namespace"), parent) if isinstance(parent, dict) else shared


def _is_no_flow(node: Any, _args: Any, _kwargs: Any) -> bool:
    return not is_a(node, "Flow")


ROW: Final[dict[str, Any]] = {
    "label": NODE,
    "kind": "node",
    "name": _name,
    "when": lambda call: is_first(call, NODE),
    "request": _request,
    "response": _ended,
    "failure": _ended,
    "after": route_taken,
    "state": _shared,
}

PATCHES: Final = tuple(
    Patch(target=target, glance=_is_no_flow, subclasses=True, **ROW)
    for target in ("pocketflow:BaseNode._run", "pocketflow:AsyncNode._run_async")
)
