"""OpenAI speech: text that becomes audio, as bytes or as events."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowspan.testing.received import ReceivedRequest
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import Answer, EventFormat, Frame, WireFormat, encode
from flowspan.usage import Usage

_MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("instructions", "input"):
        if isinstance(text := body.get(name), str):
            yield text


def _meter(_given: Usage, ruled: Usage, request: ReceivedRequest) -> Usage:
    """What is charged: characters of the older models' input, else tokens; output is audio."""
    if (request.model or "").startswith("tts-"):
        length = len(str(request.body.get("input", "")))
        return replace(ruled, input_tokens=None, output_tokens=None, characters=length)
    return replace(ruled, output_audio_tokens=ruled.output_tokens)


def _body(answer: Answer) -> bytes:
    """Something that is no text: its length grows with what is said."""
    return b"ID3\x04" + b"".join(b"\xff\xfb" + chunk.encode() for chunk in answer.choices[0].chunks)


def _media_type(request: ReceivedRequest) -> str:
    return _MEDIA_TYPES.get(str(request.body.get("response_format")), "audio/mpeg")


def _frames(answer: Answer) -> Iterator[Frame]:
    for chunk in answer.choices[0].chunks:
        audio = base64.b64encode(b"\xff\xfb" + chunk.encode()).decode()
        event = {"type": "speech.audio.delta", "audio": audio}
        yield Frame(b"data: " + encode(event) + b"\n\n", content=True)
    given, made = answer.usage.input_tokens or 0, answer.usage.output_tokens or 0
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    done = {"type": "speech.audio.done", "usage": usage}
    yield Frame(b"data: " + encode(done) + b"\n\n", usage=True)


def _streams(_path: str, body: Mapping[str, Any]) -> bool:
    return body.get("stream_format") == "sse"


FORMAT = WireFormat(
    name="openai.speech",
    provider="openai",
    operation="generate_content",
    path_endings=("/audio/speech",),
    texts=_texts,
    body=_body,
    headers=openai_common.headers,
    error=openai_common.error,
    events=EventFormat(frames=_frames, error=openai_common.error_frame),
    model=openai_common.model,
    streams=_streams,
    media_type=_media_type,
    meter=_meter,
)
"""``POST …/audio/speech``."""
