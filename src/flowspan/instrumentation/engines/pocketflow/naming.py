"""What flows and nodes are called: by class and template, never by the copy that runs.

A flow copies each node right before it runs it.  A copy shares the dictionary of successors with
its template, and so do the proxies that programs put around nodes: that dictionary is who a node
is, and where it stands in its flow tells two nodes of one class apart.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import ByIdentity

_MODULE: Final = "pocketflow"
_DEEPEST: Final = 8
_names: Final = ByIdentity[str]()


def is_a(instance: Any, name: str) -> bool:
    """Whether something is an instance of the engine's own class of that name."""
    kind = getattr(sys.modules.get(_MODULE), name, None)
    return isinstance(kind, type) and isinstance(instance, kind)


def node_name(node: Any) -> str:
    """The name of a node or a flow, the same for every copy of it.

    A flow of no class of its own is told by the node that it starts with.
    """
    said = _names.get(node) if is_a(node, "Flow") else _said_by_proxy(node)
    if said is not None:
        return said
    node = inside(node)
    kind = type(node)
    start = start_of(node) if kind.__module__ == _MODULE else None
    return kind.__name__ if start is None else f"{kind.__name__} from {node_name(start)}"


def call_it(flow: Any, name: str) -> None:
    """Say what a flow is called, for those who know better than its class does."""
    _names.set(flow, name)


def start_of(flow: Any) -> Any:
    """The node that a flow starts with; in the oldest versions it is called ``start``."""
    own = getattr(flow, "__dict__", {})
    return own.get("start_node", own.get("start"))


def inside(node: Any) -> Any:
    """The node itself, inside the proxies that a program puts around it."""
    for _ in range(_DEEPEST):
        if is_a(node, "BaseNode"):
            break
        held = next((one for one in _own(node) if hasattr(one, "successors")), None)
        if held is None:
            break
        node = held
    return node


class Place(NamedTuple):
    """Where a node stands in its flow.

    Attributes:
        name: The node's name.
        label: The same; the second node of that name has a number.
    """

    name: str
    label: str


def places(flow: Any) -> dict[int, Place]:
    """The place of each node that can be reached in a flow, by the identity of its successors."""
    found: dict[int, Place] = {}
    times: Counter[str] = Counter()
    waiting: deque[Any] = deque([start_of(flow)])
    while waiting:
        node = waiting.popleft()
        successors = getattr(node, "successors", None)
        if isinstance(successors, dict) and id(successors) not in found:
            name = node_name(node)
            times[name] += 1
            label = name if times[name] == 1 else f"{name} {times[name]}"
            found[id(successors)] = Place(name, label)
            waiting.extend(successors.values())
    return found


def _said_by_proxy(node: Any) -> str | None:
    """What a proxy calls the node that it holds (pflow's: the id in the workflow's file)."""
    if is_a(node, "BaseNode"):
        return None
    for attribute in ("node_id", "_node_id"):
        said = getattr(node, "__dict__", {}).get(attribute)
        if isinstance(said, str):
            return said
    return None


def _own(node: Any) -> tuple[Any, ...]:
    return tuple(getattr(node, "__dict__", {}).values())
