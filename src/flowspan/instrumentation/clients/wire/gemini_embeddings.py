"""Gemini's embeddings: of one content or a batch of them, and as predictions of Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.gemini import member
from flowspan.instrumentation.clients.wire.gemini_parts import message_of
from flowspan.instrumentation.clients.wire.gemini_paths import model_in_path, streams_by_verb
from flowspan.instrumentation.clients.wire.parts import message, text_part
from flowspan.instrumentation.clients.wire.reading import count, items, read
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Shape, newest
from flowspan.usage import Usage

_DIMENSIONS: Final = "outputDimensionality"


def _in_first(value: Any) -> int | None:
    """The dimensions that the first request of a batch asks for."""
    return next((count(member(each, _DIMENSIONS)) for each in items(value)), None)


def _matches(body: Body) -> bool:
    requests = body.get("requests")
    asked_for = [body] if requests is None else requests
    return (
        isinstance(asked_for, list)
        and bool(asked_for)
        and all(isinstance(each, Mapping) and "content" in each for each in asked_for[:4])
    )


def _contents(body: Body) -> Iterator[Any]:
    for each in items(body.get("requests")) or (body,):
        yield read(each, "content")


def _usage(body: Any) -> Usage | None:
    told = read(body, "usageMetadata")
    return None if told is None else Usage.of("gemini.embeddings", told)


EMBEDDINGS: Final = Shape(
    name="gemini.embeddings",
    provider="gcp.gemini",
    operation="embeddings",
    paths=(":embedContent", ":batchEmbedContents"),
    matches=_matches,
    request={
        _DIMENSIONS: ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
        "output_dimensionality": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
        "requests": ((semconv.EMBEDDINGS_DIMENSION_COUNT, _in_first),),
    },
    response=lambda _body: {},
    usage=_usage,
    prompt=("content", "requests"),
    output=lambda _body: None,
    marks=Marks(text=(), latest=("usageMetadata",)),
    fold=newest,
    input=lambda body: (None, [message_of(content, "user") for content in _contents(body)]),
    messages=lambda _body: None,
    generates=False,
    model=model_in_path,
    streams=streams_by_verb,
)
"""``POST …/models/{model}:embedContent`` and ``:batchEmbedContents``."""


# --- Vertex AI ----------------------------------------------------------------------------------


def _predicts(body: Body) -> bool:
    instances = items(body.get("instances"))
    return bool(instances) and all(
        isinstance(each, Mapping) and isinstance(each.get("content"), str) for each in instances[:4]
    )


def _counted(body: Any) -> Usage | None:
    """The sum over all predictions; ``None`` where one of them does not say."""
    counts = [
        count(read(read(read(each, "embeddings"), "statistics"), "token_count"))
        for each in items(read(body, "predictions"))
    ]
    known = [each for each in counts if each is not None]
    if not known or len(known) < len(counts):
        return None
    return Usage(input_tokens=sum(known), output_tokens=0)


PREDICTIONS: Final = Shape(
    name="vertex.embeddings",
    provider="gcp.vertex_ai",
    operation="embeddings",
    paths=(":predict",),
    matches=_predicts,
    request={
        "parameters": (
            (
                semconv.EMBEDDINGS_DIMENSION_COUNT,
                lambda value: count(member(value, _DIMENSIONS)),
            ),
        ),
    },
    response=lambda _body: {},
    usage=_counted,
    prompt=("instances",),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=newest,
    input=lambda body: (
        None,
        [
            message("user", [text_part(read(each, "content"))])
            for each in items(body.get("instances"))
        ],
    ),
    messages=lambda _body: None,
    generates=False,
    model=model_in_path,
    streams=streams_by_verb,
    own=False,
)
"""``POST …/publishers/google/models/{model}:predict`` of an embedding model."""
