"""Cohere: chat of both versions, generate and embeddings.

Cohere tells tokens twice.  The *billed units* are what its documentation says is charged and what
its prices are for, so these are the call's tokens; the *tokens* beside them also count the template
in which Cohere wraps a prompt.
Answers do not name their model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire import openai_chat
from flowspan.instrumentation.clients.wire.openai_chat import asked, output_type, several
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    asked_in,
    message,
    parts_of,
    text_part,
    tool_call_part,
)
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape, newest
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

_REQUEST: Final[Rules] = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, number),),
    "p": ((semconv.REQUEST_TOP_P, number),),
    "k": ((semconv.REQUEST_TOP_K, number),),
    "frequency_penalty": ((semconv.REQUEST_FREQUENCY_PENALTY, number),),
    "presence_penalty": ((semconv.REQUEST_PRESENCE_PENALTY, number),),
    "max_tokens": ((semconv.REQUEST_MAX_TOKENS, count),),
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "seed": ((semconv.REQUEST_SEED, count),),
    "num_generations": ((semconv.REQUEST_CHOICE_COUNT, several),),
    "stream": ((semconv.REQUEST_STREAM, asked),),
    "response_format": ((semconv.OUTPUT_TYPE, output_type),),
    "output_dimension": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
    "embedding_types": ((semconv.REQUEST_ENCODING_FORMATS, words),),
}

_FAILED: Final = "ERROR"
"""How the finish reasons of answers begin that failed."""


def _counted(usage: Any) -> Usage | None:
    """What is charged; where that is not told, what was counted."""
    billed = Usage.of("cohere.billed", usage)
    if billed is not None and billed.input_tokens is not None:
        return billed
    return Usage.of("cohere.tokens", usage) or billed


def _reasons(*reasons: Any) -> list[str] | None:
    return [reason for each in reasons if (reason := word(each)) is not None] or None


def _failure(reason: Any) -> dict[str, str] | None:
    """The error that a finish reason stands for."""
    found = word(reason) or ""
    return {"type": found} if found.startswith(_FAILED) else None


# --- version 2 ------------------------------------------------------------------------------------


def _response(body: Any) -> dict[str, AttributeValue | None]:
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_FINISH_REASONS: _reasons(read(body, "finish_reason")),
    }


def _tools(body: Any) -> Iterator[ToolRequest]:
    for call in items(read(read(body, "message"), "tool_calls")):
        name = word(read(read(call, "function"), "name"))
        yield ToolRequest(name, word(read(call, "id")))


def _fold(events: Sequence[Any]) -> dict[str, Any]:
    """Make one answer of its events, or of some of them."""
    said: dict[str, Any] = {"role": "assistant"}
    body: dict[str, Any] = {"message": said}
    for event in events:
        if (identity := word(read(event, "id"))) is not None:
            body["id"] = identity
        delta = read(event, "delta")
        _add_message(said, count(read(event, "index")) or 0, read(delta, "message"))
        if (reason := word(read(delta, "finish_reason"))) is not None:
            body["finish_reason"] = reason
            body["error"] = _failure(reason)
        if (usage := read(delta, "usage")) is not None:
            body["usage"] = usage
    return body


def _add_message(said: dict[str, Any], index: int, piece: Any) -> None:
    if plan := text(read(piece, "tool_plan")):
        said["tool_plan"] = said.get("tool_plan", "") + plan
    content = read(piece, "content")
    for kind in ("text", "thinking"):
        if written := text(read(content, kind)):
            block = _block(said, index, kind)
            block[kind] += written
    if (call := read(piece, "tool_calls")) is not None and not isinstance(call, list | tuple):
        _add_tool_call(said.setdefault("tool_calls", []), index, call)


def _block(said: dict[str, Any], index: int, kind: str) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = said.setdefault("content", [])
    for block in blocks:
        if block["index"] == index and block["type"] == kind:
            return block
    blocks.append({"type": kind, kind: "", "index": index})
    return blocks[-1]


def _add_tool_call(calls: list[dict[str, Any]], index: int, piece: Any) -> None:
    function = read(piece, "function")
    known = next((call for call in calls if call["index"] == index), None)
    if known is None:
        known = {"index": index, "id": None, "function": {"name": None, "arguments": ""}}
        calls.append(known)
    known["id"] = word(read(piece, "id")) or known["id"]
    told = known["function"]
    told["name"] = word(read(function, "name")) or told["name"]
    told["arguments"] += text(read(function, "arguments")) or ""


def _answered(body: Any) -> list[Message]:
    said = read(body, "message")
    parts: list[Part] = []
    if plan := text(read(said, "tool_plan")):
        parts.append(text_part(plan))
    parts.extend(parts_of(read(said, "content")))
    for call in items(read(said, "tool_calls")):
        function = read(call, "function")
        arguments = read(function, "arguments")
        parts.append(tool_call_part(read(call, "id"), read(function, "name"), arguments))
    return [message("assistant", parts)]


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("messages"), list)


CHAT: Final = Shape(
    name="cohere.chat",
    provider="cohere",
    operation="chat",
    paths=("/v2/chat",),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=lambda body: _counted(read(body, "usage")),
    prompt=("messages", "tools", "documents"),
    output=lambda body: read(body, "message"),
    marks=Marks(
        text=("text", "thinking", "tool_plan", "arguments"),
        each=("finish_reason", "name"),
        latest=("usage",),
        over=("message-end",),
    ),
    fold=_fold,
    input=openai_chat.CHAT.input,
    messages=_answered,
    tools=_tools,
    own=False,
)
"""``POST /v2/chat``."""


# --- embeddings -----------------------------------------------------------------------------------


def _matches_embed(body: Body) -> bool:
    has_input = any(isinstance(body.get(name), list) for name in ("texts", "inputs", "images"))
    return isinstance(body.get("model"), str) and has_input


def _embedded(body: Body) -> tuple[Any, Any]:
    return None, [message("user", parts_of(body.get("texts")))]


EMBED: Final = Shape(
    name="cohere.embed",
    provider="cohere",
    operation="embeddings",
    paths=("/v1/embed", "/v2/embed"),
    matches=_matches_embed,
    request=_REQUEST,
    response=lambda body: {semconv.RESPONSE_ID: word(read(body, "id"))},
    usage=lambda body: Usage.of("cohere.embed", read(body, "meta")),
    prompt=("texts", "inputs"),
    output=lambda _body: None,
    marks=Marks(text=(), latest=("meta",)),
    fold=newest,
    input=_embedded,
    messages=lambda _body: None,
    generates=False,
    own=False,
)
"""``POST /v1/embed`` and ``POST /v2/embed``."""


# --- version 1 ------------------------------------------------------------------------------------

_ROLES: Final = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


def _older_response(body: Any) -> dict[str, AttributeValue | None]:
    reasons = [read(each, "finish_reason") for each in items(read(body, "generations"))]
    return {
        semconv.RESPONSE_ID: word(read(body, "response_id")) or word(read(body, "id")),
        semconv.RESPONSE_FINISH_REASONS: _reasons(*reasons, read(body, "finish_reason")),
    }


def _older_tools(body: Any) -> Iterator[ToolRequest]:
    for call in items(read(body, "tool_calls")):
        yield ToolRequest(word(read(call, "name")))


_SUMMED: Final = (
    "response_id",
    "id",
    "text",
    "generations",
    "finish_reason",
    "tool_calls",
    "meta",
)


def _older_fold(lines: Sequence[Any]) -> dict[str, Any]:
    """The last line has the whole answer; without it, what the others said."""
    if len(lines) == 1 and read(lines[0], "event_type") is None and isinstance(lines[0], Mapping):
        return dict(lines[0])
    body: dict[str, Any] = {"text": ""}
    for line in lines:
        body["text"] = (text(body.get("text")) or "") + (text(read(line, "text")) or "")
        if calls := items(read(line, "tool_calls")):
            body["tool_calls"] = calls
        whole = read(line, "response")
        body |= {name: value for name in _SUMMED if (value := read(whole, name)) is not None}
        if (reason := word(read(line, "finish_reason"))) is not None:
            body["finish_reason"] = reason
            body["error"] = _failure(reason)
    if items(body.get("generations")):
        body.pop("text", None)
        body.pop("finish_reason", None)
    return body


def _turn(said: Any) -> Message:
    role = word(read(said, "role")) or ""
    return message(_ROLES.get(role.upper(), role.lower()), parts_of(read(said, "message")))


def _older_input(body: Body) -> tuple[Any, Any]:
    turns = [_turn(said) for said in items(body.get("chat_history"))]
    preamble = text(body.get("preamble"))
    turns.append(message("user", parts_of(body.get("message"))))
    return [text_part(preamble)] if preamble else None, turns


def _older_answer(body: Any) -> list[Message]:
    parts = parts_of(read(body, "text"))
    for call in items(read(body, "tool_calls")):
        parts.append(tool_call_part(None, read(call, "name"), read(call, "parameters")))
    return [message("assistant", parts)]


def _generations(body: Any) -> list[Message]:
    found = items(read(body, "generations")) or [body]
    return [message("assistant", parts_of(read(each, "text"))) for each in found]


CHAT_V1: Final = Shape(
    name="cohere.v1.chat",
    provider="cohere",
    operation="chat",
    paths=("/v1/chat",),
    matches=lambda body: isinstance(body.get("message"), str),
    request=_REQUEST,
    response=_older_response,
    usage=lambda body: _counted(read(body, "meta")),
    prompt=("preamble", "chat_history", "message", "tools", "documents", "tool_results"),
    output=lambda body: [read(body, "text"), read(body, "tool_calls")],
    marks=Marks(text=("text",), each=("name",), latest=("response",), flags=("is_finished",)),
    fold=_older_fold,
    input=_older_input,
    messages=_older_answer,
    tools=_older_tools,
    lines=True,
    own=False,
)
"""``POST /v1/chat``."""

GENERATE: Final = Shape(
    name="cohere.generate",
    provider="cohere",
    operation="text_completion",
    paths=("/v1/generate",),
    matches=lambda body: isinstance(body.get("prompt"), str),
    request=_REQUEST,
    response=_older_response,
    usage=lambda body: _counted(read(body, "meta")),
    prompt=("prompt",),
    output=lambda body: [read(each, "text") for each in items(read(body, "generations"))],
    marks=Marks(text=("text",), latest=("response",), flags=("is_finished",)),
    fold=_older_fold,
    input=asked_in("prompt"),
    messages=_generations,
    lines=True,
    own=False,
)
"""``POST /v1/generate``; a stream does not say its tokens."""
