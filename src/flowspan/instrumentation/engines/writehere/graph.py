"""Rows of ``recursive/graph.py``: nodes, their status machine, and plans that become graphs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    plan_summary,
    status,
    task,
    task_type,
    tasks,
    transition,
)
from flowspan.instrumentation.engines.writehere.engine import created, saved_nodes
from flowspan.instrumentation.engines.writehere.frames import (
    CREATE,
    EVALUATE,
    EXAM_GRAPH,
    EXECUTE,
    PLAN_TO_GRAPH,
    SELECT,
    STEP,
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


# --- Node.SelectAction ---------------------------------------------------------------------------


def _select_request(call: Call) -> Attributes:
    return {**task(call.instance), "node.status.before": status(call.instance)}


def _select_started(call: Call) -> Iterable[Event]:
    step = caller(call, STEP)
    if step is not None:
        # The step writes the nodes, if at all, right before it acts.
        for event in saved_nodes(step.call):
            yield event._replace(on="enclosing")
        goal = call.instance.task_info.get("goal")
        attributes = {**identity(call.instance), "node.task_info.goal": goal}
        yield Event("Executing node action", attributes, on="enclosing")
    yield Event("Action determination started")


def _select_finished(call: Call, result: Any) -> Iterable[Event]:
    action = result[0] if isinstance(result, tuple) and result else "action"
    transition(call, call.instance, call.snapshot, str(action))
    after = {"node.status.after": status(call.instance)}
    yield Event("Action finished, status updated", after)


def _select_failed(call: Call, _error: BaseException) -> Attributes:
    """Without an action begun, the engine tried every condition of an active status in vain."""
    frame = here(call)
    if "action" not in frame.notes and call.instance.is_activate:
        rows = call.instance.status_action_mapping.get(call.instance.status, ())
        for event in _checked(call, rows, None):
            frame.event(event.name, event.attributes)
        frame.event("No condition matched")
    return {}


def _selected(call: Call, action: str) -> Iterator[Event]:
    """What the selection has found by the time that it calls the action.

    Conditions are tried in their order and the first that holds decides, so that the action tells
    what each of them gave; the conditions themselves are pickled with the node and never touched.
    """
    rows = call.instance.status_action_mapping.get(call.instance.status, ())
    chosen = next((place for place, row in enumerate(rows) if row[1] == action), None)
    yield from _checked(call, rows, chosen)
    next_status = None if chosen is None else rows[chosen][2].name
    yield Event("Action selected", {"action.name": action, "node.status.next": next_status})
    yield Event("Calling do_action")


def _checked(call: Call, rows: Sequence[Any], chosen: int | None) -> Iterator[Event]:
    """``Checking condition`` for each condition up to the one that holds (all, if none does)."""
    if call.detail != "full":
        return
    before = call.snapshot or status(call.instance)
    for place, row in enumerate(rows):
        condition = _condition(before, place, row[0])
        yield Event("Checking condition", {"condition": condition, "result": place == chosen})
        if place == chosen:
            return


def _condition(before: str, place: int, function: Any) -> str:
    """Where a condition stands: ``READY[1] graph.py:512``."""
    code = getattr(function, "__code__", None)
    name = f"{before}[{place}]"
    if code is None:
        return name
    return f"{name} {PurePath(code.co_filename).name}:{code.co_firstlineno}"


# --- Node.ExecuteAction --------------------------------------------------------------------------


def _action(call: Call) -> str:
    return str(call.argument("action_name", 0))


def _action_and_type(call: Call) -> str:
    node = call.instance
    return f"{_action(call)} {task_type(node.config, node.task_info)}"


def _execute_request(call: Call) -> Attributes:
    node = call.instance
    mapping = node.config.get("action_mapping", {}).get(_action(call))
    return {
        **identity(node),
        "action.name": _action(call),
        "agent.class": str(mapping[0]) if mapping else None,
        "agent.config.llm": json.dumps(mapping, default=str),
    }


def _execute_started(call: Call) -> Iterable[Event]:
    selection = caller(call, SELECT)
    if selection is not None:
        selection.notes["action"] = _action(call)
        for event in _selected(call, _action(call)):
            yield event._replace(on="enclosing")


def _execute_response(call: Call, _result: Any) -> Attributes:
    # An atomic node's final_aggregate names an agent and calls none.
    return {"agent.called": "agent" in here(call).notes}


def _execute_finished(call: Call, _result: Any) -> Iterable[Event]:
    if call.detail != "minimal":
        yield Event("Storing action result")
        yield Event("Action completed")


def _agent_obtained(call: Call, result: Any) -> Iterable[Event]:
    if is_in(call, EXECUTE):
        yield Event("Agent proxy obtained", {"agent.class": type(result).__name__})


# --- Node.EvaluateState --------------------------------------------------------------------------


def _evaluate_request(call: Call) -> Attributes:
    return {
        **identity(call.instance),
        "node.status.before": status(call.instance),
        "node.exam.verbose": bool(call.argument("verbose", 0)),
    }


def _evaluate_started(call: Call) -> Iterable[Event]:
    if caller(call, EXAM_GRAPH):
        yield Event("Calling node.do_exam", on="enclosing")
    yield Event("Exam started")


def _evaluate_finished(call: Call, _result: Any) -> Iterable[Event]:
    node, before = call.instance, call.snapshot
    after = status(node)
    rows = _exams(node, before)
    chosen = None
    if after != before:
        chosen = next((place for place, row in enumerate(rows) if row[1].name == after), None)
    yield from _checked(call, rows, chosen)
    if after != before:
        yield Event("Status transition triggered", {"node.status.next": after})
        transition(call, node, before, "exam")
    yield Event("Exam finished", {"node.status.after": after})


def _exams(node: Any, before: str) -> Sequence[Any]:
    mapping = node.status_exam_mapping
    return next((rows for one, rows in mapping.items() if one.name == before), ())


def _status_changed(call: Call, _result: Any) -> bool:
    return bool(status(call.instance) != call.snapshot)


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
        target=f"{_NODE}.next_action_step",
        label=SELECT,
        kind="internal",
        request=_select_request,
        failure=_select_failed,
        snapshot=lambda call: status(call.instance),
        before=_select_started,
        after=_select_finished,
        detail="normal",
    ),
    Patch(
        target=f"{_NODE}.do_action",
        label=EXECUTE,
        kind="node",
        name=_action_and_type,
        span_name=EXECUTE,
        request=_execute_request,
        response=_execute_response,
        before=_execute_started,
        after=_execute_finished,
    ),
    Patch(
        target="recursive.agent.proxy:AgentProxy.proxy",
        label="agent proxy",
        after=_agent_obtained,
        detail="normal",
    ),
    Patch(
        target=f"{_NODE}.do_exam",
        label=EVALUATE,
        kind="internal",
        request=_evaluate_request,
        snapshot=lambda call: status(call.instance),
        before=_evaluate_started,
        after=_evaluate_finished,
        keep=_status_changed,
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
