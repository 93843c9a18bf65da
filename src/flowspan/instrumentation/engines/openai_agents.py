"""The OpenAI Agents SDK: a run, the turns of its agents, the functions that they use.

The SDK's own traces, which are no spans of OpenTelemetry, go where they went.
"""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import TOOL_CALL_ID

_LOOP: Final = "agents.run_internal.run_loop"


def _workflow(call: Call) -> str:
    """What the program calls its workflow; else the agent that the run begins with."""
    named = getattr(call.argument("run_config"), "workflow_name", None)
    agent = call.argument("starting_agent", 2 if "streamed" in call.kwargs else 0)
    return str(agent.name if named in {None, "Agent workflow"} else named)


def _agent(call: Call) -> str | None:
    bindings = call.argument("bindings", 1)
    agent = call.argument("agent") if bindings is None else bindings.public_agent
    return None if agent is None else str(agent.name)


def _tool(call: Call) -> str:
    return str(call.kwargs["function_tool"].name)


def _tool_request(call: Call) -> Attributes:
    return {TOOL_CALL_ID: getattr(call.kwargs["context"], "tool_call_id", None)}


INTEGRATION: Final = Integration(
    "openai-agents",
    requires="openai-agents>=0.24",
    engine="openai-agents",
    patches=(
        Patch(target="agents.run:AgentRunner.run", label="run", kind="run", name=_workflow),
        Patch(
            target=f"{_LOOP}:start_streaming",
            names=("agents.run:start_streaming",),
            label="run",
            kind="run",
            name=_workflow,
        ),
        *(
            Patch(
                target=f"{_LOOP}:{turn}",
                names=(f"agents.run:{turn}",),
                label="turn",
                kind="agent",
                name=_agent,
            )
            for turn in ("run_single_turn", "run_single_turn_streamed")
        ),
        Patch(
            target="agents.tool:_invoke_function_tool_with_metadata",
            moved=("agents.tool:invoke_function_tool",),
            names=("agents.run_internal.tool_execution:_invoke_function_tool_with_metadata",),
            label="tool",
            kind="tool",
            name=_tool,
            request=_tool_request,
            detail="normal",
        ),
    ),
)
