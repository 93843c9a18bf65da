"""Mistral's chat, its agents, its completions of code (FIM) and its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import mistral_common, openai_common
from flowspan.testing.wire.format import (
    Answer,
    Json,
    WireFormat,
    message_texts,
)
from flowspan.testing.wire.vectors import DIMENSIONS, vector

_AGENT_MODEL = "mistral-medium-latest"
"""The model of every agent; a request names the agent alone."""


def _schema(body: Mapping[str, Any]) -> Json | None:
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
    return None


def _code(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("prompt", "suffix"):
        if isinstance(text := body.get(name), str) and text:
            yield text


def _embeddings(answer: Answer) -> Json:
    request, tokens = answer.request, answer.usage.input_tokens
    dimensions = request.body.get("output_dimension") or DIMENSIONS
    data = [
        {"object": "embedding", "embedding": vector(text, dimensions), "index": index}
        for index, text in enumerate(request.texts)
    ]
    return {
        "id": mistral_common.response_id(answer),
        "object": "list",
        "data": data,
        "model": answer.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
    }


CHAT = WireFormat(
    name="mistral.chat",
    provider="mistral",
    operation="chat",
    path_endings=(f"{mistral_common.PREFIX}/v1/chat/completions",),
    texts=lambda body: message_texts(body.get("messages")),
    output_limit=("max_tokens",),
    tiers=mistral_common.TIERS,
    schema=_schema,
    body=mistral_common.body,
    response_id=mistral_common.response_id,
    headers=mistral_common.headers,
    error=mistral_common.error,
    events=mistral_common.EVENTS,
)
"""``POST /v1/chat/completions``."""

AGENTS = WireFormat(
    name="mistral.agents",
    provider="mistral",
    operation="chat",
    path_endings=("/v1/agents/completions",),
    texts=lambda body: message_texts(body.get("messages")),
    output_limit=("max_tokens",),
    schema=_schema,
    body=mistral_common.body,
    response_id=mistral_common.response_id,
    headers=mistral_common.headers,
    error=mistral_common.error,
    events=mistral_common.EVENTS,
    model=lambda _path, _body: _AGENT_MODEL,
)
"""``POST /v1/agents/completions``."""

FIM = WireFormat(
    name="mistral.fim",
    provider="mistral",
    operation="text_completion",
    path_endings=("/v1/fim/completions",),
    texts=_code,
    output_limit=("max_tokens",),
    body=mistral_common.body,
    response_id=mistral_common.response_id,
    headers=mistral_common.headers,
    error=mistral_common.error,
    events=mistral_common.EVENTS,
)
"""``POST /v1/fim/completions``."""

EMBEDDINGS = WireFormat(
    name="mistral.embeddings",
    provider="mistral",
    operation="embeddings",
    path_endings=(f"{mistral_common.PREFIX}/v1/embeddings",),
    texts=lambda body: openai_common.inputs(body.get("input")),
    body=_embeddings,
    response_id=mistral_common.response_id,
    headers=mistral_common.headers,
    error=mistral_common.error,
)
"""``POST /v1/embeddings``."""
