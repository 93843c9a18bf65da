"""Anthropic messages, plain and streamed; on Vertex too, where the path names the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.script import ToolCall
from flowspan.testing.wire.anthropic_common import error, error_frame, event, headers, texts
from flowspan.testing.wire.format import (
    Answer,
    EventFormat,
    Frame,
    Json,
    Stop,
    WireFormat,
    model_in_body,
)
from flowspan.usage import Usage

_STOP_REASONS: dict[Stop, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}
_SIGNATURE = "Zmxvd3NwYW4="


def _schema(body: Mapping[str, Any]) -> Json | None:
    for key in ("output_config", "output_format"):
        match body.get(key):
            case {"format": {"schema": dict(schema)}} | {"schema": dict(schema)}:
                return schema
    return None


def _response_id(answer: Answer) -> str:
    return f"msg_{answer.number}"


def _input_usage(usage: Usage) -> Json:
    """The exclusive form: cached tokens stand beside ``input_tokens``, not in it."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    return {
        "input_tokens": (usage.input_tokens or 0) - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }


def _output_usage(usage: Usage) -> Json:
    output: Json = {"output_tokens": usage.output_tokens or 0}
    if usage.reasoning_tokens is not None:
        output["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.web_searches is not None:
        output["server_tool_use"] = {
            "web_search_requests": usage.web_searches,
            "web_fetch_requests": 0,
        }
    return output


def _full_usage(usage: Usage, output: Json) -> Json:
    for_an_hour = usage.cache_write_1h_tokens or 0
    return {
        **_input_usage(usage),
        "cache_creation": {
            "ephemeral_5m_input_tokens": (usage.cache_write_tokens or 0) - for_an_hour,
            "ephemeral_1h_input_tokens": for_an_hour,
        },
        **output,
        **_tier(usage.service_tier),
    }


def _tier(tier: str | None) -> Json:
    """``fast`` is a speed of the standard tier; the others are tiers."""
    if tier == "fast":
        return {"service_tier": "standard", "speed": "fast"}
    return {"service_tier": tier}


def _message(answer: Answer, content: list[Json], stop: str | None, usage: Json) -> Json:
    return {
        "id": _response_id(answer),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def _stop_reason(answer: Answer) -> str:
    return answer.finish_reason or _STOP_REASONS[answer.stop]


def tool_input(call: ToolCall) -> object:
    """The arguments as an object; a text that is no JSON is wrapped, as a body must be JSON."""
    try:
        return json.loads(call.arguments_text)
    except ValueError:
        return {"arguments": call.arguments_text}


def _blocks(answer: Answer) -> Iterator[tuple[Json, Json, list[Json]]]:
    """Content blocks: the finished one, the one that opens it in a stream, and its deltas."""
    choice = answer.choices[0]
    if choice.reasoning:
        yield (
            {
                "type": "thinking",
                "thinking": "".join(choice.reasoning),
                "signature": _SIGNATURE,
            },
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": piece} for piece in choice.reasoning]
            + [{"type": "signature_delta", "signature": _SIGNATURE}],
        )
    if choice.chunks or not choice.tool_calls:
        yield (
            {"type": "text", "text": choice.text},
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": piece} for piece in choice.chunks],
        )
    for position, call in enumerate(choice.tool_calls):
        block = {"type": "tool_use", "id": answer.call_id(position, "toolu"), "name": call.name}
        yield (
            {**block, "input": tool_input(call)},
            {**block, "input": {}},
            [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in split_chunks(call.arguments_text)
            ],
        )


def _body(answer: Answer) -> Json:
    content = [block for block, _, _ in _blocks(answer)]
    usage = _full_usage(answer.usage, _output_usage(answer.usage))
    return _message(answer, content, _stop_reason(answer), usage)


def _frames(answer: Answer) -> Iterator[Frame]:
    begun = _full_usage(answer.usage, {"output_tokens": min(1, answer.usage.output_tokens or 0)})
    yield event({"type": "message_start", "message": _message(answer, [], None, begun)})
    for index, (_, opening, deltas) in enumerate(_blocks(answer)):
        yield event({"type": "content_block_start", "index": index, "content_block": opening})
        if index == 0:
            yield event({"type": "ping"})
        for delta in deltas:
            yield event(
                {"type": "content_block_delta", "index": index, "delta": delta},
                content=delta["type"] != "signature_delta",
            )
        yield event({"type": "content_block_stop", "index": index})
    yield event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": _stop_reason(answer), "stop_sequence": None},
            "usage": {**_input_usage(answer.usage), **_output_usage(answer.usage)},
        },
        usage=True,
    )
    yield event({"type": "message_stop"})


def _model(path: str, body: Mapping[str, Any]) -> str | None:
    """Vertex has the model in the path."""
    _, found, name = path.partition("/publishers/anthropic/models/")
    return name.partition(":")[0] if found else model_in_body(path, body)


FORMAT = WireFormat(
    name="anthropic.messages",
    provider="anthropic",
    operation="chat",
    path_endings=("/messages", ":rawPredict", ":streamRawPredict"),
    model=_model,
    texts=texts,
    output_limit=("max_tokens",),
    default_tier="standard",
    schema=_schema,
    body=_body,
    response_id=_response_id,
    headers=headers,
    error=error,
    events=EventFormat(frames=_frames, error=error_frame),
)
