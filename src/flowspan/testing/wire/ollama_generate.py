"""Ollama's generate: a prompt that goes on, in lines of JSON unless asked not to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import ollama_common
from flowspan.testing.wire.format import Answer, EventFormat, Frame, Json, WireFormat
from flowspan.testing.wire.ollama_chat import schema, streams


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("system", "prompt", "suffix"):
        if isinstance(text := body.get(name), str) and text:
            yield text


def _tail(answer: Answer) -> Json:
    """The conversation so far goes with it, as token numbers."""
    return {**ollama_common.tail(answer), "context": [1, 2, 3]}


def _body(answer: Answer) -> Json:
    choice = answer.choices[0]
    said: Json = {"response": choice.text}
    if choice.reasoning:
        said["thinking"] = "".join(choice.reasoning)
    return {**ollama_common.head(answer), **said, **_tail(answer)}


def _frames(answer: Answer) -> Iterator[Frame]:
    head, choice = ollama_common.head(answer), answer.choices[0]
    for piece in choice.reasoning:
        line = {**head, "response": "", "thinking": piece, "done": False}
        yield ollama_common.line(line, content=True)
    for piece in choice.chunks:
        yield ollama_common.line({**head, "response": piece, "done": False}, content=True)
    yield ollama_common.line({**head, "response": "", **_tail(answer)}, usage=True)


FORMAT = WireFormat(
    name="ollama.generate",
    provider="ollama",
    operation="text_completion",
    path_endings=("/api/generate",),
    texts=_texts,
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
"""``POST /api/generate``."""
