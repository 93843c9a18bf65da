"""Text generation and feature extraction, as Hugging Face's inference servers speak them.

Chat is OpenAI's format there.  The servers answer at any path: of a model at the router, or of an
endpoint of somebody's own; the fake provider knows them by the path that the router has, and by the
servers' own names of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import (
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    Stop,
    WireFormat,
    encode,
    member,
)
from flowspan.testing.wire.vectors import vector

_FINISH_REASONS: dict[Stop, str] = {
    "stop": "eos_token",
    "length": "length",
    "tool_calls": "eos_token",
    "refusal": "eos_token",
}
_MODELS = "/hf-inference/models/"
_OWN = ("/generate", "/generate_stream")


def _model(path: str, _body: Mapping[str, Any]) -> str | None:
    """The path names the model; a server of one model names none."""
    named = path.partition("?")[0].partition(_MODELS)[2].partition("/pipeline/")[0]
    return named or None


def _headers(request_id: str) -> dict[str, str]:
    return {"x-request-id": request_id, "x-compute-type": "1-fake"}


def _count_headers(answer: Answer) -> dict[str, str]:
    """What a server tells of an answer that it has whole before it begins to send."""
    if answer.request.stream:
        return {}
    return {
        "x-prompt-tokens": str(answer.usage.input_tokens),
        "x-generated-tokens": str(answer.usage.output_tokens),
    }


def _error(status: int, message: str, _request_id: str) -> Json:
    kinds = {422: "validation", 429: "overloaded", 503: "overloaded"}
    return {"error": message, "error_type": kinds.get(status, "generation")}


def _details(answer: Answer) -> Json:
    return {
        "finish_reason": answer.finish_reason or _FINISH_REASONS[answer.stop],
        "generated_tokens": answer.usage.output_tokens,
        "seed": None,
    }


def _token(position: int, text: str) -> Json:
    return {"id": position + 1, "text": text, "logprob": -0.5, "special": False}


def _tokens(choice: Choice) -> list[Json]:
    return [_token(position, piece) for position, piece in enumerate(choice.chunks)]


def _body(answer: Answer) -> Json:
    choice = answer.choices[0]
    body: Json = {"generated_text": choice.text}
    if member(answer.request.body, "parameters.details") is True:
        body["details"] = {**_details(answer), "prefill": [], "tokens": _tokens(choice)}
    return body


def _event(value: Json, *, content: bool = False, usage: bool = False) -> Frame:
    return Frame(b"data:" + encode(value) + b"\n\n", content, usage)


def _frames(answer: Answer) -> Iterator[Frame]:
    """One event a token; the last token, which ends the text, has the details."""
    choice = answer.choices[0]
    for token in _tokens(choice):
        value = {"index": token["id"], "token": token, "generated_text": None, "details": None}
        yield _event(value, content=True)
    end = {"id": 2, "text": "", "logprob": -0.1, "special": True}
    details = {**_details(answer), "input_length": answer.usage.input_tokens}
    yield _event(
        {
            "index": len(choice.chunks) + 1,
            "token": end,
            "generated_text": choice.text,
            "details": details,
        },
        usage=True,
    )


def _error_frame(message: str, _sent: int) -> Frame:
    return _event(_error(500, message, ""))


GENERATE = WireFormat(
    name="tgi.generate",
    provider="huggingface",
    operation="text_completion",
    path_endings=(*_OWN, ""),
    serves=lambda path: _MODELS in path or path.endswith(_OWN),
    texts=lambda body: openai_common.inputs(body.get("inputs")),
    output_limit=("parameters.max_new_tokens",),
    body=_body,
    headers=_headers,
    answer_headers=_count_headers,
    error=_error,
    events=EventFormat(frames=_frames, error=_error_frame, media_type="text/event-stream"),
    model=_model,
)
"""``POST …/models/{model}``, and ``/generate`` of a server of one's own."""


def _features(answer: Answer) -> bytes:
    """A list of vectors and nothing else; the tokens are in a header."""
    return json.dumps([vector(text) for text in answer.request.texts]).encode()


EMBEDDINGS = WireFormat(
    name="tgi.embeddings",
    provider="huggingface",
    operation="embeddings",
    path_endings=("/pipeline/feature-extraction", "/tei/embed"),
    texts=lambda body: openai_common.inputs(body.get("inputs")),
    body=_features,
    headers=_headers,
    answer_headers=lambda answer: {"x-compute-tokens": str(answer.usage.input_tokens)},
    error=_error,
    model=_model,
)
"""``POST …/models/{model}/pipeline/feature-extraction``."""
