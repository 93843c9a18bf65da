"""LangChain's messages: what they say in the conventions' form, their tokens, their tool calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, ToolRequest
from flowspan.semconv import RESPONSE_FINISH_REASONS, RESPONSE_ID, RESPONSE_MODEL
from flowspan.usage import Usage

_ROLES: Final = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_OWN_IDS: Final = ("run-", "lc_run-")
"""How ids of LangChain's own making begin."""

_COUNTS: Final = (
    ("input_tokens", "input_tokens", None),
    ("output_tokens", "output_tokens", None),
    ("cache_read_tokens", "input_token_details", "cache_read"),
    ("cache_write_tokens", "input_token_details", "cache_creation"),
    ("input_audio_tokens", "input_token_details", "audio"),
    ("reasoning_tokens", "output_token_details", "reasoning"),
    ("output_audio_tokens", "output_token_details", "audio"),
)
"""Count of a usage, and where ``usage_metadata`` has it."""


def usage_of(message: Any) -> Usage | None:
    """The tokens that a message says it cost; LangChain has them in one form for all providers."""
    said = getattr(message, "usage_metadata", None)
    if isinstance(said, Usage):
        return said
    if not isinstance(said, Mapping):
        return None
    counts: dict[str, Any] = {}
    for name, key, detail in _COUNTS:
        found = said.get(key)
        if detail is not None:
            found = found.get(detail) if isinstance(found, Mapping) else None
        counts[name] = found
    found_usage = Usage(**counts)
    return None if found_usage.input_tokens is None is found_usage.output_tokens else found_usage


def response_of(messages: Iterable[Any]) -> Attributes:
    """What messages say of the answer that they are."""
    known: dict[str, Any] = {}
    reasons: list[str] = []
    for message in messages:
        said = getattr(message, "response_metadata", None)
        said = said if isinstance(said, Mapping) else {}
        known.setdefault(RESPONSE_MODEL, said.get("model_name") or said.get("model"))
        reason = said.get("finish_reason") or said.get("stop_reason") or said.get("done_reason")
        reasons += [reason] if isinstance(reason, str) else []
        identity = getattr(message, "id", None)
        if isinstance(identity, str) and not identity.startswith(_OWN_IDS):
            known.setdefault(RESPONSE_ID, identity)
    return {**known, RESPONSE_FINISH_REASONS: reasons or None}


def tools_of(messages: Iterable[Any]) -> Iterator[ToolRequest]:
    """The tools that messages ask for."""
    for message in messages:
        for call in getattr(message, "tool_calls", None) or ():
            yield ToolRequest(call.get("name"), call.get("id"))


def described(message: Any) -> dict[str, Any]:
    """A message in the conventions' form."""
    kind = str(getattr(message, "type", "user"))
    if kind == "tool":
        answer = {
            "type": "tool_call_response",
            "id": getattr(message, "tool_call_id", None),
            "response": getattr(message, "content", None),
        }
        return {"role": "tool", "parts": [answer]}
    parts = list(_parts(getattr(message, "content", message)))
    parts += [
        {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": call.get("args"),
        }
        for call in getattr(message, "tool_calls", None) or ()
    ]
    return {"role": _ROLES.get(kind, kind), "parts": parts}


def _parts(content: Any) -> Iterator[dict[str, Any]]:
    """Texts as such; of images, files and the rest only what they are."""
    for block in content if isinstance(content, list) else (content,):
        if isinstance(block, str):
            yield {"type": "text", "content": block}
        elif isinstance(block, Mapping):
            words = block.get("text")
            kind = str(block.get("type", "text"))
            if isinstance(words, str):
                yield {"type": "text", "content": words}
            elif kind not in ("tool_use", "tool_call"):  # those are among the tool calls
                yield {"type": kind}
