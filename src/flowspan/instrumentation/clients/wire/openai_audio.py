"""OpenAI audio: transcriptions and translations, which become text, and speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import asked
from flowspan.instrumentation.clients.wire.openai_images import data_of
from flowspan.instrumentation.clients.wire.parts import Part, blob, message, text_part
from flowspan.instrumentation.clients.wire.reading import number, read, text
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Shape
from flowspan.usage import Usage


def _never(_body: Body) -> bool:
    """Its requests are forms, which are not looked into."""
    return False


# --- audio that becomes text ----------------------------------------------------------------------


def _text_usage(body: Any) -> Usage | None:
    """Tokens or seconds; a verbose answer that says neither says how long the audio is."""
    usage = read(body, "usage")
    if usage is None and (seconds := read(body, "duration")) is not None:
        # Typed answers of older versions of the SDK have it as a text.
        usage = {"seconds": _seconds(seconds)}
    return None if usage is None else Usage.of("openai.audio", usage)


def _seconds(value: Any) -> float | None:
    if not isinstance(value, str):
        return number(value)
    try:
        return float(value)
    except ValueError:
        return None


def _text_of(body: Any) -> str:
    return text(body) or text(read(body, "text")) or ""


def _fold_text(events: Sequence[Body]) -> dict[str, Any]:
    """Make one transcription of its pieces, or of the event that has all of it."""
    body: dict[str, Any] = {}
    pieces: list[str] = []
    for event in events:
        for name in ("usage", "error", "text"):
            if event.get(name) and not event.get("speaker"):
                body[name] = event[name]
        if isinstance(event.get("delta"), str):
            pieces.append(event["delta"])
    body.setdefault("text", "".join(pieces))
    return body


def _text_input(body: Body) -> tuple[Any, Any]:
    parts: list[Part] = [blob("audio", None, data_of(body.get("file")))]
    if prompt := text(body.get("prompt")):
        parts.append(text_part(prompt))
    return None, [message("user", parts)]


AUDIO_TEXT: Final = Shape(
    name="openai.audio.text",
    provider="openai",
    operation="generate_content",
    paths=("/audio/transcriptions", "/audio/translations"),
    matches=_never,
    request={
        "stream": ((semconv.REQUEST_STREAM, asked),),
        "temperature": ((semconv.REQUEST_TEMPERATURE, number),),
    },
    response=lambda _body: {},
    usage=_text_usage,
    prompt=("prompt",),
    output=_text_of,
    marks=Marks(text=("delta",), latest=("usage",), over=("transcript.text.done",)),
    fold=_fold_text,
    input=_text_input,
    messages=lambda body: [message("assistant", [text_part(_text_of(body))])],
    output_type="text",
    estimated=False,
)
"""``POST …/audio/transcriptions``, ``…/audio/translations``."""


# --- text that becomes audio ----------------------------------------------------------------------


def _speech_usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    return None if usage is None else Usage.of("openai.speech", usage)


def _characters(body: Body) -> Usage | None:
    said = text(body.get("input"))
    return None if said is None else Usage(characters=len(said))


def _fold_speech(events: Sequence[Body]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for event in events:
        for name in ("usage", "error"):
            if event.get(name):
                body[name] = event[name]
    return body


def _speech_input(body: Body) -> tuple[Any, Any]:
    told = text(body.get("instructions"))
    system = None if told is None else [text_part(told)]
    return system, [message("user", [text_part(body.get("input"))])]


SPEECH: Final = Shape(
    name="openai.speech",
    provider="openai",
    operation="generate_content",
    paths=("/audio/speech",),
    matches=_never,
    request={},
    response=lambda _body: {},
    usage=_speech_usage,
    prompt=("instructions", "input"),
    output=lambda _body: None,
    marks=Marks(text=(), latest=("usage",), over=("speech.audio.done",), bulky=True),
    fold=_fold_speech,
    input=_speech_input,
    messages=lambda _body: [message("assistant", [blob("audio", None, None)])],
    output_type="speech",
    estimated=False,
    charged=_characters,
)
"""``POST …/audio/speech``; the answer is bytes, and says its tokens only as events."""
