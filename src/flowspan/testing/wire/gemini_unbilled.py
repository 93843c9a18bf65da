"""What Gemini's API answers without charging tokens: counting them, and keeping a prompt cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowspan.testing.wire import gemini_common
from flowspan.testing.wire.format import Answer, Json, WireFormat
from flowspan.testing.wire.gemini_common import content_texts

_MADE = "2026-09-21T13:33:20Z"
_GONE = "2026-09-21T14:33:20Z"


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    asked = body.get("generateContentRequest")
    whole = asked if isinstance(asked, Mapping) else body
    yield from content_texts(whole.get("systemInstruction"))
    yield from content_texts(whole.get("contents"))


def _counted(answer: Answer) -> Json:
    tokens = answer.usage.input_tokens or 0
    details = [{"modality": "TEXT", "tokenCount": tokens}]
    return {"totalTokens": tokens, "promptTokensDetails": details}


def _cached(answer: Answer) -> Json:
    return {
        "name": f"cachedContents/{answer.number}",
        "model": answer.request.body.get("model"),
        "createTime": _MADE,
        "updateTime": _MADE,
        "expireTime": _GONE,
        "usageMetadata": {"totalTokenCount": answer.usage.input_tokens or 0},
    }


COUNTED = WireFormat(
    name="gemini.count_tokens",
    provider="gcp.gemini",
    operation="count_tokens",
    path_endings=(":countTokens",),
    model=gemini_common.model_in_path,
    texts=_texts,
    body=_counted,
    headers=gemini_common.headers,
    error=gemini_common.error,
    media_type="application/json; charset=UTF-8",
    billed=False,
)

CACHED = replace(
    COUNTED,
    name="gemini.cached_contents",
    operation="create_cache",
    path_endings=("/cachedContents",),
    body=_cached,
)
