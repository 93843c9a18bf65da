"""What OpenAI's APIs share: headers, errors, token details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire.format import Frame, Json, encode, model_in_body
from flowspan.usage import Usage

TIERS = {
    "auto": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "scale": "scale",
}
"""The service tier served for each one asked for."""

_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def headers(request_id: str) -> dict[str, str]:
    """Headers of every answer."""
    return {
        "x-request-id": request_id,
        "openai-version": "2020-10-01",
        "openai-organization": "flowspan-test",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
    }


def error(status: int, message: str, request_id: str) -> Json:
    """Body of an error; the request id is in the header only."""
    del request_id
    kind, code = _ERROR_TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_frame(message: str, sent: int) -> Frame:
    """A chat stream's error: a chunk with nothing but ``error``."""
    del sent
    return Frame(b"data: " + encode(error(500, message, "")) + b"\n\n")


def input_details(usage: Usage) -> Json:
    """What ``prompt_tokens_details`` of chat and ``input_tokens_details`` of responses share."""
    details = {"cached_tokens": usage.cache_read_tokens or 0}
    if usage.cache_write_tokens is not None:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return details


def includes_usage(body: Mapping[str, Any]) -> bool:
    """Whether a stream was asked to say its tokens."""
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def inputs(given: Any) -> Iterator[str]:
    """The texts of an input; one given as token numbers has a word for each number."""
    match given:
        case str(text):
            yield text
        case [int(), *_] as tokens:
            yield " ".join(map(str, tokens))
        case [*several]:
            for item in several:
                yield item if isinstance(item, str) else " ".join(map(str, item))


_DEPLOYMENTS = "/deployments/"


def model(path: str, body: Mapping[str, Any]) -> str | None:
    """The model that a request asks for; on Azure the deployment in its path decides."""
    if _DEPLOYMENTS in path:
        return path.partition(_DEPLOYMENTS)[2].partition("/")[0]
    return model_in_body(path, body)


def file_size(given: object) -> int:
    """Bytes of the files of a form's member."""
    files = given if isinstance(given, list) else [given]
    return sum(file["size"] for file in files if isinstance(file, dict))


def file_tokens(given: object, bytes_per_token: int) -> int:
    """Tokens of the files of a form's member, rounded up."""
    return -(-file_size(given) // bytes_per_token)
