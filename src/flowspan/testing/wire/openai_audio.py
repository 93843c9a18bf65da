"""OpenAI audio that becomes text: transcriptions, which may be streamed, and translations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowspan.testing.received import ReceivedRequest
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, EventFormat, Frame, Json, WireFormat, encode
from flowspan.testing.wire.multipart import parse_form
from flowspan.usage import Usage

_BYTES_PER_TOKEN = 100
_BYTES_PER_SECOND = 1000
_TEXTS = frozenset({"text", "srt", "vtt"})
"""Response formats that are no JSON."""


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(prompt := body.get("prompt"), str):
        yield prompt


def _by_length(model: str | None) -> bool:
    """Whether a model is charged by the length of the audio."""
    return (model or "").startswith(("whisper", "gpt-transcribe"))


def _meter(given: Usage, ruled: Usage, request: ReceivedRequest) -> Usage:
    """What is charged: the audio's length, or a token for each hundred of its bytes."""
    file = request.body.get("file")
    if _by_length(request.model):
        seconds = given.audio_seconds
        if seconds is None:
            seconds = openai_common.file_size(file) / _BYTES_PER_SECOND
        return replace(ruled, input_tokens=None, output_tokens=None, audio_seconds=seconds)
    if given.input_tokens is None:
        heard = openai_common.file_tokens(file, _BYTES_PER_TOKEN)
        ruled = replace(
            ruled, input_tokens=(ruled.input_tokens or 0) + heard, input_audio_tokens=heard
        )
    return ruled


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    if usage.audio_seconds is not None:
        return {"type": "duration", "seconds": usage.audio_seconds}
    given, made, heard = (
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.input_audio_tokens or 0,
    )
    return {
        "type": "tokens",
        "input_tokens": given,
        "input_token_details": {"text_tokens": given - heard, "audio_tokens": heard},
        "output_tokens": made,
        "total_tokens": given + made,
    }


def _said(answer: Answer) -> str:
    return answer.choices[0].text


def _subtitles(answer: Answer) -> Json | bytes:
    """The answer in the response format that was asked for, without usage."""
    said, wished = _said(answer), answer.request.body.get("response_format")
    if wished == "text":
        return f"{said}\n".encode()
    if wished == "srt":
        return f"1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n".encode()
    if wished == "vtt":
        return f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{said}\n\n".encode()
    if wished == "verbose_json":
        return {
            "task": "translate" if "/translations" in answer.request.path else "transcribe",
            "language": "english",
            "duration": answer.usage.audio_seconds or 0,
            "text": said,
            "segments": [],
        }
    return {"text": said}


def _transcription(answer: Answer) -> Json | bytes:
    body = _subtitles(answer)
    return body if isinstance(body, bytes) else {**body, "usage": _usage(answer)}


def _media_type(request: ReceivedRequest) -> str:
    plain = request.body.get("response_format") in _TEXTS
    return "text/plain; charset=utf-8" if plain else "application/json"


def _frames(answer: Answer) -> Iterator[Frame]:
    for chunk in answer.choices[0].chunks:
        event = {"type": "transcript.text.delta", "delta": chunk}
        yield Frame(b"data: " + encode(event) + b"\n\n", content=True)
    done = {"type": "transcript.text.done", "text": _said(answer), "usage": _usage(answer)}
    yield Frame(b"data: " + encode(done) + b"\n\n", usage=True)
    yield Frame(b"data: [DONE]\n\n")


def _streams(_path: str, body: Mapping[str, Any]) -> bool:
    return body.get("stream") is True and not _by_length(body.get("model"))


TRANSCRIPTIONS = WireFormat(
    name="openai.transcriptions",
    provider="openai",
    operation="generate_content",
    path_endings=("/audio/transcriptions",),
    texts=_texts,
    body=_transcription,
    headers=openai_common.headers,
    error=openai_common.error,
    events=EventFormat(frames=_frames, error=openai_common.error_frame),
    model=openai_common.model,
    streams=_streams,
    parse=parse_form,
    media_type=_media_type,
    meter=_meter,
)
"""``POST …/audio/transcriptions``."""

TRANSLATIONS = replace(
    TRANSCRIPTIONS,
    name="openai.translations",
    path_endings=("/audio/translations",),
    body=_subtitles,
    events=None,
)
"""``POST …/audio/translations``; its answers do not say what they used."""
