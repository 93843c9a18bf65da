"""OpenAI realtime: what the server says on a socket about one response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, Json, Stop, WireFormat, message_texts, texts_in
from flowspan.usage import Usage

_STATES: dict[Stop, Json] = {
    "length": {
        "status": "incomplete",
        "status_details": {"type": "incomplete", "reason": "max_output_tokens"},
    },
}


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from texts_in(body.get("instructions"))
    yield from message_texts(body.get("input"))


def _usage(usage: Usage) -> Json:
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    heard, said = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0
    cached, cached_audio = usage.cache_read_tokens or 0, usage.cache_read_audio_tokens or 0
    return {
        "total_tokens": given + made,
        "input_tokens": given,
        "output_tokens": made,
        "input_token_details": {
            "text_tokens": given - heard,
            "audio_tokens": heard,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached - cached_audio,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": made - said, "audio_tokens": said},
    }


def _response_id(answer: Answer) -> str:
    return f"resp_{answer.number}"


def _items(answer: Answer) -> list[Json]:
    choice = answer.choices[0]
    items: list[Json] = []
    if choice.chunks or not choice.tool_calls:
        content = [{"type": "output_text", "text": choice.text}]
        items.append(
            {
                "id": f"item_{answer.number}",
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": content,
            }
        )
    items.extend(
        {
            "id": f"item_{answer.number}_{position}",
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "call_id": answer.call_id(position, "call"),
            "name": call.name,
            "arguments": call.arguments_text,
        }
        for position, call in enumerate(choice.tool_calls)
    )
    return items


def _ending(answer: Answer) -> Json:
    if answer.finish_reason == "failed":
        error = {"type": "server_error", "code": "model_error"}
        return {"status": "failed", "status_details": {"type": "failed", "error": error}}
    return _STATES.get(answer.stop, {"status": "completed", "status_details": None})


def response(answer: Answer, *, done: bool) -> Json:
    """The response as the server tells it, before it has anything and once it is done."""
    begun: Json = {"status": "in_progress", "status_details": None}
    return {
        "object": "realtime.response",
        "id": _response_id(answer),
        **(_ending(answer) if done else begun),
        "output": _items(answer) if done else [],
        "conversation_id": "conv_000001",
        "output_modalities": ["text"],
        "max_output_tokens": answer.request.body.get("max_output_tokens", "inf"),
        "usage": _usage(answer.usage) if done else None,
        "metadata": None,
    }


def events(answer: Answer) -> Iterator[tuple[Json, bool]]:
    """All events of a response, each with whether it carries a content chunk."""
    place = {"response_id": _response_id(answer)}
    yield {"type": "response.created", "response": response(answer, done=False)}, False
    for index, item in enumerate(_items(answer)):
        here = {**place, "output_index": index, "item_id": item["id"]}
        begun = {**item, "status": "in_progress"}
        yield {"type": "response.output_item.added", **here, "item": begun}, False
        yield from _pieces(answer, item, here)
        yield {"type": "response.output_item.done", **here, "item": item}, False
    yield {"type": "response.done", "response": response(answer, done=True)}, False


def _pieces(answer: Answer, item: Json, here: Json) -> Iterator[tuple[Json, bool]]:
    if item["type"] == "function_call":
        kind = "response.function_call_arguments.delta"
        pieces = split_chunks(item["arguments"])
    else:
        kind = "response.output_text.delta"
        here = {**here, "content_index": 0}
        pieces = answer.choices[0].chunks
    for piece in pieces:
        yield {"type": kind, **here, "delta": piece}, True


FORMAT = WireFormat(
    name="openai.realtime",
    provider="openai",
    operation="chat",
    path_endings=("/realtime",),
    texts=_texts,
    output_limit=("max_output_tokens",),
    body=lambda answer: response(answer, done=True),
    response_id=_response_id,
    headers=openai_common.headers,
    error=openai_common.error,
)
"""``GET …/realtime`` as a socket; each ``response.create`` on it is a request."""
