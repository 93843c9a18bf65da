"""What Cohere's APIs share: headers, errors, and tokens that are told twice.

What is charged are the *billed units*.  The *tokens* beside them are more: they count the template
in which Cohere wraps a prompt as well.
"""

from __future__ import annotations

from flowspan.testing.wire.format import Answer, Choice, Json, Stop
from flowspan.usage import Usage

TEMPLATE = 66
"""Input tokens of the template, told and not charged."""

_FINISH_REASONS: dict[Stop, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "refusal": "COMPLETE",
}


def headers(request_id: str) -> dict[str, str]:
    """Headers of every answer."""
    return {
        "x-debug-trace-id": request_id,
        "num_chars": "0",
        "x-endpoint-monthly-call-limit": "1000",
        "x-trial-endpoint-call-limit": "20",
        "x-trial-endpoint-call-remaining": "19",
    }


def error(_status: int, message: str, request_id: str) -> Json:
    """Body of an error."""
    return {"id": request_id, "message": message}


def response_id(answer: Answer) -> str:
    """A UUID that ends in the number of the answer."""
    return f"00000000-0000-4000-8000-{answer.number:0>12}"


def finish_reason(answer: Answer, choice: Choice) -> str:
    """Why a choice ended."""
    if answer.finish_reason is not None:
        return answer.finish_reason
    if answer.stop == "tool_calls" and not choice.tool_calls:
        return "COMPLETE"
    return _FINISH_REASONS[answer.stop]


def counts(usage: Usage) -> Json:
    """What is charged, and what was counted; numbers have a point, as Cohere's do."""
    charged, made = float(usage.input_tokens or 0), float(usage.output_tokens or 0)
    told: Json = {
        "billed_units": {"input_tokens": charged, "output_tokens": made},
        "tokens": {"input_tokens": charged + TEMPLATE, "output_tokens": made},
    }
    if usage.cache_read_tokens is not None:
        told["cached_tokens"] = float(usage.cache_read_tokens)
    return told


def meta(usage: Usage, version: str) -> Json:
    """What version 1 calls the counts, with the version."""
    return {"api_version": {"version": version}, **counts(usage)}
