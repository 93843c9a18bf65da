"""Cohere's chat, version 2: messages, and server-sent events that have names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import cohere_common
from flowspan.testing.wire.format import (
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
    message_texts,
)


def _schema(body: Mapping[str, Any]) -> Json | None:
    match body.get("response_format"):
        case {"json_schema": dict(schema)} | {"schema": dict(schema)}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
    return None


def _tool_calls(answer: Answer, choice: Choice) -> list[Json]:
    return [
        {
            "id": answer.call_id(position, call.name),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments_text},
        }
        for position, call in enumerate(choice.tool_calls)
    ]


def _message(answer: Answer, choice: Choice) -> Json:
    content: list[Json] = []
    if choice.reasoning:
        content.append({"type": "thinking", "thinking": "".join(choice.reasoning)})
    if choice.chunks:
        content.append({"type": "text", "text": choice.text})
    message: Json = {"role": "assistant"}
    if content:
        message["content"] = content
    if choice.tool_calls:
        message["tool_calls"] = _tool_calls(answer, choice)
    return message


def _body(answer: Answer) -> Json:
    choice = answer.choices[0]
    return {
        "id": cohere_common.response_id(answer),
        "message": _message(answer, choice),
        "finish_reason": cohere_common.finish_reason(answer, choice),
        "usage": cohere_common.counts(answer.usage),
    }


def _event(kind: str, *, content: bool = False, usage: bool = False, **more: Any) -> Frame:
    data = encode({"type": kind, **more})
    return Frame(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n", content, usage)


def _delta(**message: Any) -> Json:
    return {"message": message}


def _blocks(choice: Choice) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The blocks of the content: type, the member with the text, its pieces."""
    if choice.reasoning:
        yield "thinking", "thinking", choice.reasoning
    if choice.chunks:
        yield "text", "text", choice.chunks


def _frames(answer: Answer) -> Iterator[Frame]:
    choice = answer.choices[0]
    begun = _delta(role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])
    yield _event("message-start", id=cohere_common.response_id(answer), delta=begun)
    for index, (kind, member, pieces) in enumerate(_blocks(choice)):
        opening = _delta(content={"type": kind, member: ""})
        yield _event("content-start", index=index, delta=opening)
        for piece in pieces:
            delta = _delta(content={member: piece})
            yield _event("content-delta", index=index, delta=delta, content=True)
        yield _event("content-end", index=index)
    for index, call in enumerate(_tool_calls(answer, choice)):
        yield from _tool_call(index, call)
    end = {
        "finish_reason": cohere_common.finish_reason(answer, choice),
        "usage": cohere_common.counts(answer.usage),
    }
    yield _event("message-end", delta=end, usage=True)
    yield Frame(b"data: [DONE]\n\n")


def _tool_call(index: int, call: Json) -> Iterator[Frame]:
    function = call["function"]
    opening = {**call, "function": {**function, "arguments": ""}}
    yield _event("tool-call-start", index=index, delta=_delta(tool_calls=opening))
    for piece in split_chunks(function["arguments"]):
        delta = _delta(tool_calls={"function": {"arguments": piece}})
        yield _event("tool-call-delta", index=index, delta=delta, content=True)
    yield _event("tool-call-end", index=index)


def _error_frame(message: str, _sent: int) -> Frame:
    """A stream that fails ends as others do, with its error in the last event."""
    return _event("message-end", delta={"finish_reason": "ERROR", "error": message})


FORMAT = WireFormat(
    name="cohere.chat",
    provider="cohere",
    operation="chat",
    path_endings=("/v2/chat",),
    texts=lambda body: message_texts(body.get("messages")),
    output_limit=("max_tokens",),
    schema=_schema,
    body=_body,
    response_id=cohere_common.response_id,
    headers=cohere_common.headers,
    error=cohere_common.error,
    events=EventFormat(frames=_frames, error=_error_frame, media_type="text/event-stream"),
)
"""``POST /v2/chat``."""
