"""Rows of agents: those that a crew's tasks are given to, and those that are asked alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from flowspan.instrumentation.engines.crewai.places import AGENT, ALONE, TASK, hands_over, role
from flowspan.instrumentation.integration import Attributes, Call, Event, Frame, Patch
from flowspan.semconv import ATTEMPT, ERROR_TYPE, EVENT_RETRY, STEP_INDEX

_GUARDRAIL: Final = "guardrail"


def _name(call: Call) -> str:
    return role(call.instance)


# --- agents of a crew -----------------------------------------------------------------------------


def _is_within(call: Call) -> bool:
    """Whether the agent is at this task already: it tries again, or calls what it overrides."""
    around = call.enclosing
    return (
        around is not None
        and around.label == AGENT
        and around.call.instance is call.instance
        and around.call.argument("task", 0) is call.argument("task", 0)
    )


def _begins(call: Call) -> bool:
    return not _is_within(call)


def _handled() -> int:
    """Which error is being handled here, by its identity: the error itself is not kept."""
    return id(sys.exception())


def _tries_again(call: Call) -> Iterable[Event]:
    """An agent tries again inside of what handles the error of the attempt before."""
    error, frame = sys.exception(), call.frame
    if error is not None and frame is not None and frame.call.snapshot != _handled():
        yield _retry(frame, type(error).__qualname__)


def _repeats(call: Call) -> Iterable[Event]:
    """A task has its agent work again where a guardrail refused what it said."""
    task = call.enclosing
    if task is None or task.label != TASK:
        return
    if ATTEMPT in task.notes:
        yield _retry(task, _GUARDRAIL)._replace(on="enclosing")
        task.describe({ATTEMPT: task.notes[ATTEMPT]})
    task.notes.setdefault(ATTEMPT, 1)


def _is_asked_again(call: Call) -> Iterable[Event]:
    """An agent alone has a guardrail of its own."""
    alone = call.frame
    if alone is None or alone.label != ALONE:
        return
    if ATTEMPT in alone.notes:
        yield _retry(alone, _GUARDRAIL)
    alone.notes.setdefault(ATTEMPT, 1)


def _retry(frame: Frame, reason: str) -> Event:
    """The number of the attempt that begins, and why the one before was not enough."""
    frame.notes[ATTEMPT] = frame.notes.get(ATTEMPT, 1) + 1
    return Event(EVENT_RETRY, {ATTEMPT: frame.notes[ATTEMPT], ERROR_TYPE: reason})


# --- agents alone ---------------------------------------------------------------------------------


def _is_asked(call: Call) -> bool:
    """Whether this is not the second half of asking: several ways lead through each other."""
    around = call.enclosing
    inside = around if around is not None and around.label == ALONE else None
    first = inside is None or role(inside.call.instance) != _name(call)
    return first and not hands_over(call)


def _is_outermost(call: Call) -> bool:
    return call.is_outermost() and not hands_over(call)


# --- plans ----------------------------------------------------------------------------------------


def _planner_name(call: Call) -> str:
    return role(call.instance.agent)


def _step_request(call: Call) -> Attributes:
    return {STEP_INDEX: getattr(call.argument("todo", 0), "step_number", None)}


_BASE: Final = "crewai.agents.agent_builder.base_agent:BaseAgent"
_WAYS: Final = (
    "crewai.agent:Agent.kickoff",
    "crewai.agent:Agent.kickoff_async",
    "crewai.lite_agent:LiteAgent.kickoff",
)
_ATTEMPTS: Final = (
    "crewai.agent:Agent._execute_and_build_output",
    "crewai.agent:Agent._execute_and_build_output_async",
    "crewai.lite_agent:LiteAgent._execute_core",
)

PATCHES: Final = (
    *(
        Patch(
            target=f"{_BASE}.{method}",
            label=AGENT,
            kind="agent",
            name=_name,
            when=_begins,
            snapshot=lambda _call: _handled(),
            before=_repeats,
            subclasses=True,
            optional=method == "aexecute_task",
        )
        for method in ("execute_task", "aexecute_task")
    ),
    # Outside of the rows above, so that an attempt that begins is not taken for one inside itself.
    *(
        Patch(
            target=f"{_BASE}.{method}",
            label="attempt",
            when=_is_within,
            before=_tries_again,
            subclasses=True,
            optional=method == "aexecute_task",
        )
        for method in ("execute_task", "aexecute_task")
    ),
    *(Patch(target=way, label=ALONE, kind="agent", name=_name, when=_is_asked) for way in _WAYS),
    *(
        Patch(
            target=attempt,
            label="attempt",
            before=_is_asked_again,
            optional="_execute_and" in attempt,
        )
        for attempt in _ATTEMPTS
    ),
    *(
        Patch(target=way, label="asked", kind="run", name=_name, when=_is_outermost)
        for way in _WAYS
    ),
    Patch(
        target="crewai.utilities.reasoning_handler:AgentReasoning.handle_agent_reasoning",
        label="reasoning",
        kind="plan",
        name=_planner_name,
    ),
    Patch(
        target="crewai.agents.step_executor:StepExecutor.execute",
        label="planned step",
        kind="step",
        name="planned step",
        request=_step_request,
        optional=True,
        detail="normal",
    ),
)
