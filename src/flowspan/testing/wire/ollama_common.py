"""What Ollama's APIs share: lines of JSON, times, errors; there are no ids and no keys."""

from __future__ import annotations

from datetime import UTC, datetime

from flowspan.testing.wire.format import CREATED, Answer, Frame, Json, encode

LINES = "application/x-ndjson"
"""Content type of a stream."""

_CREATED_AT = datetime.fromtimestamp(CREATED, UTC).isoformat().replace("+00:00", "Z")


def head(answer: Answer) -> Json:
    """How every line of an answer begins."""
    return {"model": answer.model, "created_at": _CREATED_AT}


def tail(answer: Answer) -> Json:
    """What the last line adds: why it ended, how long it took (in nanoseconds), its tokens."""
    return {
        "done": True,
        "done_reason": done_reason(answer),
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": answer.usage.input_tokens,
        "prompt_eval_duration": 1_000_000,
        "eval_count": answer.usage.output_tokens,
        "eval_duration": 3_000_000,
    }


def done_reason(answer: Answer) -> str:
    """Ollama knows the end of the text, which a tool call is too, and the limit of tokens."""
    return answer.finish_reason or ("length" if answer.stop == "length" else "stop")


def line(value: Json, *, content: bool = False, usage: bool = False) -> Frame:
    """One line of a stream."""
    return Frame(encode(value) + b"\n", content, usage)


def headers(_request_id: str) -> dict[str, str]:
    """Ollama sends none of its own."""
    return {}


def error(_status: int, message: str, _request_id: str) -> Json:
    """Body of an error."""
    return {"error": message}


def error_line(message: str, _sent: int) -> Frame:
    """An error in mid-stream is a line like any other."""
    return Frame(encode({"error": message}) + b"\n")


def malformed(data: bytes) -> bytes:
    """Half of a line."""
    return data[: len(data) // 2] + b"\n"
