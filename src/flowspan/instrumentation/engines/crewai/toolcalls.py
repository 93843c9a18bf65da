"""Rows of tools: each time that one is carried out; answers from the crew's cache are none."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.engines.crewai.places import TOOL
from flowspan.instrumentation.integration import Call, Patch


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _begins(call: Call) -> bool:
    """Whether this is not a tool that is carried out by another object of the same name."""
    around = call.enclosing
    return around is None or around.label != TOOL or _name(around.call) != _name(call)


def _outcome(_call: Call, result: Any) -> str | None:
    """A tool may report its failure in place of raising it."""
    if type(result).__name__ != "ToolFailure":
        return None
    return str(getattr(result.reason, "value", result.reason))


PATCHES: Final = tuple(
    Patch(
        target=target,
        label=TOOL,
        kind="tool",
        name=_name,
        when=_begins,
        outcome=_outcome,
        subclasses=True,
        optional=target.endswith(".arun"),
        detail="normal",
    )
    for target in (
        "crewai.tools.base_tool:BaseTool.run",
        "crewai.tools.base_tool:BaseTool.arun",
        "crewai.tools.structured_tool:CrewStructuredTool.invoke",
        "crewai.tools.structured_tool:CrewStructuredTool.ainvoke",
    )
)
