"""What Google's Gemini APIs share: models in the path, texts, headers, errors, token counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire.format import Json
from flowspan.usage import Usage

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES = "type.googleapis.com/google.rpc"


def model_in_path(path: str, _body: Mapping[str, Any]) -> str | None:
    """The model before the verb: ``…/models/gemini-2.5-flash:generateContent``."""
    resource, colon, _ = path.partition("?")[0].rpartition(":")
    return resource.rpartition("/")[2] or None if colon else None


def has_parameter(path: str, parameter: str) -> bool:
    """Whether a path's query has ``parameter``, in the form ``name=value``."""
    return parameter in path.partition("?")[2].split("&")


def content_texts(contents: object) -> Iterator[str]:
    """The texts of a content, of its parts, or of a list of contents."""
    if isinstance(contents, str):
        yield contents
    elif isinstance(contents, list):
        for content in contents:
            yield from content_texts(content)
    elif isinstance(contents, Mapping):
        yield from content_texts(contents.get("parts"))
        yield from content_texts(contents.get("text"))


def headers(_request_id: str) -> dict[str, str]:
    """Headers of every answer; Google gives no id of the request."""
    return {
        "vary": "Origin, X-Origin, Referer",
        "server": "scaffolding on HTTPServer2",
        "x-content-type-options": "nosniff",
        "server-timing": "gfet4t7; dur=1",
    }


def error(status: int, message: str, _request_id: str) -> Json:
    """Body of an error; one that asks to wait says so in its details, not in a header."""
    found: Json = {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}
    if status == 429:  # noqa: PLR2004 - of HTTP
        quota = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
        found["details"] = [
            {"@type": f"{_TYPES}.QuotaFailure", "violations": [{"quotaMetric": quota}]},
            {"@type": f"{_TYPES}.RetryInfo", "retryDelay": "0.001s"},
        ]
    return {"error": found}


def prompt_usage(usage: Usage) -> Json:
    """The counts of the input, which an answer's counts stand beside."""
    counts: Json = {"promptTokenCount": usage.input_tokens or 0}
    if usage.cache_read_tokens is not None:
        counts["cachedContentTokenCount"] = usage.cache_read_tokens
        counts["cacheTokensDetails"] = _details(usage.cache_read_tokens, 0)
    counts["promptTokensDetails"] = _details(usage.input_tokens, usage.input_audio_tokens)
    return counts


def full_usage(usage: Usage) -> Json:
    """All counts; thoughts are counted beside the candidates, and a count of 0 is left out."""
    thoughts = usage.reasoning_tokens or 0
    candidates = (usage.output_tokens or 0) - thoughts
    counts = prompt_usage(usage)
    if candidates:
        counts["candidatesTokenCount"] = candidates
        counts["candidatesTokensDetails"] = _details(candidates, usage.output_audio_tokens)
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    counts["totalTokenCount"] = counts["promptTokenCount"] + candidates + thoughts
    return counts


def _details(count: int | None, audio: int | None) -> list[Json]:
    """How many tokens are text and how many are audio."""
    modalities = {"TEXT": (count or 0) - (audio or 0), "AUDIO": audio or 0}
    return [
        {"modality": modality, "tokenCount": tokens}
        for modality, tokens in modalities.items()
        if tokens
    ]
