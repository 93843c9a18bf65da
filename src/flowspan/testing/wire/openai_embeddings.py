"""OpenAI embeddings, as numbers and in base64."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, Json, WireFormat

_DIMENSIONS = 8


def _vector(text: str, dimensions: int) -> list[float]:
    """A vector that depends on nothing but the text; its numbers are exact in 32 bits."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(byte - 128) / 128 for byte in islice(cycle(digest), dimensions)]


def _embedding(text: str, body: Mapping[str, Any]) -> list[float] | str:
    vector = _vector(text, body.get("dimensions") or _DIMENSIONS)
    if body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


def _body(answer: Answer) -> Json:
    request, tokens = answer.request, answer.usage.input_tokens
    data = [
        {"object": "embedding", "index": index, "embedding": _embedding(text, request.body)}
        for index, text in enumerate(request.texts)
    ]
    return {
        "object": "list",
        "data": data,
        "model": answer.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


FORMAT = WireFormat(
    name="openai.embeddings",
    provider="openai",
    operation="embeddings",
    path_endings=("/embeddings",),
    texts=lambda body: openai_common.inputs(body.get("input")),
    body=_body,
    headers=openai_common.headers,
    error=openai_common.error,
    model=openai_common.model,
)
