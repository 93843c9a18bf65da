"""Prompts and answers are recorded as far as the user asked for it, in one form for all clients."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance.asking import (
    charged,
    generates,
    is_seen,
    known_of,
    one_of_each_kind,
    only_call,
    watching,
)
from conformance.discovery import Case
from conformance.driving import drive
from conformance.pictures import ENCODED, PICTURE
from conformance.vocabulary import ANSWER, QUESTION
from flowspan import semconv
from flowspan.config import ContentMode
from flowspan.instrumentation.content import MOST_CHARACTERS
from flowspan.testing import FakeProvider, Fault, Recording, Reply

SECRETS = (
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_abcdefghijklmnopqrstuvwxyz012345",
    "gsk_abcdefghijklmnopqrstuvwxyz012345",
    "xai-abcdefghijklmnopqrstuvwxyz012345",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
)
"""Keys by which providers are asked, and tokens of others; none is anybody's."""
SAME_IN_EVERY_ALPHABET = 48
"""Signs of the picture in base64 without one that URLs write otherwise."""
IN_CONTEXT = {
    "Authorization: Bearer abcdef0123456789abcdef": "abcdef0123456789abcdef",
    "https://user:hunter2secret@example.com/v1": "hunter2secret",
    'api_key="0123456789abcdef0123"': "0123456789abcdef0123",
}
"""Secrets that are known by what stands around them."""


def exported(recording: Recording) -> str:
    """Everything that leaves the process, as one text."""
    spans = [
        (span.name, dict(span.attributes or {}), span.status.description, *events(span))
        for span in recording.spans
    ]
    return repr((spans, recording.metrics()))


def events(span: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in span.events:
        yield event.name, dict(event.attributes or {})


def parts(known: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """The parts of all messages, each with its message's role."""
    return [
        (message["role"], part) for message in json.loads(known[name]) for part in message["parts"]
    ]


def told(case: Case, provider: FakeProvider, mode: ContentMode) -> Recording:
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))
    with watching(case, content=mode) as recording:
        drive(case.way, provider, settled=is_seen(recording))
    return recording


@pytest.mark.parametrize("mode", ["off", "hash"])
@one_of_each_kind()
def test_nothing_is_recorded_until_it_is_asked_for(
    case: Case, mode: ContentMode, provider: FakeProvider
) -> None:
    """No attribute, event or metric has a piece of the prompt or of the answer."""
    recording = told(case, provider, mode)

    text, known = exported(recording), known_of(only_call(recording))
    assert QUESTION not in text
    assert not any(piece.strip() in text for piece in case.way.answer if len(piece) > 4)
    hashes = [name for name in known if name.startswith(semconv.CONTENT_SHA256)]
    assert bool(hashes) == (mode == "hash")


@pytest.mark.parametrize("mode", ["redacted", "full"])
@one_of_each_kind(generates)
def test_messages_are_recorded_in_the_conventions_form(
    case: Case, mode: ContentMode, provider: FakeProvider
) -> None:
    """A list of messages with roles and parts: what the user asked, what the model said."""
    known = known_of(only_call(told(case, provider, mode)))

    asked = parts(known, semconv.INPUT_MESSAGES)
    said = parts(known, semconv.OUTPUT_MESSAGES)
    assert any(QUESTION in part["content"] for _, part in asked if part["type"] == "text")
    assert {role for role, _ in asked} == {"user"}
    assert {role for role, _ in said} == {"assistant"}
    assert "".join(part["content"] for _, part in said if part["type"] == "text") == "".join(
        case.way.answer
    )


@one_of_each_kind(lambda way: generates(way) and way.answer == ANSWER)
def test_secrets_never_leave(case: Case, provider: FakeProvider) -> None:
    """Neither from an answer, with all content on, nor from a client's key."""
    text = " and ".join((*SECRETS, *IN_CONTEXT))
    provider.reply(Reply(text, usage=charged(case.way)))

    with watching(case, content="full") as recording:
        drive(case.way, provider, settled=is_seen(recording))

    left = exported(recording)
    assert known_of(only_call(recording))[semconv.OUTPUT_MESSAGES]
    assert [secret for secret in (*SECRETS, *IN_CONTEXT.values()) if secret in left] == []
    assert "sk-test" not in left


@pytest.mark.parametrize("mode", ["off", "hash", "redacted", "full"])
@one_of_each_kind(lambda way: way.shows is not None)
def test_a_picture_is_never_recorded(case: Case, mode: ContentMode, provider: FakeProvider) -> None:
    """Whatever content is asked for: of a picture there is its kind and size."""
    asking = replace(case.way, run=case.way.shows or case.way.run)
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case, content=mode) as recording:
        driven = drive(asking, provider, settled=is_seen(recording))

    assert driven.error is None
    assert ENCODED[:SAME_IN_EVERY_ALPHABET] in str(provider.requests[0].body)
    left, known = exported(recording), known_of(only_call(recording))
    assert not any(piece in left for piece in pieces_of(PICTURE))
    assert semconv.INPUT_MESSAGES in known or mode in {"off", "hash"}
    if mode in {"redacted", "full"}:
        assert "blob" in {part["type"] for _, part in parts(known, semconv.INPUT_MESSAGES)}


def pieces_of(data: bytes) -> Iterator[str]:
    """What tells that data was recorded, in whichever form."""
    for text in (base64.b64encode(data).decode(), data.hex(), repr(data)):
        yield from (text[start : start + 12] for start in range(2, len(text) - 12, 4))


@one_of_each_kind()
def test_secrets_do_not_leave_by_exceptions(case: Case, provider: FakeProvider) -> None:
    """A provider may repeat a key in its refusal."""
    message = "Incorrect API key provided: " + " and ".join((*SECRETS, *IN_CONTEXT))
    provider.fail(Fault.http(400, message=message))

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))

    left = exported(recording)
    assert [secret for secret in (*SECRETS, *IN_CONTEXT.values()) if secret in left] == []


@one_of_each_kind(lambda way: generates(way) and way.answer == ANSWER)
def test_a_long_answer_is_cut(case: Case, provider: FakeProvider) -> None:
    """No attribute grows without bounds."""
    piece = "word " * 5_000
    provider.reply(Reply(chunks=(piece,) * 8, usage=charged(case.way)))

    with watching(case, content="full") as recording:
        drive(case.way, provider, settled=is_seen(recording))

    known = known_of(only_call(recording))
    assert len(known[semconv.OUTPUT_MESSAGES]) < MOST_CHARACTERS + 100
