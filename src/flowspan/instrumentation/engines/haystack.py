"""Haystack: pipelines are runs, their components nodes, agents and tools what they are.

Haystack's own tracing is made by a backend that the program chooses; it goes on as it is.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import NODE_ID, STEP_NAME

_PIPELINE: Final = "haystack.core.pipeline.pipeline:Pipeline"
_AGENT: Final = "haystack.components.agents.agent:Agent"


def _workflow(call: Call) -> str:
    """The name that the program gave in the pipeline's metadata."""
    metadata: Any = getattr(call.instance, "metadata", None) or {}
    return str(metadata.get("name") or type(call.instance).__name__)


def _component(call: Call) -> Attributes:
    name = str(call.argument("component_name", 0))
    return {STEP_NAME: name, NODE_ID: name}


def _inputs(call: Call) -> Any:
    return call.kwargs.get("component_inputs", call.argument("inputs", 2))


def _agent(call: Call) -> str:
    """A component has the name by which its pipeline knows it."""
    return str(getattr(call.instance, "__component_name__", None) or "agent")


def _is_no_part(call: Call) -> bool:
    """Whether it is not the other method of a tool that is under way."""
    around = call.enclosing
    return around is None or around.kind != "tool" or around.call.instance is not call.instance


def _tool(call: Call) -> str:
    return str(call.instance.name)


_QUIET: Final = ("BreakpointException",)

INTEGRATION: Final = Integration(
    "haystack",
    requires="haystack-ai>=3",
    engine="haystack",
    patches=(
        *(
            Patch(
                target=f"{_PIPELINE}.{method}",
                label="run",
                kind="run",
                name=_workflow,
                quiet=_QUIET,
            )
            for method in ("run", "run_async_generator")
        ),
        *(
            Patch(
                target=f"{_PIPELINE}.{method}",
                label="component",
                kind="node",
                request=_component,
                inputs=_inputs,
                quiet=_QUIET,
            )
            for method in ("_run_component", "_run_component_async")
        ),
        *(
            row
            for method in ("run", "run_async")
            for row in (
                Patch(
                    target=f"{_AGENT}.{method}",
                    label="agent",
                    kind="agent",
                    name=_agent,
                    quiet=_QUIET,
                ),
                Patch(
                    target=f"{_AGENT}.{method}",
                    label="run",
                    kind="run",
                    name=_agent,
                    when=Call.is_outermost,
                    quiet=_QUIET,
                ),
            )
        ),
        *(
            Patch(
                target=f"haystack.tools.tool:Tool.{method}",
                label="tool",
                kind="tool",
                name=_tool,
                when=_is_no_part,
                detail="normal",
            )
            for method in ("invoke", "invoke_async")
        ),
    ),
)
