"""LlamaIndex's workflows: runs, the steps of each as nodes, agents, tools, retrievers and queries.

A workflow is run by a task of its own, which takes the context of whoever called ``run``.  A step
that waits for an event ends and begins anew, as an attempt does that is made once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Event,
    Integration,
    Patch,
)
from flowspan.semconv import (
    ATTEMPT,
    ERROR_TYPE,
    EVENT_RETRY,
    EVENT_ROUTE_TAKEN,
    INTERRUPTION,
    NODE_ID,
    RESUMED,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
    STEP_NAME,
)

_LOOP: Final = "workflows.runtime.control_loop.runner:_ControlLoopRunner.run"
_LOOP_BEFORE: Final = ("workflows.runtime.control_loop:_ControlLoopRunner.run",)
_CORE: Final = "llama_index.core"
_QUIET: Final = ("WorkflowCancelledByUser",)
_WAITING: Final = "WaitingForEvent"


def _workflow(call: Call) -> Any:
    return call.instance.workflow


def _name(call: Call) -> str:
    workflow = _workflow(call)
    return str(getattr(workflow, "name", None) or type(workflow).__name__)


def _is_agent(call: Call) -> bool:
    return hasattr(_workflow(call), "take_step")


def _is_run(call: Call) -> bool:
    """An agent inside a run is an agent, and no run of its own."""
    return call.enclosing is None or not _is_agent(call)


def _resumes(call: Call) -> Attributes:
    """A context that was saved in the midst of a run goes on with what was under way."""
    return {RESUMED: call.instance.state.is_running or None}


def _cancelled(call: Call, error: BaseException) -> Attributes:
    """A run that the program cancels while it waits for an event may be taken up again."""
    if type(error).__name__ not in _QUIET:
        return NOTHING
    workers = call.instance.state.workers.values()
    waits = any(not each.resolved_event for worker in workers for each in worker.collected_waiters)
    return {INTERRUPTION: _WAITING if waits else "CancelledError"}


# --- steps ----------------------------------------------------------------------------------------


def _step(call: Call) -> Attributes:
    name = str(call.argument("step_name", 1))
    return {STEP_NAME: name, NODE_ID: name, ATTEMPT: _retried(call) + 1}


def _retried(call: Call) -> int:
    """How many attempts came before; before 2.20 only the run knows, and not how they failed."""
    retry = call.argument("retry", 5)
    if retry is not None:
        return int(retry.retry_number)
    state, snapshot = _state(call), call.argument("state", 0)
    workers = getattr(state, "workers", {}).get(call.argument("step_name", 1))
    begun = getattr(workers, "in_progress", ())
    return next((int(each.attempts) for each in begun if each.shared_state is snapshot), 0)


def _state(call: Call) -> Any:
    """The state of the run that a step is part of."""
    around = call.enclosing
    while around is not None and around.label not in {"agent", "run"}:
        around = around.parent
    return None if around is None else getattr(around.call.instance, "state", None)


def _again(call: Call) -> Iterable[Event]:
    """An attempt that follows another one: which, and what that one failed of."""
    if _retried(call):
        error = getattr(call.argument("retry", 5), "last_exception", None)
        kind = None if error is None else type(error).__name__
        yield Event(EVENT_RETRY, {ATTEMPT: _retried(call) + 1, ERROR_TYPE: kind})


def _inputs(call: Call) -> Any:
    """The event, and the answers that have come since the step first asked for them."""
    waiters = getattr(call.argument("state", 0), "collected_waiters", ())
    return call.argument("event", 2), [each.resolved_event for each in waiters], _retried(call)


def _failed(_call: Call, result: Any) -> str | None:
    """What a step raised is told to the workflow in what its worker returns."""
    errors = (getattr(each, "exception", None) for each in result)
    return next((type(error).__name__ for error in errors if error is not None), None)


def _waits(_call: Call, result: Any) -> Attributes:
    """A step that waits for an event is left, and begun anew when that comes."""
    waiting = any(hasattr(each, "waiter_event") for each in result)
    return {INTERRUPTION: _WAITING if waiting else None}


def _decided(call: Call, result: Any) -> Iterator[Event]:
    """What a step decided: which event of several, or in a workflow of agents, whose turn it is."""
    workflow: Any = call.argument("workflow", 3)
    if hasattr(workflow, "root_agent"):
        yield from _handed_over(call, result)
    elif not hasattr(workflow, "take_step"):
        yield from _chosen(call, workflow, result)


def _returned(result: Any) -> Iterator[Any]:
    for each in result:
        event = getattr(each, "result", None)
        if event is not None and not getattr(each, "fanned_out", False):
            yield event


def _handed_over(call: Call, result: Any) -> Iterator[Event]:
    around = None if call.frame is None else call.frame.parent
    if around is None:
        return
    for event in _returned(result):
        turn = getattr(event, "current_agent_name", None)
        before = around.notes.get("turn")
        around.notes["turn"] = turn or before
        if turn and before and turn != before:
            yield Event(EVENT_ROUTE_TAKEN, {ROUTE_FROM: before, ROUTE_TO: turn})


def _chosen(call: Call, workflow: Any, result: Any) -> Iterator[Event]:
    name = str(call.argument("step_name", 1))
    function = getattr(workflow, name, None) or type(workflow)._step_functions.get(name)  # noqa: SLF001 - no other door
    config = getattr(function, "_step_config", None)
    if config is None or sum(kind is not type(None) for kind in config.return_types) < 2:  # noqa: PLR2004 - of one there is no choice
        return
    for event in _returned(result):
        told = {ROUTE_FROM: name, ROUTE_ACTION: type(event).__name__}
        following = list(_accepting(call, type(event)))
        for to in following:
            yield Event(EVENT_ROUTE_TAKEN, {**told, ROUTE_TO: to})
        if not following:
            yield Event(EVENT_ROUTE_TAKEN, told)


def _accepting(call: Call, event: type) -> Iterator[str]:
    """The steps that are run for an event."""
    state = _state(call)
    if state is not None:
        for key, config in state.config.steps.items():
            if event in config.accepted_events:
                yield str(getattr(key, "name", key))


# --- what steps call ------------------------------------------------------------------------------


def _tool(call: Call) -> str:
    return str(call.instance.metadata.name)


def _agent(call: Call) -> str:
    return str(call.instance.name)


def _is_turn(call: Call) -> bool:
    """An agent of a workflow of several: alone it is a workflow itself, and seen as that."""
    around = call.enclosing
    while around is not None and around.label not in {"agent", "run", "turn"}:
        around = around.parent
    if around is None:
        return False
    return around.label != "turn" and getattr(around.call.instance, "workflow", None) is not (
        call.instance
    )


def _class_name(call: Call) -> str:
    return type(call.instance).__name__


def _query(call: Call) -> Attributes:
    return {STEP_NAME: _class_name(call), NODE_ID: _class_name(call)}


def _is_no_part(call: Call) -> bool:
    """Whether it is not what another method of the same object calls."""
    around = call.enclosing
    return around is None or around.call.instance is not call.instance


def _of_engine(method: str) -> tuple[Patch, ...]:
    """An engine of queries is a node, and a run where it is asked by the program itself."""
    target = f"{_CORE}.base.base_query_engine:BaseQueryEngine.{method}"
    return (
        Patch(
            target=target,
            label="query",
            kind="node",
            request=_query,
            when=_is_no_part,
            subclasses=True,
        ),
        Patch(
            target=target,
            label="run",
            kind="run",
            name=_class_name,
            when=Call.is_outermost,
            subclasses=True,
        ),
    )


_WORKFLOWS: Final = Integration(
    "llamaindex",
    requires="llama-index-workflows>=2.11.6",
    engine="llamaindex",
    patches=(
        Patch(
            target=_LOOP,
            moved=_LOOP_BEFORE,
            label="agent",
            kind="agent",
            name=_name,
            when=_is_agent,
            failure=_cancelled,
            quiet=_QUIET,
        ),
        Patch(
            target=_LOOP,
            moved=_LOOP_BEFORE,
            label="run",
            kind="run",
            name=_name,
            request=_resumes,
            when=_is_run,
            failure=_cancelled,
            quiet=_QUIET,
        ),
        Patch(
            target="workflows.runtime.types.step_function:as_step_worker_function",
            names=("workflows.runtime.broker:as_step_worker_function",),
            label="step",
            role="make",
            kind="node",
            request=_step,
            before=_again,
            response=_waits,
            inputs=_inputs,
            after=_decided,
            outcome=_failed,
        ),
    ),
)

_FRAMEWORK: Final = Integration(
    "llamaindex-core",
    requires="llama-index-core>=0.14",
    engine="llamaindex",
    patches=(
        *(
            Patch(
                target=f"{_CORE}.tools.function_tool:FunctionTool.{method}",
                label="tool",
                kind="tool",
                name=_tool,
                detail="normal",
            )
            for method in ("call", "acall")
        ),
        Patch(
            target=f"{_CORE}.agent.workflow.base_agent:BaseWorkflowAgent.take_step",
            label="turn",
            kind="agent",
            name=_agent,
            when=_is_turn,
            subclasses=True,
        ),
        *(
            Patch(
                target=f"{_CORE}.base.base_retriever:BaseRetriever.{method}",
                label="retriever",
                kind="tool",
                operation="retrieval",
                name=_class_name,
                when=_is_no_part,
                detail="normal",
                subclasses=True,
            )
            for method in ("retrieve", "aretrieve")
        ),
        *(row for method in ("query", "aquery") for row in _of_engine(method)),
    ),
)

INTEGRATIONS: Final = (_WORKFLOWS, _FRAMEWORK)
