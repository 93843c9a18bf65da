"""Rows of nodes: what the engine runs of a workflow, where it goes on, what it had in a cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan.instrumentation.engines.pflow import failures
from flowspan.instrumentation.engines.pflow.inputs import inputs
from flowspan.instrumentation.engines.pflow.workflows import (
    GATES,
    RUN,
    RUNNER,
    identity,
    interruption,
)
from flowspan.instrumentation.engines.pocketflow.graph import NODE, SUBJECT
from flowspan.instrumentation.integration import Attributes, Call, Event, Frame, Judged, Patch
from flowspan.semconv import (
    ATTEMPT,
    CACHE_HIT,
    COST_STATUS,
    EVENT_ROUTE_TAKEN,
    NODE_ID,
    REPLAYED,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
)

_ENGINE: Final = "pflow.runtime.engine"
_LOOP: Final = "loop"
_LOST: Final = "routing_error"


def _config(call: Call) -> Any:
    return call.argument("config", 1)


def _store(call: Call) -> Any:
    return call.argument("shared", 2)


def _request(call: Call) -> Attributes:
    config, frame = _config(call), call.frame
    around = identity(call.enclosing)
    which = f"{around}/{config.node_id}" if around else config.node_id
    if frame is not None:
        frame.notes["id"] = which
        frame.notes[SUBJECT] = call.argument("node", 0)
    return {NODE_ID: which, "pflow.node.type": config.node_type_name}


def _ended(call: Call, _result: Any) -> Attributes:
    return {ATTEMPT: None if call.frame is None else call.frame.notes.get("attempt")}


def _stopped(call: Call, error: BaseException) -> Attributes:
    return {**_ended(call, None), **interruption(error)}


def _outputs(call: Call) -> Any:
    return _store(call).get(_config(call).node_id)


def _judged(call: Call, _result: Any) -> Judged:
    """What a node gives are its outputs; the store is what it works on."""
    return Judged(_outputs(call), _store(call))


def _outcome(call: Call, result: Any) -> str | None:
    """A node says by its action that it failed; why is with the failures of the run."""
    if not failures.is_failure(result):
        return None
    known = _store(call).get("__failures__")
    record = known.get(_config(call).node_id) if isinstance(known, Mapping) else None
    category = record.get("category") if isinstance(record, Mapping) else None
    return failures.told(call, failures.reason(call.frame, category, failures.FAILED))


# --- a node without a workflow -------------------------------------------------------------------


def _alone_request(call: Call) -> Attributes:
    if call.frame is not None:
        call.frame.notes[SUBJECT] = call.instance
    return {"pflow.node.type": type(call.instance).__name__}


def _alone_outcome(call: Call, result: Any) -> str | None:
    if not failures.is_failure(result):
        return None
    return failures.told(call, failures.reason(call.frame, None, failures.FAILED))


def _alone_over(call: Call, result: Any) -> Iterable[Event]:
    return () if failures.is_failure(result) else failures.fallback(call)


# --- routes --------------------------------------------------------------------------------------


def _over(call: Call, result: Any) -> Iterable[Event]:
    if not failures.is_failure(result):
        yield from failures.fallback(call)
    yield from _routed(call, result)


def _routed(call: Call, result: Any) -> Iterable[Event]:
    node, run = call.argument("node", 0), call.enclosing
    if getattr(_config(call), "loop_config", None) is None:
        yield from _route(node, result)
    elif run is not None:  # whether it goes round again is decided when it is over
        run.notes["looping"] = node, result


def _route(node: Any, action: Any) -> Iterable[Event]:
    successors = node.successors
    if successors:
        name = str(action or "default")
        following = successors.get(name)
        if following is not None or not failures.is_failure(action):
            yield _event(node, getattr(following, "node_id", None), name)


def _event(node: Any, following: str | None, action: str) -> Event:
    return Event(
        EVENT_ROUTE_TAKEN,
        {ROUTE_FROM: node.node_id, ROUTE_TO: following, ROUTE_ACTION: action},
    )


def _decided(call: Call, again: Any) -> Iterable[Event]:
    """Whether a node goes round again; the node is over by then, so the workflow has the event."""
    node, action = (None, None) if call.frame is None else _looping(call.frame)
    if node is None:
        return
    if again:
        yield _event(node, node.node_id, _LOOP)
    else:
        yield from _route(node, action)


def _led_nowhere(call: Call, result: Any) -> Iterable[Event]:
    """No way goes on from a node that did well: that is the failure of the workflow."""
    if failures.is_failure(result) and not failures.is_failure(call.argument("last_action", 0)):
        failures.tell(call.frame, _LOST)
    return ()


def _looping(frame: Frame) -> tuple[Any, Any]:
    found: tuple[Any, Any] = (None, None)
    if frame.label in (RUN, RUNNER):
        found = frame.notes.pop("looping", found)
    return found


# --- what was in a cache -------------------------------------------------------------------------


def _replayed(call: Call) -> Attributes:
    output = call.argument("shared", 1).get(call.argument("node_id", 0))
    asked_a_model = call.argument("node_type_name", 4) == "LLMNode" or (
        isinstance(output, Mapping) and bool(output.get("llm_usage"))
    )
    return {
        CACHE_HIT: True,
        REPLAYED: True,
        COST_STATUS: "replayed" if asked_a_model else None,
        "pflow.cache.source": call.kwargs.get("cache_source") or "memo",
    }


PATCHES: Final = (
    Patch(
        target=f"{_ENGINE}.engine:WorkflowEngine._execute_node",
        label=NODE,
        kind="node",
        name=lambda call: _config(call).node_id,
        request=_request,
        response=_ended,
        failure=_stopped,
        outcome=_outcome,
        after=_over,
        state=_outputs,
        inputs=inputs,
        judged=_judged,
        quiet=GATES,
    ),
    Patch(
        target="pflow.core.node:BaseNode.run",
        label=NODE,
        kind="node",
        name=lambda call: type(call.instance).__name__,
        request=_alone_request,
        response=_ended,
        failure=_stopped,
        outcome=_alone_outcome,
        after=_alone_over,
        subclasses=True,
    ),
    Patch(
        target=f"{_ENGINE}.instrumentation:handle_cached_execution",
        names=(f"{_ENGINE}.engine:handle_cached_execution",),
        label="cached",
        request=_replayed,
    ),
    Patch(
        target=f"{_ENGINE}.loop_control:should_reenter",
        moved=(f"{_ENGINE}.engine:WorkflowEngine._loop_should_reenter",),
        names=(f"{_ENGINE}.engine:should_reenter",),
        label=_LOOP,
        after=_decided,
    ),
    Patch(
        target=f"{_ENGINE}.engine:WorkflowEngine._handle_no_successor",
        label="no way on",
        after=_led_nowhere,
    ),
)
