"""What Mistral's APIs share: headers, errors, and choices that are nearly OpenAI's.

Its paths end as OpenAI's do.  The fake provider serves them below ``/mistral``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from flowspan.testing.wire.format import (
    CREATED,
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    Stop,
    encode,
)
from flowspan.usage import Usage

PREFIX = "/mistral"
"""What stands before Mistral's own paths."""

TIERS = {"priority": "priority", "auto": "standard", "standard": "standard"}
"""The service tier served for each one asked for."""

_FINISH_REASONS: dict[Stop, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "stop",
}
_ERROR_TYPES = {
    400: ("invalid_request_error", "1500"),
    401: ("invalid_api_key", "1401"),
    404: ("invalid_model", "1500"),
    429: ("rate_limited", "1300"),
    503: ("service_unavailable", "3505"),
}


def headers(request_id: str) -> dict[str, str]:
    """Headers of every answer."""
    return {
        "mistral-correlation-id": request_id,
        "x-kong-request-id": request_id,
        "x-ratelimit-limit-tokens-minute": "500000",
        "x-ratelimit-remaining-tokens-minute": "499000",
    }


def error(status: int, message: str, _request_id: str) -> Json:
    """Body of an error."""
    kind, code = _ERROR_TYPES.get(status, ("internal_server_error", "3000"))
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def response_id(answer: Answer) -> str:
    """Ids have nothing before their digits."""
    return f"{answer.number:0>32}"


def usage(found: Usage) -> Json:
    """The tokens of a chat: cached ones are part of the prompt, reasoning is not told apart."""
    prompt, completion = found.input_tokens or 0, found.output_tokens or 0
    told: Json = {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": found.cache_read_tokens or 0},
    }
    if found.service_tier is not None:
        told["service_tier"] = found.service_tier
    return told


def _finish_reason(answer: Answer, choice: Choice) -> str:
    if answer.finish_reason is not None:
        return answer.finish_reason
    if answer.stop == "tool_calls" and not choice.tool_calls:
        return "stop"
    return _FINISH_REASONS[answer.stop]


def _tool_calls(answer: Answer, choice: Choice) -> list[Json]:
    """Arguments come whole, in a stream too."""
    return [
        {
            "id": answer.call_id(position, "call"),
            "function": {"name": call.name, "arguments": call.arguments_text},
            "index": position,
        }
        for position, call in enumerate(choice.tool_calls)
    ]


def _thinking(text: str) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _message(answer: Answer, choice: Choice) -> Json:
    """With reasoning the content is a list of blocks, else a text."""
    content: object = choice.text
    if choice.reasoning:
        content = [_thinking("".join(choice.reasoning)), {"type": "text", "text": choice.text}]
    calls = _tool_calls(answer, choice) or None
    return {"role": "assistant", "tool_calls": calls, "content": content, "prefix": False}


def body(answer: Answer) -> Json:
    """An answer with choices."""
    choices = [
        {
            "index": index,
            "finish_reason": _finish_reason(answer, choice),
            "message": _message(answer, choice),
        }
        for index, choice in enumerate(answer.choices)
    ]
    head = _head(answer, "chat.completion")
    return {**head, "usage": usage(answer.usage), "choices": choices}


def _head(answer: Answer, kind: str) -> Json:
    return {
        "id": response_id(answer),
        "object": kind,
        "created": CREATED,
        "model": answer.model,
    }


def _deltas(answer: Answer, choice: Choice) -> Iterator[Json]:
    for piece in choice.reasoning:
        yield {"content": [_thinking(piece)]}
    for piece in choice.chunks:
        yield {"content": piece}
    for call in _tool_calls(answer, choice):
        yield {"content": "", "tool_calls": [call]}


def _frames(answer: Answer) -> Iterator[Frame]:
    """The usage is always told, in the chunk that ends the last choice."""
    head = _head(answer, "chat.completion.chunk")
    last = len(answer.choices) - 1

    def chunk(index: int, delta: Json, end: str | None = None, *, content: bool = False) -> Frame:
        choice = {"index": index, "delta": delta, "finish_reason": end}
        value: Json = {**head, "choices": [choice]}
        ends = end is not None and index == last
        if ends:
            value["usage"] = usage(answer.usage)
        return Frame(b"data: " + encode(value) + b"\n\n", content, ends)

    for index in range(len(answer.choices)):
        yield chunk(index, {"role": "assistant", "content": ""})
    for row in zip_longest(*(_deltas(answer, choice) for choice in answer.choices)):
        for index, delta in enumerate(row):
            if delta is not None:
                yield chunk(index, delta, content=True)
    for index, choice in enumerate(answer.choices):
        yield chunk(index, {"content": ""}, _finish_reason(answer, choice))
    yield Frame(b"data: [DONE]\n\n")


def _error_frame(message: str, _sent: int) -> Frame:
    return Frame(b"data: " + encode(error(500, message, "")) + b"\n\n")


EVENTS = EventFormat(frames=_frames, error=_error_frame, media_type="text/event-stream")
"""How choices are streamed."""
