"""OpenAI moderations, which are not charged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, Json, WireFormat, texts_in

_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    given = body.get("input")
    for each in given if isinstance(given, list) else [given]:
        yield from texts_in(each if isinstance(each, str) else [each])


def _body(answer: Answer) -> Json:
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": dict.fromkeys(_CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
    model = answer.model or "omni-moderation-latest"
    return {"id": f"modr-{answer.number}", "model": model, "results": [result]}


FORMAT = WireFormat(
    name="openai.moderations",
    provider="openai",
    operation="moderation",
    path_endings=("/moderations",),
    texts=_texts,
    body=_body,
    response_id=lambda answer: f"modr-{answer.number}",
    headers=openai_common.headers,
    error=openai_common.error,
    billed=False,
)
"""``POST …/moderations``."""
