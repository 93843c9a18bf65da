"""Where a call stands in its flow, and where the flow goes from there."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator
from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.naming import Place, node_name
from flowspan.instrumentation.integration import Call, Event, Frame
from flowspan.semconv import EVENT_ROUTE_TAKEN, ROUTE_ACTION, ROUTE_FROM, ROUTE_TO

FLOW: Final = "flow"
FLOW_ITEM: Final = "flow item"
NODE: Final = "node"
ITEM: Final = "item"
SUBJECT: Final = "subject"
"""The note of a frame that says whose attempts are counted there."""

_LONGEST_ACTION: Final = 64


def flow_around(call: Call) -> Frame | None:
    """The flow that runs what is called, if a flow does."""
    frame = call.enclosing
    if frame is not None and frame.label == FLOW_ITEM:
        frame = frame.parent
    return frame if frame is not None and frame.label == FLOW else None


def place_of(node: Any, flow: Frame | None) -> Place:
    """Where a node stands in the flow; one that came later is known by its name alone."""
    known = {} if flow is None else flow.notes.get("places", {})
    found: Place | None = known.get(id(getattr(node, "successors", None)))
    if found is not None:
        return found
    name = node_name(node)
    return Place(name, name)


def identity(call: Call) -> str:
    """Which node or flow it is: its label, after that of what it is inside of."""
    flow = flow_around(call)
    label = place_of(call.instance, flow).label
    frame = call.enclosing
    while frame is not None and "id" not in frame.notes:
        frame = frame.parent
    around = "" if frame is None else frame.notes["id"]
    return f"{around}/{label}" if around else label


def is_first(call: Call, label: str) -> bool:
    """Whether a method is not called by an override of it, on the way up to its base."""
    frame = call.enclosing
    return frame is None or frame.label != label or frame.call.instance is not call.instance


class Once:
    """Counts calls of a method through its overrides and up to its base as one call.

    It is for rows without a span of their own, whose calls make no frame to be known by.
    """

    def __init__(self, method: str) -> None:
        self._depth = f"depth of {method}"

    def begins(self, frame: Frame | None) -> bool:
        """Whether this is the outermost of the calls."""
        if frame is None:
            return False
        depth: int = frame.notes.get(self._depth, 0)
        frame.notes[self._depth] = depth + 1
        return depth == 0

    def ends(self, frame: Frame | None) -> bool:
        """The same, when it is over."""
        if frame is None:
            return False
        depth: int = frame.notes.get(self._depth, 1) - 1
        frame.notes[self._depth] = depth
        return depth == 0


def route_taken(call: Call, action: Any) -> Iterator[Event]:
    """Which node comes after the one that has just run, and why."""
    flow = flow_around(call)
    if flow is not None and not chooses_itself(flow.call.instance):
        yield from route(flow, call.instance, action, _successor(call.instance, action))


def route(flow: Frame, node: Any, action: Any, successor: Any) -> Iterator[Event]:
    """The event for a route; none where a node has no successors, so that nothing is chosen."""
    if getattr(node, "successors", None):
        attributes = {
            ROUTE_FROM: place_of(node, flow).label,
            ROUTE_TO: None if successor is None else place_of(successor, flow).label,
            ROUTE_ACTION: str(action or "default")[:_LONGEST_ACTION],
        }
        yield Event(EVENT_ROUTE_TAKEN, attributes)


def chooses_itself(flow: Any) -> bool:
    """Whether a flow has a ``get_next_node`` of its own."""
    engine = getattr(sys.modules.get("pocketflow"), "Flow", None)
    own = getattr(type(flow), "get_next_node", None)
    return own is not getattr(engine, "get_next_node", None)


def _successor(node: Any, action: Any) -> Any:
    successors = getattr(node, "successors", None)
    if not isinstance(successors, dict) or not isinstance(action, Hashable):
        return None
    return successors.get(action or "default")
