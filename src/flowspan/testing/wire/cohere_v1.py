"""Cohere's version 1: chat and generate, whose streams are lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.script import ToolCall
from flowspan.testing.wire import cohere_common
from flowspan.testing.wire.format import Answer, EventFormat, Frame, Json, WireFormat, encode

LINES = "application/stream+json"
"""Content type of a stream."""


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    said = [body.get("preamble")]
    history = body.get("chat_history")
    said += [turn.get("message") for turn in history or () if isinstance(turn, Mapping)]
    said.append(body.get("message"))
    yield from (text for text in said if isinstance(text, str) and text)


def _parameters(call: ToolCall) -> Any:
    try:
        return json.loads(call.arguments_text)
    except ValueError:
        return {"arguments": call.arguments_text}


def _body(answer: Answer) -> Json:
    choice, identity = answer.choices[0], cohere_common.response_id(answer)
    body: Json = {
        "response_id": identity,
        "text": choice.text,
        "generation_id": identity,
        "chat_history": [
            {"role": "USER", "message": answer.request.text},
            {"role": "CHATBOT", "message": choice.text},
        ],
        "finish_reason": _finish_reason(answer),
        "meta": cohere_common.meta(answer.usage, "1"),
    }
    if choice.tool_calls:
        body["tool_calls"] = _tool_calls(answer)
    return body


def _finish_reason(answer: Answer) -> str:
    """A tool call is no reason of its own here."""
    reason = cohere_common.finish_reason(answer, answer.choices[0])
    return "COMPLETE" if reason == "TOOL_CALL" else reason


def _tool_calls(answer: Answer) -> list[Json]:
    return [
        {"name": call.name, "parameters": _parameters(call)}
        for call in answer.choices[0].tool_calls
    ]


def _line(kind: str, *, content: bool = False, usage: bool = False, **more: Any) -> Frame:
    value = {"is_finished": kind == "stream-end", "event_type": kind, **more}
    return Frame(encode(value) + b"\n", content, usage)


def _frames(answer: Answer) -> Iterator[Frame]:
    yield _line("stream-start", generation_id=cohere_common.response_id(answer))
    for piece in answer.choices[0].chunks:
        yield _line("text-generation", text=piece, content=True)
    if calls := _tool_calls(answer):
        yield _line("tool-calls-generation", tool_calls=calls, content=True)
    reason = _finish_reason(answer)
    yield _line("stream-end", response=_body(answer), finish_reason=reason, usage=True)


def _error_line(message: str, _sent: int) -> Frame:
    """A stream that fails ends as others do, without an answer to sum it up."""
    return _line("stream-end", finish_reason="ERROR", error=message)


def _malformed(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\n"


_STREAMS = EventFormat(frames=_frames, error=_error_line, media_type=LINES, malformed=_malformed)

CHAT = WireFormat(
    name="cohere.v1.chat",
    provider="cohere",
    operation="chat",
    path_endings=("/v1/chat",),
    texts=_texts,
    output_limit=("max_tokens",),
    body=_body,
    response_id=cohere_common.response_id,
    headers=cohere_common.headers,
    error=cohere_common.error,
    events=_STREAMS,
)
"""``POST /v1/chat``."""


# --- generate -------------------------------------------------------------------------------------


def _prompt(body: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(text := body.get("prompt"), str):
        yield text


def _generations(answer: Answer) -> Json:
    identity = cohere_common.response_id(answer)
    generations = [
        {
            "id": f"{identity[:-1]}{index}",
            "index": index,
            "text": choice.text,
            "finish_reason": cohere_common.finish_reason(answer, choice),
        }
        for index, choice in enumerate(answer.choices)
    ]
    return {"id": identity, "generations": generations, "prompt": answer.request.text}


def _generated(answer: Answer) -> Json:
    return {**_generations(answer), "meta": cohere_common.meta(answer.usage, "1")}


def _generated_lines(answer: Answer) -> Iterator[Frame]:
    """A stream of generations does not say its tokens."""
    for index, choice in enumerate(answer.choices):
        for piece in choice.chunks:
            yield _line("text-generation", text=piece, index=index, content=True)
    reason = cohere_common.finish_reason(answer, answer.choices[0])
    yield _line("stream-end", finish_reason=reason, response=_generations(answer))


GENERATE = WireFormat(
    name="cohere.generate",
    provider="cohere",
    operation="text_completion",
    path_endings=("/v1/generate",),
    texts=_prompt,
    output_limit=("max_tokens",),
    choice_count="num_generations",
    body=_generated,
    response_id=cohere_common.response_id,
    headers=cohere_common.headers,
    error=cohere_common.error,
    events=EventFormat(
        frames=_generated_lines, error=_error_line, media_type=LINES, malformed=_malformed
    ),
)
"""``POST /v1/generate``."""
