"""Rows of ``recursive/engine.py``: the run, its steps, the scans and the exams of the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from flowspan.instrumentation.engines.writehere import launch
from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    status,
    summary,
    task_type,
    transition_attributes,
)
from flowspan.instrumentation.engines.writehere.frames import (
    EXAM_GRAPH,
    FIND,
    RUN,
    STEP,
    caller,
    is_in,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch
from flowspan.semconv import EVENT_STATE_TRANSITION, NODE_ID

_OUT_OF_STEPS: Final = "Out of Step"
_LAST_STEP: Final = "done"

# --- Engine.Run ----------------------------------------------------------------------------------


def _workflow(_call: Call) -> str:
    mode = launch.mode()
    return "WriteHERE" if mode is None else f"WriteHERE {mode}"


def _run_request(call: Call) -> Attributes:
    root = call.instance.root_node
    return {
        **launch.attributes(),
        "task.root.goal": root.task_info.get("goal"),
        "date.today": root.config.get("today_date"),  # report mode alone has it
    }


def _run_started(call: Call) -> Iterable[Event]:
    # The root node is made before the run begins: a span of it would be a trace of its own.
    yield Event("Node created", created(call.instance.root_node))
    yield Event("Engine loop started")


def created(node: Any) -> Attributes:
    """Attributes of ``Node created``."""
    return {
        "inner_node.nid": str(node.nid),
        "inner_node.task.type": task_type(node.config, node.task_info),
        "inner_node.node_type": getattr(node.node_type, "name", None),
        "inner_node.task.goal": node.task_info.get("goal"),
        NODE_ID: node.hashkey,
    }


def _run_finished(_call: Call, result: Any) -> Iterable[Event]:
    reached_most = result == _OUT_OF_STEPS
    yield Event("Engine loop finished", {"status": "max_steps_reached" if reached_most else "done"})
    yield Event("Final result generated", {"result.summary": summary(result)})


def _saving_state(call: Call) -> Iterable[Event]:
    if is_in(call, RUN):
        yield Event("Saving state", {"folder": str(call.argument("folder", 0))})


# --- Engine.Step ---------------------------------------------------------------------------------


def _step_request(call: Call) -> Attributes:
    return {
        "engine.step.number": _step_number(call),
        "engine.step.selected_node_hashkey": call.argument("select_node_hashkey", 1),
    }


def _step_number(call: Call) -> int:
    """The loop's number, from 0, which only the name of the step's log file tells; else a count."""
    run = caller(call, RUN)
    counted = 0 if run is None else run.notes.get("steps", 0)
    if run is not None:
        run.notes["steps"] = counted + 1
    last = str(call.argument("log_fn", 2)).rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else counted


def _step_started(call: Call) -> Iterable[Event]:
    yield from _root_made_ready(call)
    yield Event("Step started")


def _root_made_ready(call: Call) -> Iterator[Event]:
    """The run itself makes the root node ready, right before its first step."""
    run = caller(call, RUN)
    if run is None or run.notes.setdefault("root is told", call) is not call:
        return
    root, before = call.instance.root_node, run.call.snapshot
    if status(root) != before:
        attributes = transition_attributes(root, before, status(root), "run")
        yield Event(EVENT_STATE_TRANSITION, attributes, on="enclosing")


def _step_finished(call: Call, result: Any) -> Iterable[Event]:
    if result == _LAST_STEP:
        yield from saved_nodes(call)
    yield Event("Step finished")


def saved_nodes(step: Call) -> Iterator[Event]:
    """The event for the nodes that a step has written, if it was told to write any."""
    nodes_json_file = step.argument("nodes_json_file", 3)
    if nodes_json_file:
        yield Event("Saving intermediate nodes.json", {"nodes_json_file": str(nodes_json_file)})


# --- Engine.FindNextNode -------------------------------------------------------------------------


def _find_request(call: Call) -> Attributes:
    return {"engine.find.single_mode": bool(call.argument("single", 0, default=False))}


def _scan_started(call: Call) -> Iterable[Event]:
    if caller(call, STEP):
        yield Event("Finding next node", on="enclosing")
    yield Event("Scan started")


def _scan_finished(call: Call, result: Any) -> Iterable[Event]:
    found = result if isinstance(result, list) else [] if result is None else [result]
    if call.detail == "full":
        yield from _scan(call.instance.root_node, single=not isinstance(result, list))
    else:
        yield from (Event("Node eligible for execution", _eligible(node)) for node in found)
    yield Event("Scan finished", {"found_node.nid": [str(node.nid) for node in found] or None})


def _scan(root: Any, *, single: bool) -> Iterator[Event]:
    """The engine's own walk once more; it is a pure function of the nodes' status."""
    queue = deque([root])
    while queue:
        node = queue.popleft()
        yield Event(
            "Checking node", {**_eligible(node), "node.is_activate": bool(node.is_activate)}
        )
        if node.is_activate:
            yield Event("Node eligible for execution", _eligible(node))
            if single:
                return
        if node.is_suspend:
            queue.extend(node.topological_task_queue)


def _eligible(node: Any) -> dict[str, Any]:
    return {**identity(node), "node.status": status(node)}


# --- Engine.ExamGraphState -----------------------------------------------------------------------


def _examined(call: Call) -> Any:
    return call.argument("node", 0)


def _exam_request(call: Call) -> Attributes:
    return {
        **identity(_examined(call)),
        "node.status.before": status(_examined(call)),
        "engine.exam.verbose": bool(call.argument("verbose", 1)),
    }


def _exam_started(call: Call) -> Iterable[Event]:
    if caller(call, STEP):
        yield Event("Examining graph state", on="enclosing")
    yield Event("Examining node")
    node = _examined(call)
    if node.is_suspend and node.topological_task_queue:
        yield Event("Recursively examining children")


def _exam_finished(call: Call, _result: Any) -> Iterable[Event]:
    yield Event("Exam finished", {"node.status.after": status(_examined(call))})


def _exam_changed_something(call: Call, _result: Any) -> bool:
    return bool(status(_examined(call)) != call.snapshot)


_ENGINE: Final = "recursive.engine:GraphRunEngine"

_IN_ENGINE: Final = (
    Patch(
        target=f"{_ENGINE}.forward_one_step_untill_done",
        label=RUN,
        kind="run",
        name=_workflow,
        span_name=RUN,
        request=_run_request,
        snapshot=lambda call: status(call.instance.root_node),
        before=_run_started,
        after=_run_finished,
    ),
    Patch(target=f"{_ENGINE}.save", label="save", before=_saving_state, detail="normal"),
    Patch(
        target=f"{_ENGINE}.forward_one_step_not_parallel",
        label=STEP,
        kind="step",
        name=STEP,
        span_name=STEP,
        request=_step_request,
        before=_step_started,
        after=_step_finished,
        detail="normal",
    ),
    Patch(
        target=f"{_ENGINE}.find_need_next_step_nodes",
        label=FIND,
        kind="internal",
        request=_find_request,
        before=_scan_started,
        after=_scan_finished,
        detail="normal",
    ),
    Patch(
        target=f"{_ENGINE}.forward_exam",
        label=EXAM_GRAPH,
        kind="internal",
        request=_exam_request,
        snapshot=lambda call: status(_examined(call)),
        before=_exam_started,
        after=_exam_finished,
        keep=_exam_changed_something,
        detail="normal",
    ),
)

PATCHES: Final = (
    *(replace(patch, script=True) for patch in _IN_ENGINE),
    # Describes nothing: a run sets up its memory when ``__main__`` is complete and before it
    # begins, and a row's first call is what makes the rows above look there.
    Patch(target="recursive.memory:Memory.__init__", label="start"),
)
