"""Rows of plans in ``recursive/graph.py``: how a raw plan becomes nodes, edges and a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    plan_summary,
    task_type,
    tasks,
)
from flowspan.instrumentation.engines.writehere.engine import created
from flowspan.instrumentation.engines.writehere.frames import (
    CREATE,
    PLAN_TO_GRAPH,
    caller,
    here,
    is_in,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch

# --- Node.Create ---------------------------------------------------------------------------------


def _create_request(call: Call) -> Attributes:
    # Nothing is on the node yet: all is taken from the arguments.
    task_info = call.argument("task_info", 3)
    place = call.argument("node_graph_info", 2)
    return {
        "node.nid": str(call.argument("nid", 1)),
        "node.type": getattr(call.argument("node_type", 4), "name", None),
        "node.task.type": task_type(call.argument("config", 0), task_info),
        "node.task.kind": task_info.get("task_type"),
        "node.task.goal": task_info.get("goal"),
        "node.layer": place.get("layer"),
        "node.parent_count": len(place.get("parent_nodes") or ()),
    }


def _create_started(call: Call) -> Iterable[Event]:
    if caller(call, PLAN_TO_GRAPH):
        task_info = call.argument("task_info", 3)
        attributes = {
            "task.id": str(call.argument("nid", 1)),
            "task.goal": task_info.get("goal"),
            "task.type": task_type(call.argument("config", 0), task_info),
        }
        yield Event("Processing task from plan", attributes, on="enclosing")


def _create_finished(call: Call, _result: Any) -> Iterable[Event]:
    if caller(call, PLAN_TO_GRAPH):
        yield Event("Node created", created(call.instance), on="enclosing")


# --- Node.PlanToGraph ----------------------------------------------------------------------------


def _plan_request(call: Call) -> Attributes:
    raw_plan = call.argument("raw_plan", 0)
    return {
        **identity(call.instance),
        "plan.raw.length": len(raw_plan) if hasattr(raw_plan, "__len__") else None,
        "plan.raw.summary": plan_summary(raw_plan),
    }


def _planned_parents(call: Call) -> dict[str, set[str]]:
    """The dependencies of each task as planned; the engine adds to the same lists later."""
    return {
        str(one.get("id")): {str(parent) for parent in one.get("dependency") or ()}
        for one in tasks(call.argument("raw_plan", 0))
    }


def _plan_started(call: Call) -> Iterable[Event]:
    yield Event("Raw plan received")
    if not call.argument("raw_plan", 0):
        yield Event("Handling atomic task case")


def _plan_finished(call: Call, _result: Any) -> Iterable[Event]:
    graph = call.instance.inner_graph
    attributes = {
        "graph.nodes.count": len(graph.node_list),
        "graph.edges.count": sum(map(len, graph.graph_edges.values())),
    }
    yield Event("Graph construction complete", attributes)


def _adding_node(call: Call) -> Iterable[Event]:
    """By the time that a node is added, its dependencies are complete."""
    if not is_in(call, PLAN_TO_GRAPH):
        return
    node = call.argument("node", 0)
    planned = (here(call).call.snapshot or {}).get(str(node.nid), set())
    parents = [str(parent.nid) for parent in node.node_graph_info["parent_nodes"]]
    implicit = [nid for nid in parents if nid not in planned]
    if implicit:
        tag = task_type(node.config, node.task_info)
        attributes = {"parent.nid": implicit, "child.nid": str(node.nid)}
        yield Event(f"Applying implicit {tag} dependency", attributes)
    unknown = sorted(planned.difference(parents))
    if unknown:
        attributes = {"parent.nid": unknown, "child.nid": str(node.nid)}
        yield Event("Dropping unknown dependency", attributes)


def _added_node(call: Call, _result: Any) -> Iterable[Event]:
    if is_in(call, PLAN_TO_GRAPH):
        yield Event("Graph updated: add_node", {"node.nid": str(call.argument("node", 0).nid)})


def _edge(call: Call) -> Attributes:
    parent, child = call.argument("parent", 0), call.argument("cur", 1)
    return {"parent.nid": str(parent.nid), "child.nid": str(child.nid)}


def _adding_edge(call: Call) -> Iterable[Event]:
    if is_in(call, PLAN_TO_GRAPH):
        yield Event("Adding edge", _edge(call))


def _added_edge(call: Call, _result: Any) -> Iterable[Event]:
    if is_in(call, PLAN_TO_GRAPH):
        yield Event("Graph updated: add_edge", _edge(call))


def _sorting(call: Call) -> Iterable[Event]:
    if is_in(call, PLAN_TO_GRAPH):
        yield Event("Calling graph.topological_sort")


def _sorted(call: Call, _result: Any) -> Iterable[Event]:
    if is_in(call, PLAN_TO_GRAPH):
        length = len(call.instance.topological_task_queue)
        yield Event("Graph updated: topological_sort", {"result.queue.length": length})


_NODE: Final = "recursive.graph:AbstractNode"
_GRAPH: Final = "recursive.graph:Graph"

PATCHES: Final = (
    Patch(
        target=f"{_NODE}.__init__",
        label=CREATE,
        kind="internal",
        # The root node is made outside any run: the run tells of it.
        when=lambda call: call.enclosing is not None,
        request=_create_request,
        response=lambda call, _: identity(call.instance),
        before=_create_started,
        after=_create_finished,
        detail="normal",
    ),
    Patch(
        target=f"{_NODE}.plan2graph",
        label=PLAN_TO_GRAPH,
        kind="internal",
        request=_plan_request,
        snapshot=_planned_parents,
        before=_plan_started,
        after=_plan_finished,
        detail="normal",
    ),
    Patch(target=f"{_GRAPH}.add_node", before=_adding_node, after=_added_node, detail="normal"),
    Patch(target=f"{_GRAPH}.add_edge", before=_adding_edge, after=_added_edge, detail="normal"),
    Patch(target=f"{_GRAPH}.topological_sort", before=_sorting, after=_sorted, detail="normal"),
)
