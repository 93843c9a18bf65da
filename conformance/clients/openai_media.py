"""OpenAI's SDK: images, audio and moderations, each in the way that it is mostly called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final

import openai

from conformance.clients import openai_calls as calls
from conformance.vocabulary import QUESTION, Way

Connects = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""What makes a synchronous and an asynchronous client."""

_AUDIO: Final = ("question.mp3", b"x" * 1500, "audio/mpeg")
_PICTURE: Final = ("cat.png", b"y" * 950, "image/png")
_VARIANTS: Final = {
    "": "",
    "raw": "with_raw_response.",
    "streaming response": "with_streaming_response.",
}
"""What stands before a method in each variant."""
_MANNERS: Final = {
    "": (calls.whole, calls.stream),
    "raw": (calls.raw, calls.raw_stream),
    "streaming response": (calls.entered, calls.lines),
}
"""How each variant is called, whole and streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A method of the SDK with its arguments.

    Attributes:
        path: Where it is on a client.
        format: The wire format in the provider's ledger.
        model: The model asked for.
        arguments: What else it is given.
        streamed: What makes it a stream; ``None`` where it cannot be one.
        bytes: Whether its answer is bytes, which are streamed by reading them.
        reports: Whether an answer says what it used.
        operation: Of its spans.
        told: What tells it from another call of the same method.
    """

    path: str
    format: str
    model: str
    arguments: Mapping[str, Any]
    streamed: Mapping[str, Any] | None = None
    bytes: bool = False
    reports: bool = True
    operation: str = "generate_content"
    told: str = ""


_CALLS: Final = (
    _Call(
        path="images.generate",
        format="openai.images",
        model="gpt-image-1.5",
        arguments={"prompt": QUESTION},
        streamed={"stream": True, "partial_images": 3},
    ),
    _Call(
        path="images.edit",
        format="openai.images",
        model="gpt-image-1",
        arguments={"prompt": QUESTION, "image": _PICTURE},
        streamed={"stream": True, "partial_images": 3},
    ),
    _Call(
        path="images.create_variation",
        format="openai.images",
        model="gpt-image-1",
        arguments={"image": _PICTURE},
    ),
    _Call(
        path="audio.transcriptions.create",
        format="openai.transcriptions",
        model="gpt-4o-transcribe",
        arguments={"file": _AUDIO, "prompt": QUESTION},
        streamed={"stream": True},
    ),
    _Call(
        path="audio.transcriptions.create",
        format="openai.transcriptions",
        model="whisper-1",
        arguments={"file": _AUDIO, "response_format": "verbose_json"},
        told="response_format='verbose_json'",
    ),
    _Call(
        path="audio.transcriptions.create",
        format="openai.transcriptions",
        model="whisper-1",
        arguments={"file": _AUDIO, "response_format": "text"},
        reports=False,
        told="response_format='text'",
    ),
    _Call(
        path="audio.translations.create",
        format="openai.translations",
        model="whisper-1",
        arguments={"file": _AUDIO, "response_format": "verbose_json"},
    ),
    _Call(
        path="audio.speech.create",
        format="openai.speech",
        model="tts-1",
        arguments={"input": QUESTION, "voice": "alloy"},
        bytes=True,
    ),
    _Call(
        path="audio.speech.create",
        format="openai.speech",
        model="gpt-4o-mini-tts",
        arguments={
            "input": QUESTION,
            "voice": "alloy",
            "extra_body": {"stream_format": "sse"},
        },
        bytes=True,
        told="stream_format='sse'",
    ),
    _Call(
        path="audio.speech.create",
        format="openai.speech",
        model="gpt-4o-mini-tts",
        arguments={"input": QUESTION, "voice": "alloy"},
        bytes=True,
        reports=False,
        told="model='gpt-4o-mini-tts'",
    ),
    _Call(
        path="moderations.create",
        format="openai.moderations",
        model="omni-moderation-latest",
        arguments={"input": QUESTION},
        operation="moderation",
        reports=False,
    ),
)


def ways(connects: Connects, close: Callable[[Any], Any]) -> Iterator[Way]:
    """Every way that the installed version has."""
    for call in _CALLS:
        for variant, prefix in _VARIANTS.items():
            yield from _ways(call, variant, prefix, connects, close)


def _ways(
    call: _Call, variant: str, prefix: str, connects: Connects, close: Callable[[Any], Any]
) -> Iterator[Way]:
    owner, _, method = call.path.rpartition(".")
    path = f"{owner}.{prefix}{method}"
    for asynchronous, connect in enumerate(connects):
        make = partial(
            Way,
            call=f"{call.path}({call.told})" if call.told else call.path,
            format=call.format,
            operation=call.operation,
            model=call.model,
            connect=connect,
            disconnect=close,
            reports=call.reports,
            tries=2,
            text=False,
            asynchronous=bool(asynchronous),
            variant=variant,
        )
        known = {"model": call.model, **call.arguments}
        for runs, stream in _runs(call, variant, path, known):
            yield make(run=runs[asynchronous], stream=stream)


def _runs(
    call: _Call, variant: str, path: str, known: Mapping[str, Any]
) -> Iterator[tuple[calls.Runs, bool]]:
    """How it is called in a variant, and whether that is a stream."""
    whole, streamed = _MANNERS[variant]
    if call.bytes and variant == "streaming response":
        yield calls.pieces(path, known), True
        return
    yield (calls.content if call.bytes else whole)(path, known), False
    if call.streamed is not None and _streams(call.path):
        yield streamed(path, {**known, **call.streamed}), True


def _streams(path: str) -> bool:
    """Whether the installed version's method can stream."""
    client = openai.OpenAI(base_url="http://127.0.0.1", api_key="sk-test")
    with client:
        return "stream" in inspect.signature(attrgetter(path)(client)).parameters
