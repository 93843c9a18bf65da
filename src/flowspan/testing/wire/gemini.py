"""Gemini's ``generateContent`` and ``streamGenerateContent``, of Gemini's own API and Vertex AI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from flowspan.testing.answering import share
from flowspan.testing.script import ToolCall
from flowspan.testing.wire import gemini_common
from flowspan.testing.wire.format import (
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    Stop,
    WireFormat,
    encode,
)
from flowspan.testing.wire.gemini_common import content_texts

_FINISH_REASONS: dict[Stop, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "refusal": "SAFETY",
}
_SIGNATURE = "Zmxvd3NwYW4="
_NOTHING = {"text": ""}
_RATINGS = [
    {
        "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
        "probability": "HIGH",
        "blocked": True,
    }
]


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from content_texts(body.get("systemInstruction"))
    yield from content_texts(body.get("contents"))


def _schema(body: Mapping[str, Any]) -> Json | None:
    match body.get("generationConfig"):
        case {"responseJsonSchema": dict(schema)} | {"responseSchema": dict(schema)}:
            return dict(_plain(schema))
        case {"responseMimeType": "application/json"}:
            return {"type": "object"}
    return None


def _plain(schema: Any) -> Any:
    """A schema as JSON has it; Google writes its types in capitals."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _plain(value)
        for name, value in schema.items()
    }


# --- content --------------------------------------------------------------------------------------


def _function_call(answer: Answer, position: int, call: ToolCall) -> Json | None:
    """The part of a tool call; None for arguments that are no object, which Gemini cannot send."""
    try:
        arguments = json.loads(call.arguments_text)
    except ValueError:
        return None
    if not isinstance(arguments, dict):
        return None
    identity = answer.call_id(position, "call")
    function = {"id": identity, "name": call.name, "args": arguments}
    return {"functionCall": function, "thoughtSignature": _SIGNATURE}


def _function_calls(answer: Answer, choice: Choice) -> list[Json]:
    parts = [
        _function_call(answer, position, call) for position, call in enumerate(choice.tool_calls)
    ]
    return [part for part in parts if part is not None]


def _pieces(choice: Choice) -> list[Json]:
    """The text of a candidate in the pieces in which it is streamed; a refused one is held."""
    if choice.refusal:
        return []
    return [
        *({"text": piece, "thought": True} for piece in choice.reasoning),
        *({"text": piece} for piece in choice.chunks),
    ]


def _parts(answer: Answer, choice: Choice) -> list[Json]:
    thought = "".join(choice.reasoning)
    return [
        *([{"text": thought, "thought": True}] if thought else []),
        *([{"text": choice.text}] if choice.chunks else []),
        *_function_calls(answer, choice),
    ]


def _finish_reason(answer: Answer, choice: Choice) -> str:
    if answer.finish_reason is not None:
        return answer.finish_reason
    if len(_function_calls(answer, choice)) < len(choice.tool_calls):
        return "MALFORMED_FUNCTION_CALL"
    return _FINISH_REASONS[answer.stop]


def _end(answer: Answer, choice: Choice) -> Json:
    end: Json = {"finishReason": _finish_reason(answer, choice)}
    if choice.refusal:
        end["safetyRatings"] = _RATINGS
    return end


def _blocked(answer: Answer) -> Json | None:
    """The feedback on a prompt that got no candidate: a refusal without a word."""
    if answer.stop != "refusal" or answer.choices[0].chunks:
        return None
    reason = answer.finish_reason or "SAFETY"
    return {"promptFeedback": {"blockReason": reason, "safetyRatings": _RATINGS}}


def _tail(answer: Answer, usage: Json) -> Json:
    return {
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "responseId": _response_id(answer),
    }


def _response_id(answer: Answer) -> str:
    return f"gemini-{answer.number}"


def _body(answer: Answer) -> Json:
    tail = _tail(answer, gemini_common.full_usage(answer.usage))
    if (blocked := _blocked(answer)) is not None:
        return {**blocked, **tail}
    candidates: list[Json] = []
    for index, choice in enumerate(answer.choices):
        candidate: Json = {**_end(answer, choice), "index": index}
        if not choice.refusal:
            candidate = {
                "content": {"parts": _parts(answer, choice), "role": "model"},
                **candidate,
            }
        candidates.append(candidate)
    return {"candidates": candidates, **tail}


# --- streams --------------------------------------------------------------------------------------


def _events(answer: Answer) -> Iterator[tuple[Json, bool]]:
    """The events of a stream, each with whether it is content; each tells the tokens so far."""
    rows = list(zip_longest(*(_pieces(choice) for choice in answer.choices)))
    total = sum(part is not None for row in rows for part in row)
    sent = 0
    for row in rows:
        for index, part in enumerate(row):
            if part is not None:
                sent += 1
                so_far = gemini_common.full_usage(share(answer.usage, sent, total))
                candidate = {"content": {"parts": [part], "role": "model"}, "index": index}
                yield {"candidates": [candidate], **_tail(answer, so_far)}, True
    tail = _tail(answer, gemini_common.full_usage(answer.usage))
    if (blocked := _blocked(answer)) is not None:
        yield {**blocked, **tail}, False
        return
    # Function calls come whole, and in one event with the reason why the answer ends there.
    ends = [
        {
            "content": {"parts": _function_calls(answer, choice) or [_NOTHING], "role": "model"},
            **_end(answer, choice),
            "index": index,
        }
        for index, choice in enumerate(answer.choices)
    ]
    yield {"candidates": ends, **tail}, False


def _frames(answer: Answer) -> Iterator[Frame]:
    for event, content in _events(answer):
        yield Frame(b"data: " + encode(event) + b"\r\n\r\n", content, usage=not content)


def _error(message: str, _sent: int) -> Frame:
    """The error stands in the stream as it would stand alone, not as an event."""
    body = json.dumps(gemini_common.error(500, message, ""), indent=2)
    return Frame(body.encode() + b"\n")


def _array_frames(answer: Answer) -> Iterator[Frame]:
    before = b"["
    for event, content in _events(answer):
        yield Frame(before + encode(event), content, usage=not content)
        before = b"\n,\r\n"
    yield Frame(b"\n]")


def _array_error(message: str, sent: int) -> Frame:
    before = b"\n,\r\n" if sent else b"["
    return Frame(before + encode(gemini_common.error(500, message, "")) + b"\n]")


_SSE = EventFormat(frames=_frames, error=_error, media_type="text/event-stream")
_ARRAY = EventFormat(
    frames=_array_frames,
    error=_array_error,
    media_type="application/json; charset=UTF-8",
    malformed=lambda data: data[: len(data) // 2],
)

FORMAT = WireFormat(
    name="gemini.generate_content",
    provider="gcp.gemini",
    operation="generate_content",
    path_endings=(":generateContent",),
    model=gemini_common.model_in_path,
    streams=lambda _path, _body: False,
    texts=_texts,
    output_limit=("generationConfig.maxOutputTokens",),
    choice_count="generationConfig.candidateCount",
    schema=_schema,
    body=_body,
    response_id=_response_id,
    headers=gemini_common.headers,
    error=gemini_common.error,
    media_type="application/json; charset=UTF-8",
)

STREAMED = replace(
    FORMAT,
    path_endings=(":streamGenerateContent",),
    streams=lambda _path, _body: True,
    events=_ARRAY,
    events_of=lambda path: _SSE if gemini_common.has_parameter(path, "alt=sse") else _ARRAY,
)
