"""AG2 1.x: turns of agents and their tools.

Its own spans, which the program may add as a middleware, stand for them then: they are adopted
inside the run, and rows make none beside them.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Integration,
    Patch,
)
from flowspan.semconv import CONVERSATION_ID, ERROR_TYPE, INTERRUPTION, TOOL_CALL_ID

_OWN: Final = "TelemetryMiddleware"


def _name(call: Call) -> str:
    return str(call.instance.name)


def _conversation(call: Call) -> Attributes:
    """Questions that follow each other are asked in one stream."""
    stream = getattr(call.kwargs.get("context"), "stream", None)
    known = getattr(stream, "id", None)
    return {CONVERSATION_ID: None if known is None else str(known)}


def _is_not_traced(call: Call) -> bool:
    """Whether the agent makes no spans of its own."""
    around = (
        *getattr(call.instance, "_middleware", ()),
        *call.kwargs.get("additional_middleware", ()),
    )
    return all(type(each).__name__ != _OWN for each in around)


def _is_no_tool_yet(call: Call) -> bool:
    """Whether the tool has no span of AG2's own."""
    return call.enclosing is not None and call.enclosing.kind != "tool"


def _tool_request(call: Call) -> Attributes:
    return {TOOL_CALL_ID: call.argument("event", 0).id}


def _tool(call: Call) -> str:
    return str(call.argument("event", 0).name)


def _failed(_call: Call, result: Any) -> str | None:
    """A tool's exception is told to the model in what it answers."""
    error = getattr(result, "error", None)
    return None if error is None else type(error).__name__


def _turn_failed(call: Call, error: BaseException) -> Attributes:
    """A turn's scope is left without its exception: it is told on the run, or the inner agent.

    One that is cancelled was interrupted, the agent as well.
    """
    frame = call.frame
    while frame is not None and frame.kind != "agent":
        frame = frame.parent
    name, is_error = type(error).__name__, isinstance(error, Exception)
    if frame is not None and not is_error:
        frame.describe({INTERRUPTION: name})
    if frame is not None and frame.parent is not None and frame.parent.label == "run":
        frame = frame.parent
    if frame is not None:
        frame.describe({ERROR_TYPE if is_error else INTERRUPTION: name})
    return NOTHING


_TURN: Final = "ag2.agent:Agent._turn_scope"

INTEGRATION: Final = Integration(
    "ag2",
    requires="ag2>=1",
    engine="ag2",
    patches=(
        Patch(target=_TURN, label="agent", kind="agent", name=_name, when=_is_not_traced),
        Patch(
            target=_TURN,
            label="run",
            kind="run",
            name=_name,
            request=_conversation,
            when=Call.is_outermost,
        ),
        Patch(target="ag2.agent:_execute_turn", label="turn", failure=_turn_failed, optional=True),
        Patch(
            target="ag2.tools.final.function_tool:FunctionTool.__call__",
            label="tool",
            kind="tool",
            name=_tool,
            request=_tool_request,
            outcome=_failed,
            when=_is_no_tool_yet,
            detail="normal",
        ),
    ),
)
