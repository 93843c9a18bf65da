"""Rows of supersteps and of what happens between them: checkpoints and breakpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan.instrumentation.engines.langgraph.places import (
    AGENT,
    QUIET,
    RUN,
    START,
    STEP,
    configurable,
    frames,
    interruption,
    run_around,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch
from flowspan.semconv import (
    CHECKPOINT_ID,
    CHECKPOINT_NAME,
    EVENT_CHECKPOINT_RESTORED,
    EVENT_CHECKPOINT_SAVED,
    INTERRUPTION,
    STEP_INDEX,
)

# --- supersteps -----------------------------------------------------------------------------------


def _has_nodes(_runner: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a step runs more than the plumbing that takes the input in.

    A step that has come wholly from a cache runs nothing.
    """
    tasks = args[0] if args else kwargs.get("tasks")
    if isinstance(tasks, list | tuple):
        for task in tasks:
            if task.name != START:
                return True
    return False


def _step_request(call: Call) -> Attributes:
    """The engine counts its steps itself; the loop is whose method schedules more tasks."""
    schedule = call.kwargs.get("schedule_task")
    return {STEP_INDEX: getattr(getattr(schedule, "__self__", None), "step", None)}


def _interrupted(call: Call, error: BaseException) -> Attributes:
    """An interrupt ends the step, and the run without a word: it is said on both."""
    found = interruption(error)
    if found:
        _tell_run(call, found)
    return found


def _tell_run(call: Call, attributes: Attributes) -> None:
    for frame in frames(call):
        if frame.label in (RUN, AGENT):
            frame.describe(attributes)
        if frame.label == RUN:
            return


def _stopped(call: Call, result: Any) -> Attributes:
    """A breakpoint before or after a node, which the loop asks for where there is one."""
    if result:
        _tell_run(call, {INTERRUPTION: "GraphInterrupt"})
    return {}


# --- checkpoints ----------------------------------------------------------------------------------


def _saves(loop: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    return loop.checkpointer is not None and loop.checkpointer is not False


def _saved_until_now(call: Call) -> Any:
    return configurable(call.instance.checkpoint_config).get("checkpoint_id")


def _saved(call: Call, _result: Any) -> Iterable[Event]:
    """The checkpoint that was handed to the checkpointer, if one was."""
    loop = call.instance
    latest = _saved_until_now(call)
    if latest != call.snapshot and latest == loop.checkpoint["id"]:
        _on_run(call, EVENT_CHECKPOINT_SAVED, _described(loop, loop.checkpoint_metadata))
    return ()


def _restored(call: Call) -> Iterable[Event]:
    """The checkpoint that the run goes on from, if there is one."""
    loop = call.instance
    if loop.checkpoint["channel_versions"]:
        _on_run(call, EVENT_CHECKPOINT_RESTORED, _described(loop, loop.checkpoint_metadata))
    return ()


def _described(loop: Any, metadata: Mapping[str, Any]) -> Attributes:
    return {
        CHECKPOINT_ID: loop.checkpoint["id"],
        CHECKPOINT_NAME: metadata.get("source"),
        STEP_INDEX: metadata.get("step"),
    }


def _on_run(call: Call, name: str, attributes: Attributes) -> None:
    """An agent's checkpoints are its run's."""
    frame = run_around(call)
    if frame is not None:
        frame.event(name, attributes)


_RUNNER: Final = "langgraph.pregel._runner:PregelRunner"
_LOOP: Final = "langgraph.pregel._loop:PregelLoop"

PATCHES: Final = (
    *(
        Patch(
            target=f"{_RUNNER}.{method}",
            label=STEP,
            kind="step",
            name=STEP,
            glance=_has_nodes,
            request=_step_request,
            failure=_interrupted,
            quiet=QUIET,
            detail="normal",
        )
        for method in ("tick", "atick")
    ),
    Patch(
        target="langgraph.pregel._algo:should_interrupt",
        names=("langgraph.pregel._loop:should_interrupt",),
        label="breakpoint",
        response=_stopped,
    ),
    Patch(
        target=f"{_LOOP}._first",
        label="checkpoint restored",
        glance=_saves,
        before=_restored,
        detail="normal",
    ),
    Patch(
        target=f"{_LOOP}._put_checkpoint",
        label="checkpoint saved",
        glance=_saves,
        snapshot=_saved_until_now,
        after=_saved,
        detail="normal",
    ),
)
