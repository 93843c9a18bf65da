"""Anthropic's older text completions, whose answers never say their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import SAMPLING
from flowspan.instrumentation.clients.wire.parts import message, text_part
from flowspan.instrumentation.clients.wire.reading import count, number, read, word, words
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue

_REQUEST: Final[Rules] = {
    **{name: SAMPLING[name] for name in ("temperature", "top_p", "stream")},
    "max_tokens_to_sample": ((semconv.REQUEST_MAX_TOKENS, count),),
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "top_k": ((semconv.REQUEST_TOP_K, number),),
}


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("prompt"), str)


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(body, "stop_reason"))
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
    }


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    pieces: list[str] = []
    for event in events:
        body |= {name: event[name] for name in _MEMBERS if event.get(name)}
        if isinstance(piece := event.get("completion"), str):
            pieces.append(piece)
    return {**body, "completion": "".join(pieces)}


_MEMBERS: Final = ("id", "model", "stop_reason", "error")

COMPLETE: Final = Shape(
    name="anthropic.complete",
    provider="anthropic",
    operation="text_completion",
    paths=("/complete",),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=lambda _body: None,
    prompt=("prompt",),
    output=lambda body: read(body, "completion"),
    marks=Marks(text=("completion",), each=("stop_reason",)),
    fold=_fold,
    input=lambda body: (None, [message("user", [text_part(body.get("prompt"))])]),
    messages=lambda body: [message("assistant", [text_part(read(body, "completion"))])],
)
"""``POST …/complete``."""
