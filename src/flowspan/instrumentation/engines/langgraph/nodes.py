"""Rows of nodes and tasks: what they decide, how often they are tried, what they write.

One task is one span, with all its attempts: a node of the graph, each ``Send`` of a fan-out, each
call of a ``@task`` function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.engines.langgraph.places import (
    END,
    NODE,
    QUIET,
    START,
    configurable,
    interruption,
    is_key,
    values,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch
from flowspan.semconv import (
    ATTEMPT,
    CACHE_HIT,
    ERROR_TYPE,
    EVENT_FALLBACK,
    EVENT_RETRY,
    EVENT_ROUTE_TAKEN,
    NODE_ID,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
)

_PUSH: Final = "__pregel_push"

# --- tasks ----------------------------------------------------------------------------------------


def _is_node(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    task = args[0] if args else kwargs.get("task")
    return getattr(task, "name", START) != START


def _task(call: Call) -> Any:
    return call.args[0] if call.args else call.kwargs["task"]


def _name(call: Call) -> str:
    return str(_task(call).name)


def _request(call: Call) -> Attributes:
    return {NODE_ID: _identity(_task(call))}


def _identity(task: Any) -> str:
    """The node's name, and which one of several that were sent or called."""
    path = task.path
    if path and path[0] == _PUSH:
        # ("__pregel_push", index, …) of a Send, ("__pregel_push", path, index, …) of a call
        index = next((part for part in path[1:] if type(part) is int), None)
        if index is not None:
            return f"{task.name}:{index}"
    return str(task.name)


def _failure(_call: Call, error: BaseException) -> Attributes:
    return interruption(error)


# --- state ----------------------------------------------------------------------------------------


def _state(call: Call) -> Any:
    """The state that a node sees; one that was sent a packet sees that, and changes the graph's."""
    task = _task(call)
    if not task.path or task.path[0] != _PUSH:
        return task.input
    read = configurable(task.config).get("__pregel_read")
    return values(read.args[1] if read is not None else {})


def _update(call: Call, _result: Any) -> Mapping[str, Any]:
    """What a node wrote to the state; what it returned may be anything."""
    return {name: value for name, value in _task(call).writes if is_key(name)}


def _inputs(call: Call) -> Any:
    return _task(call).input


# --- attempts -------------------------------------------------------------------------------------


def _tried_again(call: Call, result: Any) -> Iterable[Event]:
    """A failed attempt that its policy allows another one after."""
    frame, policy = call.frame, call.argument("retry_policy", 0)
    if not result or frame is None or frame.label != NODE:
        return
    attempt = frame.notes.get(ATTEMPT, 1) + 1
    if attempt <= policy.max_attempts:
        frame.notes[ATTEMPT] = attempt
        frame.describe({ATTEMPT: attempt})
        error = call.argument("exc", 1)
        yield Event(EVENT_RETRY, {ATTEMPT: attempt, ERROR_TYPE: type(error).__qualname__})


def _handled(call: Call, result: Any) -> Iterable[Event]:
    """A node of the program's that goes on in place of one that failed for good."""
    if result is not None:
        task, error = call.argument("failed_task", 0), call.argument("error", 1)
        attributes = {NODE_ID: _identity(task), ERROR_TYPE: type(error).__qualname__}
        yield Event(EVENT_FALLBACK, attributes)


# --- routes ---------------------------------------------------------------------------------------


def _branched(call: Call, _result: Any) -> Iterable[Event]:
    """Where a conditional edge leads, and the answer of its function where that is another word."""
    answer, ends = call.argument("result", 2), call.instance.ends
    for label in answer if isinstance(answer, list | tuple) else (answer,):
        to = label
        if ends and isinstance(label, str | int | bool):
            to = ends.get(label, label)
        yield _route(call, to, label if to is not label else None)


def _commands(value: Any) -> Iterator[Any]:
    """The commands in what a node returned, or the one packet."""
    if type(value).__name__ == "Send":
        yield value
    for item in value if isinstance(value, list | tuple) else (value,):
        if type(item).__name__ == "Command":
            yield item


def _commands_something(_: Any, args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    if not args or type(args[0]) is dict:  # an update, as nearly all nodes return it
        return False
    return next(_commands(args[0]), None) is not None


def _commanded(call: Call, _result: Any) -> Iterable[Event]:
    for command in _commands(call.args[0]):
        goto = getattr(command, "goto", command)
        for to in goto if isinstance(goto, list | tuple) else (goto,):
            yield _route(call, to, None)


def _route(call: Call, to: Any, action: Any) -> Event:
    target = str(getattr(to, "node", to))
    if target == END:
        target, action = "", END if action is None else action
    origin = START
    if call.frame is not None and call.frame.label == NODE:
        origin = _name(call.frame.call)
    attributes = {
        ROUTE_FROM: origin,
        ROUTE_TO: target or None,
        ROUTE_ACTION: None if action is None else str(action),
    }
    return Event(EVENT_ROUTE_TAKEN, attributes)


# --- caches ---------------------------------------------------------------------------------------


def _is_cached(loop: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a task's writes come from the cache; the older engine's way says so of others too."""
    if kwargs.get("cached") is not True or not args:
        return False
    task = getattr(loop, "tasks", {}).get(args[0])
    return task is not None and task.cache_key is not None


def _is_not_restored(call: Call) -> bool:
    """Whether writes are news: others are a finished task's, restored with a checkpoint."""
    loop = call.instance
    return all(write[0] != call.args[0] for write in loop.checkpoint_pending_writes)


def _cached_task(call: Call) -> Any:
    return call.instance.tasks[call.args[0]]


def _cached_request(call: Call) -> Attributes:
    return {NODE_ID: _identity(_cached_task(call)), CACHE_HIT: True}


_RETRY: Final = "langgraph.pregel._retry"
_LOOP: Final = "langgraph.pregel._loop"

PATCHES: Final = (
    *(
        Patch(
            target=f"{_RETRY}:{function}",
            names=(f"langgraph.pregel._runner:{function}",),
            label=NODE,
            kind="node",
            name=_name,
            glance=_is_node,
            request=_request,
            state=_state,
            update=_update,
            inputs=_inputs,
            failure=_failure,
            quiet=QUIET,
        )
        for function in ("run_with_retry", "arun_with_retry")
    ),
    Patch(target=f"{_RETRY}:_should_retry_on", label="retry", after=_tried_again),
    *(
        Patch(target=f"{_LOOP}:{method}", label="error handler", after=_handled, optional=True)
        for method in (
            "SyncPregelLoop.schedule_error_handler",
            "AsyncPregelLoop.aschedule_error_handler",
        )
    ),
    Patch(target="langgraph.graph._branch:BranchSpec._finish", label="branch", after=_branched),
    Patch(
        target="langgraph.graph.state:_control_branch",
        label="command",
        glance=_commands_something,
        after=_commanded,
    ),
    *(
        Patch(
            target=f"{_LOOP}:PregelLoop.{method}",
            label="cached node",
            kind="node",
            name=lambda call: str(_cached_task(call).name),
            glance=_is_cached,
            when=_is_not_restored,
            request=_cached_request,
        )
        for method in ("put_writes", "output_writes")
    ),
)
