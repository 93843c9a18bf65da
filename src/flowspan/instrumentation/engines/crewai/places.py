"""Labels of CrewAI's rows, and what several of them ask of a call."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import Call

CREW: Final = "crew"
TASK: Final = "task"
AGENT: Final = "agent"
ALONE: Final = "agent alone"
TOOL: Final = "tool"
FLOW: Final = "flow"
METHOD: Final = "method"
MODEL: Final = "model"


def hands_over(call: Call) -> bool:
    """Whether a kickoff has another one do the work, which is what makes the spans.

    One that streams returns at once and is run again, without streaming, as soon as it is read; one
    that starts from a checkpoint is run by the restored object.
    """
    given = (*call.args, *call.kwargs.values())
    restored = any(getattr(one, "restore_from", None) is not None for one in given)
    return restored or bool(getattr(call.instance, "stream", False))


def role(agent: Any) -> str:
    """The name of an agent, which YAML files like to end with a line break."""
    return str(getattr(agent, "role", None) or type(agent).__name__).strip()
