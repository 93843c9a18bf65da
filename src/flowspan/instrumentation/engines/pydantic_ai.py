"""pydantic-ai: runs of agents and their tools.

Its own spans, which the program may switch on, stand for agents and tools then: they are adopted
inside the run, and rows make none beside them.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import TOOL_CALL_ID


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or "agent")


def _is_not_traced(call: Call) -> bool:
    """Whether the agent makes no spans of its own."""
    agent = call.instance
    switch = getattr(agent, "instrument", None)
    if switch is None:
        switch = getattr(type(agent), "_instrument_default", None)
    model = type(getattr(agent, "model", None)).__name__
    around = getattr(getattr(agent, "root_capability", None), "capabilities", ())
    names = {type(each).__name__ for each in around}
    return not (switch or model == "InstrumentedModel" or "Instrumentation" in names)


def _is_no_tool_yet(call: Call) -> bool:
    """Whether the tool has no span of pydantic-ai's own."""
    return call.enclosing is None or call.enclosing.kind != "tool"


def _called(call: Call) -> Any:
    return call.argument("validated", 0).call


def _tool(call: Call) -> str:
    return str(_called(call).tool_name)


def _tool_request(call: Call) -> Attributes:
    return {TOOL_CALL_ID: _called(call).tool_call_id}


_QUIET: Final = ("CallDeferred", "ApprovalRequired")
"""How a tool says that it is to be run elsewhere, or not before somebody agrees."""

INTEGRATION: Final = Integration(
    "pydantic-ai",
    requires="pydantic-ai-slim>=2",
    engine="pydantic-ai",
    patches=(
        Patch(
            target="pydantic_ai.agent:Agent.iter",
            label="agent",
            kind="agent",
            name=_name,
            when=_is_not_traced,
        ),
        Patch(
            target="pydantic_ai.agent:Agent.iter",
            label="run",
            kind="run",
            name=_name,
            when=Call.is_outermost,
        ),
        Patch(
            target="pydantic_ai.tool_manager:ToolManager._raw_execute",
            label="tool",
            kind="tool",
            name=_tool,
            request=_tool_request,
            when=_is_no_tool_yet,
            quiet=_QUIET,
            detail="normal",
            optional=True,
        ),
    ),
)
