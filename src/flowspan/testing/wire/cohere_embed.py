"""Cohere's embeddings, of both versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import cohere_common
from flowspan.testing.wire.format import Answer, Json, WireFormat, texts_in
from flowspan.testing.wire.vectors import DIMENSIONS, vector


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from (text for text in body.get("texts") or () if isinstance(text, str))
    for each in body.get("inputs") or ():
        yield from texts_in(each.get("content"))


def _body(answer: Answer) -> Json:
    """Version 2 has lists by type, version 1 only where types were asked for."""
    request = answer.request
    dimensions = request.body.get("output_dimension") or DIMENSIONS
    vectors = [vector(text, dimensions) for text in request.texts]
    by_type = "/v2/" in request.path or bool(request.body.get("embedding_types"))
    units = {"input_tokens": float(answer.usage.input_tokens or 0)}
    version = {"version": "2" if "/v2/" in request.path else "1"}
    return {
        "id": cohere_common.response_id(answer),
        "texts": list(request.texts),
        "embeddings": {"float": vectors} if by_type else vectors,
        "meta": {"api_version": version, "billed_units": units},
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }


FORMAT = WireFormat(
    name="cohere.embed",
    provider="cohere",
    operation="embeddings",
    path_endings=("/v1/embed", "/v2/embed"),
    texts=_texts,
    body=_body,
    response_id=cohere_common.response_id,
    headers=cohere_common.headers,
    error=cohere_common.error,
)
"""``POST /v1/embed`` and ``POST /v2/embed``."""
