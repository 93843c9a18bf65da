"""OpenAI chat completions, plain and streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import (
    CREATED,
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    Stop,
    WireFormat,
    encode,
    message_texts,
)
from flowspan.usage import Usage

_FINISH_REASONS: dict[Stop, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "stop",
}


def _schema(body: Mapping[str, Any]) -> Json | None:
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
    return None


def _response_id(answer: Answer) -> str:
    return f"chatcmpl-{answer.number}"


def _head(answer: Answer, kind: str) -> Json:
    head: Json = {
        "id": _response_id(answer),
        "object": kind,
        "created": CREATED,
        "model": answer.model,
        "system_fingerprint": "fp_flowspan",
    }
    if answer.usage.service_tier is not None:
        head["service_tier"] = answer.usage.service_tier
    return head


def _usage(usage: Usage) -> Json:
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            **openai_common.input_details(usage),
            "audio_tokens": usage.input_audio_tokens or 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens or 0,
            "audio_tokens": usage.output_audio_tokens or 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish_reason(answer: Answer, choice: Choice) -> str:
    if answer.finish_reason is not None:
        return answer.finish_reason
    if answer.stop == "tool_calls" and not choice.tool_calls:
        return "stop"
    return _FINISH_REASONS[answer.stop]


def _tool_calls(answer: Answer, choice: Choice) -> list[Json]:
    return [
        {
            "id": answer.call_id(position, "call"),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments_text},
        }
        for position, call in enumerate(choice.tool_calls)
    ]


def _message(answer: Answer, choice: Choice) -> Json:
    message: Json = {
        "role": "assistant",
        "content": None if choice.refusal or not choice.chunks else choice.text,
        "refusal": choice.text if choice.refusal else None,
        "annotations": [],
    }
    if choice.tool_calls:
        message["tool_calls"] = _tool_calls(answer, choice)
    elif message["content"] is None and not choice.refusal:
        message["content"] = ""
    return message


def _body(answer: Answer) -> Json:
    choices = [
        {
            "index": index,
            "message": _message(answer, choice),
            "logprobs": None,
            "finish_reason": _finish_reason(answer, choice),
        }
        for index, choice in enumerate(answer.choices)
    ]
    head = _head(answer, "chat.completion")
    return {**head, "choices": choices, "usage": _usage(answer.usage)}


def _deltas(answer: Answer, choice: Choice) -> Iterator[tuple[Json, bool]]:
    """The deltas of one choice, each with whether it is content."""
    key = "refusal" if choice.refusal else "content"
    for chunk in choice.chunks:
        yield {key: chunk}, True
    for position, call in enumerate(_tool_calls(answer, choice)):
        arguments = call["function"].pop("arguments")
        call["function"]["arguments"] = ""
        yield {"tool_calls": [{"index": position, **call}]}, False
        for piece in split_chunks(arguments):
            yield (
                {"tool_calls": [{"index": position, "function": {"arguments": piece}}]},
                True,
            )


def _frames(answer: Answer) -> Iterator[Frame]:
    include_usage = openai_common.includes_usage(answer.request.body)
    head = _head(answer, "chat.completion.chunk")
    tail: Json = {"usage": None} if include_usage else {}

    def chunk(index: int, delta: Json, *, content: bool = False, end: str | None = None) -> Frame:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": end}
        data = encode({**head, "choices": [choice], **tail})
        return Frame(b"data: " + data + b"\n\n", content)

    for index in range(len(answer.choices)):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
    for row in zip_longest(*(_deltas(answer, choice) for choice in answer.choices)):
        for index, delta in enumerate(row):
            if delta is not None:
                yield chunk(index, delta[0], content=delta[1])
    for index, choice in enumerate(answer.choices):
        yield chunk(index, {}, end=_finish_reason(answer, choice))
    if include_usage:
        data = encode({**head, "choices": [], "usage": _usage(answer.usage)})
        yield Frame(b"data: " + data + b"\n\n", usage=True)
    yield Frame(b"data: [DONE]\n\n")


FORMAT = WireFormat(
    name="openai.chat",
    provider="openai",
    operation="chat",
    path_endings=("/chat/completions",),
    texts=lambda body: message_texts(body.get("messages")),
    output_limit=("max_completion_tokens", "max_tokens"),
    tiers=openai_common.TIERS,
    schema=_schema,
    body=_body,
    response_id=_response_id,
    headers=openai_common.headers,
    error=openai_common.error,
    model=openai_common.model,
    events=EventFormat(frames=_frames, error=openai_common.error_frame),
)
