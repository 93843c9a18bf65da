"""Rows of nodes in ``recursive/graph.py``: the status machine that decides, acts and examines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    status,
    task,
    task_type,
    transition,
)
from flowspan.instrumentation.engines.writehere.engine import saved_nodes
from flowspan.instrumentation.engines.writehere.frames import (
    EVALUATE,
    EXAM_GRAPH,
    EXECUTE,
    SELECT,
    STEP,
    caller,
    here,
    is_in,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch

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


_NODE: Final = "recursive.graph:AbstractNode"

PATCHES: Final = (
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
)
