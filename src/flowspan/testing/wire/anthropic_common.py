"""What Anthropic's formats share: prompts, headers, errors and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire.format import Frame, Json, encode, message_texts, texts_in

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_LIMITS = {"requests": 4000, "tokens": 2_000_000, "input-tokens": 1_600_000}


def texts(body: Mapping[str, Any]) -> Iterator[str]:
    """The texts of system instructions and messages."""
    yield from texts_in(body.get("system"))
    yield from message_texts(body.get("messages"))


def headers(request_id: str) -> dict[str, str]:
    """The headers of every answer."""
    found = {"request-id": request_id, "anthropic-organization-id": "flowspan-test"}
    for name, limit in _LIMITS.items():
        found[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        found[f"anthropic-ratelimit-{name}-remaining"] = str(limit - 1)
        found[f"anthropic-ratelimit-{name}-reset"] = "2026-09-21T14:13:20Z"
    return found


def error(status: int, message: str, request_id: str) -> Json:
    """The body of an error."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def event(data: Json, *, name: str = "", content: bool = False, usage: bool = False) -> Frame:
    """An event, named by its type unless it has another name."""
    line = (name or data["type"]).encode()
    return Frame(b"event: " + line + b"\ndata: " + encode(data) + b"\n\n", content, usage)


def error_frame(message: str, sent: int) -> Frame:
    """The event of an error in mid-stream."""
    del sent
    return event({"type": "error", "error": {"type": "overloaded_error", "message": message}})
