"""OpenAI's conversations over a socket: what a response that is done says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_audio import AUDIO_TEXT
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    message,
    text_part,
    tool_call_part,
)
from flowspan.instrumentation.clients.wire.reading import items, read, text, word
from flowspan.instrumentation.integration import AttributeValue
from flowspan.usage import Usage


def _response(body: Any) -> dict[str, AttributeValue | None]:
    details = read(body, "status_details")
    reason = word(read(details, "reason")) or word(read(body, "status"))
    spoken = "audio" in items(read(body, "output_modalities") or read(body, "modalities"))
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.CONVERSATION_ID: word(read(body, "conversation_id")),
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
        semconv.OUTPUT_TYPE: "speech" if spoken else "text",
    }


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    return None if usage is None else Usage.of("openai.realtime", usage)


def _messages(body: Any) -> list[Message]:
    return [message("assistant", _parts(item)) for item in items(read(body, "output"))]


def _parts(item: Any) -> list[Part]:
    if read(item, "type") == "function_call":
        arguments = read(item, "arguments")
        return [tool_call_part(read(item, "call_id"), read(item, "name"), arguments)]
    return [
        text_part(text(read(part, "text")) or text(read(part, "transcript")))
        for part in items(read(item, "content"))
    ]


def _fold(events: Sequence[Any]) -> dict[str, Any]:
    return dict(events[-1])


REALTIME: Final = replace(
    RESPONSES,
    name="openai.realtime",
    paths=(),
    response=_response,
    usage=_usage,
    fold=_fold,
    messages=_messages,
    estimated=False,
)
"""The response of ``response.done``."""

HEARD: Final = replace(
    AUDIO_TEXT,
    name="openai.realtime.transcription",
    paths=(),
    fold=_fold,
    messages=lambda body: [message("user", [text_part(read(body, "transcript"))])],
)
"""The event that tells what was heard, by a model of its own."""
