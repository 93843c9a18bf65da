"""OpenAI's older completions, plain and streamed: a text goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import (
    CREATED,
    Answer,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
)


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from openai_common.inputs(body.get("prompt"))
    if isinstance(suffix := body.get("suffix"), str):
        yield suffix


def _response_id(answer: Answer) -> str:
    return f"cmpl-{answer.number}"


def _head(answer: Answer) -> Json:
    return {
        "id": _response_id(answer),
        "object": "text_completion",
        "created": CREATED,
        "model": answer.model,
    }


def _choice(text: str, index: int, finish_reason: str | None) -> Json:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _usage(answer: Answer) -> Json:
    prompt, completion = answer.usage.input_tokens or 0, answer.usage.output_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _finish_reason(answer: Answer) -> str:
    return answer.finish_reason or ("length" if answer.stop == "length" else "stop")


def _body(answer: Answer) -> Json:
    choices = [
        _choice(choice.text, index, _finish_reason(answer))
        for index, choice in enumerate(answer.choices)
    ]
    return {**_head(answer), "choices": choices, "usage": _usage(answer)}


def _frames(answer: Answer) -> Iterator[Frame]:
    head = _head(answer)
    tells = openai_common.includes_usage(answer.request.body)
    tail: Json = {"usage": None} if tells else {}

    def chunk(index: int, text: str, *, content: bool = False, end: str | None = None) -> Frame:
        data = encode({**head, "choices": [_choice(text, index, end)], **tail})
        return Frame(b"data: " + data + b"\n\n", content)

    for row in zip_longest(*(choice.chunks for choice in answer.choices)):
        for index, text in enumerate(row):
            if text is not None:
                yield chunk(index, text, content=True)
    for index in range(len(answer.choices)):
        yield chunk(index, "", end=_finish_reason(answer))
    if tells:
        data = encode({**head, "choices": [], "usage": _usage(answer)})
        yield Frame(b"data: " + data + b"\n\n", usage=True)
    yield Frame(b"data: [DONE]\n\n")


FORMAT = WireFormat(
    name="openai.completions",
    provider="openai",
    operation="text_completion",
    path_endings=("/completions",),
    texts=_texts,
    output_limit=("max_tokens",),
    body=_body,
    response_id=_response_id,
    headers=openai_common.headers,
    error=openai_common.error,
    events=EventFormat(frames=_frames, error=openai_common.error_frame),
    model=openai_common.model,
)
"""``POST …/completions``."""
