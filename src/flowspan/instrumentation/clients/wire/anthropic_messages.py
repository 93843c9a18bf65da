"""Anthropic messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import SAMPLING
from flowspan.instrumentation.clients.wire.parts import message, parts_of
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    word_in,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

_REQUEST: Final[Rules] = {
    **{name: SAMPLING[name] for name in ("temperature", "top_p", "max_tokens", "stream")},
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "top_k": ((semconv.REQUEST_TOP_K, number),),
    "output_config": ((semconv.REQUEST_REASONING_LEVEL, word_in("effort")),),
}


def _matches(body: Body) -> bool:
    messages = body.get("messages")
    return (
        isinstance(body.get("model"), str)
        and count(body.get("max_tokens")) is not None
        and isinstance(messages, list)
        and all(isinstance(each, Mapping) and "role" in each for each in messages[:4])
    )


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(body, "stop_reason"))
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
    }


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    if usage is None:
        return None
    instalments = usage if isinstance(usage, list) else [usage]
    return Usage.of("anthropic.messages", *instalments) or Usage.of("openai.chat", *instalments)


def _tools(body: Any) -> Iterator[ToolRequest]:
    for block in items(read(body, "content")):
        if text(read(block, "type")) == "tool_use":
            yield ToolRequest(word(read(block, "name")), word(read(block, "id")))


# --- streams ------------------------------------------------------------------------------------


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one message of a stream's events, or of some of them."""
    body: dict[str, Any] = {}
    usages: list[Any] = []
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        begun, delta = event.get("message"), event.get("delta")
        if isinstance(begun, Mapping):
            body = dict(begun)
            usages.append(_input_part(begun.get("usage")))
        elif event.get("usage"):
            usages.append(event["usage"])
        if isinstance(delta, Mapping) and delta.get("stop_reason"):
            body["stop_reason"] = delta["stop_reason"]
        if event.get("error"):
            body["error"] = event["error"]
        _add_block(blocks, event)
    body["usage"] = usages
    if blocks:
        body["content"] = [blocks[index] for index in sorted(blocks)]
    return body


def _input_part(usage: Any) -> Any:
    """The output count of a beginning message is not the message's: more of it is to come."""
    if not isinstance(usage, Mapping):
        return None
    return {name: value for name, value in usage.items() if name != "output_tokens"}


_MEMBER_OF_DELTA: Final = {"text": "text", "thinking": "thinking", "partial_json": "input"}


def _add_block(blocks: dict[int, dict[str, Any]], event: Body) -> None:
    index = count(event.get("index"))
    if index is None:
        return
    if isinstance(event.get("content_block"), Mapping):
        blocks[index] = dict(event["content_block"])
        return
    delta = event.get("delta")
    for name, member in _MEMBER_OF_DELTA.items():
        if isinstance(piece := read(delta, name), str):
            block = blocks.setdefault(index, {"type": "text"})
            block[member] = (text(block.get(member)) or "") + piece


# --- content ------------------------------------------------------------------------------------


def _input(body: Body) -> tuple[Any, Any]:
    system = body.get("system")
    messages = [
        message(read(said, "role"), parts_of(read(said, "content")))
        for said in items(body.get("messages"))
    ]
    return (parts_of(system) or None), messages


MESSAGES: Final = Shape(
    name="anthropic.messages",
    own=False,  # plain enough to be somebody else's chat message
    header="anthropic-version",
    provider="anthropic",
    operation="chat",
    paths=("/messages",),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("system", "messages", "tools"),
    output=lambda body: read(body, "content"),
    marks=Marks(
        text=("text", "partial_json", "thinking"),
        each=("name",),
        latest=("message", "usage"),
        over=("message_stop",),
    ),
    fold=_fold,
    input=_input,
    messages=lambda body: [message("assistant", parts_of(read(body, "content")))],
    tools=_tools,
)
"""``POST …/messages``."""


# --- Vertex ---------------------------------------------------------------------------------------


def _matches_vertex(body: Body) -> bool:
    return isinstance(body.get("anthropic_version"), str) and isinstance(body.get("messages"), list)


def _model_of_vertex(path: str, _body: Body) -> str | None:
    return path.partition("/publishers/anthropic/models/")[2].partition(":")[0] or None


VERTEX: Final = replace(
    MESSAGES,
    name="vertex.messages",
    provider="gcp.vertex_ai",
    own=True,
    header="",
    paths=(":rawPredict", ":streamRawPredict"),
    matches=_matches_vertex,
    model=_model_of_vertex,
    streams=lambda path, _body: path.endswith(":streamRawPredict"),
)
"""``POST …/publishers/anthropic/models/{model}:rawPredict`` and ``:streamRawPredict``."""
