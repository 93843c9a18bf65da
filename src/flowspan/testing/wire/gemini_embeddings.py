"""Gemini's embeddings: of one content, of several, and in the form of Vertex AI's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowspan.testing.counting import count_tokens
from flowspan.testing.wire import gemini_common
from flowspan.testing.wire.format import Answer, Json, WireFormat
from flowspan.testing.wire.gemini_common import content_texts
from flowspan.testing.wire.vectors import DIMENSIONS, vector


def _requests(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The requests of a batch; a body without any is one itself."""
    requests = body.get("requests")
    if not isinstance(requests, list):
        return [body]
    return [each for each in requests if isinstance(each, Mapping)]


def _text(request: Mapping[str, Any]) -> str:
    return "\n".join(content_texts(request.get("content")))


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    return (_text(request) for request in _requests(body))


def _embeddings(answer: Answer) -> list[Json]:
    return [
        {"values": vector(_text(each), each.get("outputDimensionality") or DIMENSIONS)}
        for each in _requests(answer.request.body)
    ]


def _usage(answer: Answer) -> Json:
    return {"usageMetadata": gemini_common.prompt_usage(answer.usage)}


FORMAT = WireFormat(
    name="gemini.embeddings",
    provider="gcp.gemini",
    operation="embeddings",
    path_endings=(":embedContent",),
    model=gemini_common.model_in_path,
    texts=_texts,
    body=lambda answer: {"embedding": _embeddings(answer)[0], **_usage(answer)},
    headers=gemini_common.headers,
    error=gemini_common.error,
    media_type="application/json; charset=UTF-8",
)

BATCH = replace(
    FORMAT,
    path_endings=(":batchEmbedContents",),
    body=lambda answer: {"embeddings": _embeddings(answer), **_usage(answer)},
)


# --- Vertex AI ----------------------------------------------------------------------------------


def _instances(body: Mapping[str, Any]) -> list[str]:
    instances = body.get("instances")
    found = instances if isinstance(instances, list) else []
    return [str(each.get("content", "")) for each in found if isinstance(each, Mapping)]


def _predictions(answer: Answer) -> Json:
    parameters = answer.request.body.get("parameters")
    wished = parameters.get("outputDimensionality") if isinstance(parameters, Mapping) else None
    texts = _instances(answer.request.body)
    predictions = []
    left = answer.usage.input_tokens or 0
    for position, text in enumerate(texts):
        tokens = left if position == len(texts) - 1 else min(left, count_tokens([text]))
        left -= tokens
        statistics = {"truncated": False, "token_count": tokens}
        values = vector(text, wished or DIMENSIONS)
        predictions.append({"embeddings": {"statistics": statistics, "values": values}})
    return {"predictions": predictions}


PREDICTED = replace(
    FORMAT,
    name="vertex.embeddings",
    provider="gcp.vertex_ai",
    path_endings=(":predict",),
    texts=_instances,
    body=_predictions,
)
