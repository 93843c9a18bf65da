"""smolagents: a run of an agent, its plans and steps, its tools and the agents that it manages."""

from __future__ import annotations

import itertools
from typing import Final

from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    ByIdentity,
    Call,
    Conversation,
    Integration,
    Patch,
)
from flowspan.semconv import ATTEMPT, ERROR_TYPE, EVENT_RETRY, INTERRUPTION, STEP_INDEX

_AGENT: Final = "smolagents.agents:MultiStepAgent"
_REFUSED: Final = "smolagents refused answers"

_numbers: Final = ByIdentity[int]()
_count: Final = itertools.count(1)


def _name(call: Call) -> str:
    """The name that the program gave, or else its class's."""
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _conversation(call: Call) -> Conversation:
    """An agent keeps what it did; one that was interrupted goes on, unless it is to begin anew."""
    agent = call.instance
    number = _numbers.get(agent)
    if number is None:
        number = _numbers.set_once(agent, next(_count))
    stopped = bool(getattr(agent, "interrupt_switch", False))
    resumes = stopped and not call.argument("reset", 2, default=True)
    return Conversation(f"agent {number}", resumes, told=False)


def _interrupted(_call: Call, error: BaseException) -> Attributes:
    """Somebody asked the agent to stop: it says so by an error of its most general class."""
    stopped = type(error).__name__ == "AgentError" and "interrupted" in str(error)
    return {INTERRUPTION: "interrupt"} if stopped else NOTHING


def _step(call: Call) -> Attributes:
    return {STEP_INDEX: call.argument("memory_step", 0).step_number}


def _refused(call: Call, error: BaseException) -> Attributes:
    """A check does not like the answer: the model is asked once more."""
    if call.frame is not None:
        again = call.frame.notes[_REFUSED] = call.frame.notes.get(_REFUSED, 1) + 1
        call.frame.event(EVENT_RETRY, {ATTEMPT: again, ERROR_TYPE: type(error).__name__})
    return NOTHING


INTEGRATION: Final = Integration(
    "smolagents",
    requires="smolagents>=1.20",
    engine="smolagents",
    patches=(
        Patch(
            target=f"{_AGENT}.run",
            label="agent",
            kind="agent",
            name=_name,
            failure=_interrupted,
        ),
        Patch(
            target=f"{_AGENT}.run",
            label="run",
            kind="run",
            name=_name,
            when=Call.is_outermost,
            conversation=_conversation,
            failure=_interrupted,
        ),
        Patch(
            target=f"{_AGENT}._step_stream",
            label="step",
            kind="step",
            request=_step,
            subclasses=True,
            detail="normal",
        ),
        Patch(target=f"{_AGENT}._generate_planning_step", label="plan", kind="plan", optional=True),
        Patch(
            target=f"{_AGENT}._validate_final_answer",
            label="check",
            failure=_refused,
            optional=True,
        ),
        Patch(
            target="smolagents.tools:Tool.__call__",
            label="tool",
            kind="tool",
            name=_name,
            subclasses=True,
            detail="normal",
        ),
    ),
)
