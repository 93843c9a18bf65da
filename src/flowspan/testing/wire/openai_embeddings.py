"""OpenAI embeddings, as numbers and in base64."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, Json, WireFormat
from flowspan.testing.wire.vectors import DIMENSIONS, vector


def _embedding(text: str, body: Mapping[str, Any]) -> list[float] | str:
    found = vector(text, body.get("dimensions") or DIMENSIONS)
    if body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(found)}f", *found)).decode()
    return found


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
