"""smolagents: a run of an agent, its plans and steps, its tools and the agents that it manages."""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import STEP_INDEX

_AGENT: Final = "smolagents.agents:MultiStepAgent"


def _name(call: Call) -> str:
    """The name that the program gave, or else its class's."""
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _step(call: Call) -> Attributes:
    return {STEP_INDEX: call.argument("memory_step", 0).step_number}


INTEGRATION: Final = Integration(
    "smolagents",
    requires="smolagents>=1.20",
    engine="smolagents",
    patches=(
        Patch(target=f"{_AGENT}.run", label="agent", kind="agent", name=_name),
        Patch(target=f"{_AGENT}.run", label="run", kind="run", name=_name, when=Call.is_outermost),
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
            target="smolagents.tools:Tool.__call__",
            label="tool",
            kind="tool",
            name=_name,
            subclasses=True,
            detail="normal",
        ),
    ),
)
