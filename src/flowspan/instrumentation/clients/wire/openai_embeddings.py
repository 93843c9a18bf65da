"""OpenAI embeddings: input tokens only."""

from __future__ import annotations

from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.parts import asked_in
from flowspan.instrumentation.clients.wire.reading import count, read, word, words
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Shape, newest
from flowspan.usage import Usage


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("input"), str | list)


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    return None if usage is None else Usage.of("openai.embeddings", usage)


EMBEDDINGS: Final = Shape(
    name="openai.embeddings",
    provider="openai",
    operation="embeddings",
    paths=("/embeddings",),
    matches=_matches,
    request={
        "dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
        "encoding_format": ((semconv.REQUEST_ENCODING_FORMATS, words),),
    },
    response=lambda body: {semconv.RESPONSE_MODEL: word(read(body, "model"))},
    usage=_usage,
    prompt=("input",),
    output=lambda _body: None,
    marks=Marks(text=(), latest=("usage",)),
    fold=newest,
    input=asked_in("input"),
    messages=lambda _body: None,
    generates=False,
)
"""``POST …/embeddings``."""
