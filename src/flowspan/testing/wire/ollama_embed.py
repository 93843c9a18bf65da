"""Ollama's embeddings: ``embed`` for one or more texts, and the older ``embeddings`` for one."""

from __future__ import annotations

from flowspan.testing.wire import ollama_common, openai_common
from flowspan.testing.wire.format import Answer, Json, WireFormat
from flowspan.testing.wire.vectors import DIMENSIONS, vector


def _body(answer: Answer) -> Json:
    dimensions = answer.request.body.get("dimensions") or DIMENSIONS
    return {
        "model": answer.model,
        "embeddings": [vector(text, dimensions) for text in answer.request.texts],
        "total_duration": 3_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": answer.usage.input_tokens,
    }


def _older_body(answer: Answer) -> Json:
    """It does not say its tokens."""
    return {"embedding": vector(answer.request.text)}


EMBED = WireFormat(
    name="ollama.embed",
    provider="ollama",
    operation="embeddings",
    path_endings=("/api/embed",),
    texts=lambda body: openai_common.inputs(body.get("input")),
    body=_body,
    headers=ollama_common.headers,
    error=ollama_common.error,
)
"""``POST /api/embed``."""

EMBEDDINGS = WireFormat(
    name="ollama.embeddings",
    provider="ollama",
    operation="embeddings",
    path_endings=("/api/embeddings",),
    texts=lambda body: openai_common.inputs(body.get("prompt")),
    body=_older_body,
    headers=ollama_common.headers,
    error=ollama_common.error,
)
"""``POST /api/embeddings``."""
