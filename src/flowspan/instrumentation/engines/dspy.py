"""DSPy: a program is a run, the modules inside it are nodes or agents, and tools are tools."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import NODE_ID, STEP_NAME

_AGENTS: Final = frozenset({"ReAct", "ReActV2", "CodeAct", "Avatar", "RLM"})
"""Modules that use tools in a loop of their own."""


def _name(call: Call) -> str:
    return type(call.instance).__name__


def _is_agent(call: Call) -> bool:
    return bool({each.__name__ for each in type(call.instance).__mro__} & _AGENTS)


def _is_node(call: Call) -> bool:
    return not _is_agent(call)


def _node(call: Call) -> Attributes:
    return {STEP_NAME: _name(call), NODE_ID: _name(call)}


def _inputs(call: Call) -> Any:
    return call.kwargs


def _tool(call: Call) -> str:
    return str(call.instance.name)


def _rows(method: str) -> tuple[Patch, ...]:
    """What is listed last is outermost."""
    target = f"dspy.primitives.module:Module.{method}"
    return (
        Patch(target=target, label="agent", kind="agent", name=_name, when=_is_agent),
        Patch(
            target=target,
            label="module",
            kind="node",
            request=_node,
            inputs=_inputs,
            when=_is_node,
        ),
        Patch(target=target, label="run", kind="run", name=_name, when=Call.is_outermost),
        Patch(
            target=f"dspy.adapters.types.tool:Tool.{method}",
            label="tool",
            kind="tool",
            name=_tool,
            detail="normal",
        ),
    )


INTEGRATION: Final = Integration(
    "dspy",
    requires="dspy>=3",
    engine="dspy",
    patches=(*_rows("__call__"), *_rows("acall")),
)
