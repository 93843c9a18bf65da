"""Anthropic's older text completions, which are charged without a word about tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire.anthropic_common import error, error_frame, event, headers
from flowspan.testing.wire.format import Answer, EventFormat, Frame, Json, Stop, WireFormat

_STOP_REASONS: dict[Stop, str] = {"length": "max_tokens"}


def _texts(body: Mapping[str, Any]) -> list[str]:
    prompt = body.get("prompt")
    return [prompt] if isinstance(prompt, str) else []


def _response_id(answer: Answer) -> str:
    return f"compl_{answer.number}"


def _completion(answer: Answer, text: str, stop: str | None) -> Json:
    return {
        "type": "completion",
        "id": _response_id(answer),
        "completion": text,
        "stop_reason": stop,
        "model": answer.model,
        "stop": None,
        "log_id": _response_id(answer),
    }


def _stop_reason(answer: Answer) -> str:
    return answer.finish_reason or _STOP_REASONS.get(answer.stop, "stop_sequence")


def _frames(answer: Answer) -> Iterator[Frame]:
    for piece in answer.choices[0].chunks:
        yield event(_completion(answer, piece, None), content=True)
    yield event(_completion(answer, "", _stop_reason(answer)))


FORMAT = WireFormat(
    name="anthropic.complete",
    provider="anthropic",
    operation="text_completion",
    path_endings=("/complete",),
    texts=_texts,
    output_limit=("max_tokens_to_sample",),
    body=lambda answer: _completion(answer, answer.choices[0].text, _stop_reason(answer)),
    response_id=_response_id,
    headers=headers,
    error=error,
    events=EventFormat(frames=_frames, error=error_frame),
)
