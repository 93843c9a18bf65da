"""Rows of what is run around models: tools, retrievers, agents, and chains on the outside.

A chain's parts make no spans, and neither does a chain inside anything that is seen: the outermost
one is the run that holds its calls together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Patch
from flowspan.semconv import TOOL_CALL_ID

_QUIET: Final = ("GraphBubbleUp",)
"""LangGraph's interrupts, which pass through tools."""

_FAILED: Final = "tool_error"


def _tool_name(call: Call) -> str:
    return str(call.instance.name)


def _tool_request(call: Call) -> Attributes:
    return {TOOL_CALL_ID: call.kwargs.get("tool_call_id")}


def _tool_outcome(_call: Call, result: Any) -> str | None:
    """A tool may answer with what went wrong, for the model to read."""
    return _FAILED if getattr(result, "status", None) == "error" else None


def _class_name(call: Call) -> str:
    """The name that the program gave, or else its class's: what holds others has a long one."""
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _is_run(call: Call) -> bool:
    """Whether a chain is the outermost, and not LangGraph's own, of a state that is changed."""
    if not call.is_outermost():
        return False
    config = call.argument("config", 1)
    name = config.get("run_name") if isinstance(config, Mapping) else None
    return not (isinstance(name, str) and name.endswith(_UPDATE))


_UPDATE: Final = "UpdateState"
_ONE: Final = ("invoke", "ainvoke")
_MANY: Final = ("batch", "abatch")
_STREAM: Final = ("stream", "astream")
_CHAINS: Final = {
    "base:RunnableSequence": (*_ONE, *_MANY, *_STREAM),
    "base:RunnableParallel": (*_ONE, *_STREAM),
    "branch:RunnableBranch": (*_ONE, *_STREAM),
    "fallbacks:RunnableWithFallbacks": (*_ONE, *_MANY, *_STREAM),
    "retry:RunnableRetry": (*_ONE, *_MANY),
}
"""What holds several calls together, and the methods of its own by which it is run."""

PATCHES: Final = (
    *(
        Patch(
            target=f"langchain_core.tools.base:BaseTool.{method}",
            label="tool",
            kind="tool",
            name=_tool_name,
            request=_tool_request,
            outcome=_tool_outcome,
            quiet=_QUIET,
            detail="normal",
        )
        for method in ("run", "arun")
    ),
    *(
        Patch(
            target=f"langchain_core.retrievers:BaseRetriever.{method}",
            label="retriever",
            kind="tool",
            operation="retrieval",
            name=_class_name,
            detail="normal",
        )
        for method in ("invoke", "ainvoke")
    ),
    *(
        Patch(
            target=f"langchain_core.runnables.{chain}.{method}",
            label="chain",
            kind="run",
            name=_class_name,
            when=_is_run,
            quiet=_QUIET,
        )
        for chain, methods in _CHAINS.items()
        for method in methods
    ),
    *(
        Patch(
            target=f"langchain_classic.agents.agent:AgentExecutor.{method}",
            moved=(f"langchain.agents.agent:AgentExecutor.{method}",),
            label="agent",
            kind="agent",
            name=_class_name,
            optional=True,
        )
        for method in ("_call", "_acall")
    ),
)
