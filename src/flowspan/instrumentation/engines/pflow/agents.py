"""Rows of nodes that run an agent: Codex; Claude Code is seen where the SDK for it asks it.

Codex is a process of its own, in which nothing of ours is.  pflow reads what it has used from what
it says: all its requests together are one model call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Content, Patch, ToolRequest
from flowspan.semconv import CONVERSATION_ID, PROVIDER_NAME
from flowspan.usage import Usage

_AGENT: Final = "codex"
_RUN: Final = "pflow.nodes.agent.codex_backend:CodexBackend.run"
_COMMAND: Final = "shell"


def _model(call: Call) -> str | None:
    """The model that the node names; which one Codex takes otherwise, it does not say."""
    model = call.argument("options", 1).get("model")
    return None if model is None else str(model)


def _request(_call: Call) -> Attributes:
    return {PROVIDER_NAME: "openai"}


def _response(_call: Call, result: Any) -> Attributes:
    return {"codex.turns": _metadata(result).get("num_turns")}


def _session(_call: Call, result: Any) -> Attributes:
    return {CONVERSATION_ID: _metadata(result).get("session_id")}


def _metadata(result: Any) -> Mapping[str, Any]:
    said: Mapping[str, Any] = result.metadata
    return said


def _usage(_call: Call, result: Any) -> Usage | None:
    said = _metadata(result)
    if not said.get("usage_available"):
        return None
    return Usage(
        input_tokens=said.get("input_tokens"),
        output_tokens=said.get("output_tokens"),
        cache_read_tokens=said.get("cache_read_input_tokens"),
        reasoning_tokens=said.get("reasoning_output_tokens"),
    )


def _content(call: Call, result: Any) -> Content:
    """The prompt, and the last answer."""
    if result is None:
        return Content(input=_message("user", call.argument("prompt", 0)))
    return Content(output=_message("assistant", result.result_text))


def _message(role: str, text: str) -> Any:
    return [{"role": role, "parts": [{"type": "text", "content": text}]}]


def _tools(_call: Call, result: Any) -> Iterable[ToolRequest]:
    """Commands, which are texts of the model's: all are of one tool."""
    return [ToolRequest(_COMMAND) for _ in result.tool_uses]


PATCHES: Final = (
    Patch(
        target=_RUN,
        label="call",
        kind="llm",
        name=_model,
        request=_request,
        response=_response,
        usage=_usage,
        tools=_tools,
        content=_content,
        optional=True,
    ),
    Patch(
        target=_RUN,
        label="agent",
        kind="agent",
        name=_AGENT,
        response=_session,
        optional=True,
    ),
)
