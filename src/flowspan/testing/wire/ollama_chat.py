"""Ollama's chat, which streams lines of JSON unless asked not to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.script import ToolCall
from flowspan.testing.wire import ollama_common
from flowspan.testing.wire.format import (
    Answer,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    message_texts,
)


def schema(body: Mapping[str, Any]) -> Json | None:
    """The schema that ``format`` is; ``json`` stands for any object."""
    match body.get("format"):
        case dict(schema):
            return schema
        case "json":
            return {"type": "object"}
    return None


def streams(_path: str, body: Mapping[str, Any]) -> bool:
    """A stream is what Ollama answers with unless it is told not to."""
    return body.get("stream") is not False


def _arguments(call: ToolCall) -> Any:
    """Arguments are an object; a text that is no JSON is wrapped, as Ollama never sends one."""
    try:
        return json.loads(call.arguments_text)
    except ValueError:
        return {"arguments": call.arguments_text}


def _tool_calls(answer: Answer) -> list[Json]:
    return [
        {
            "id": answer.call_id(position, "call"),
            "function": {"index": position, "name": call.name, "arguments": _arguments(call)},
        }
        for position, call in enumerate(answer.choices[0].tool_calls)
    ]


def _body(answer: Answer) -> Json:
    choice = answer.choices[0]
    message: Json = {"role": "assistant", "content": choice.text}
    if choice.reasoning:
        message["thinking"] = "".join(choice.reasoning)
    if choice.tool_calls:
        message["tool_calls"] = _tool_calls(answer)
    return {**ollama_common.head(answer), "message": message, **ollama_common.tail(answer)}


def _frames(answer: Answer) -> Iterator[Frame]:
    head, choice = ollama_common.head(answer), answer.choices[0]

    def line(said: Json) -> Frame:
        message = {"role": "assistant", "content": "", **said}
        return ollama_common.line({**head, "message": message, "done": False}, content=True)

    for piece in choice.reasoning:
        yield line({"thinking": piece})
    for piece in choice.chunks:
        yield line({"content": piece})
    for call in _tool_calls(answer):
        yield line({"tool_calls": [call]})
    end = {**head, "message": {"role": "assistant", "content": ""}, **ollama_common.tail(answer)}
    yield ollama_common.line(end, usage=True)


FORMAT = WireFormat(
    name="ollama.chat",
    provider="ollama",
    operation="chat",
    path_endings=("/api/chat",),
    texts=lambda body: message_texts(body.get("messages")),
    output_limit=("options.num_predict",),
    schema=schema,
    body=_body,
    headers=ollama_common.headers,
    error=ollama_common.error,
    events=EventFormat(
        frames=_frames,
        error=ollama_common.error_line,
        media_type=ollama_common.LINES,
        malformed=ollama_common.malformed,
    ),
    streams=streams,
)
"""``POST /api/chat``."""
