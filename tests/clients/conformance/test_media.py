"""Images, audio and moderations: what was told is what was charged, and nothing is guessed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from conformance.asking import is_seen, known_of, only_call, watching
from conformance.discovery import Case, cases
from conformance.driving import drive
from conformance.endings import EARLY, Ending
from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Gate, Reply

LOOKS_LIKE_A_FILE = re.compile(r"[A-Za-z0-9+/]{40}")
"""As a file of the drivers does as it is, and any file in base64 and in hexadecimal digits."""
SPEECH = "openai.speech"
"""Bytes that the provider gives at once: nothing of it is left."""

every_call = pytest.mark.parametrize("case", cases(text=False), ids=lambda case: case.id)
every_early_end = pytest.mark.parametrize(
    ("case", "ending"),
    [
        pytest.param(case, ending, id=f"{case.id}-{ending.name}")
        for case in cases(lambda way: way.stream and way.format != SPEECH, text=False)
        for ending in EARLY
    ],
)

PARTS = {
    "input_image_tokens": semconv.USAGE_IMAGE_INPUT,
    "output_image_tokens": semconv.USAGE_IMAGE_OUTPUT,
    "input_audio_tokens": semconv.USAGE_AUDIO_INPUT,
    "output_audio_tokens": semconv.USAGE_AUDIO_OUTPUT,
    "audio_seconds": semconv.USAGE_AUDIO_SECONDS,
    "characters": semconv.USAGE_CHARACTERS,
}


@every_call
def test_a_call_has_what_the_ledger_has_as_far_as_it_was_told(
    case: Case, provider: FakeProvider
) -> None:
    """Tokens, seconds, characters; what was not told is not known, and not priced."""
    way, address = case.way, urlsplit(provider.url)

    with watching(case) as recording:
        driven = drive(way, provider, settled=is_seen(recording))

    assert driven.error is None
    span = only_call(recording)
    known = known_of(span)
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert span.name == f"{way.operation} {way.model}"
    assert known[semconv.OPERATION_NAME] == way.operation
    assert known[semconv.SERVER_PORT] == address.port
    assert semconv.USAGE_ESTIMATED not in known
    if not way.reports:
        free = way.operation == "moderation"
        assert known[semconv.COST_STATUS] == ("free" if free else "unpriced")
        assert semconv.COST_USD not in known
        return
    (entry,) = provider.ledger
    assert known.get(semconv.USAGE_INPUT_TOKENS) == entry.usage.input_tokens
    assert known.get(semconv.USAGE_OUTPUT_TOKENS) == entry.usage.output_tokens
    for part, name in PARTS.items():
        assert known.get(name) == (getattr(entry.usage, part) or None)
    assert known[semconv.COST_STATUS] == "priced"
    assert known[semconv.COST_USD] > 0


@every_early_end
def test_a_stream_that_is_left_is_abandoned_and_not_guessed_at(
    case: Case, ending: Ending, provider: FakeProvider
) -> None:
    """Its tokens are not known, so neither is its price; characters were known before."""
    provider.reply(Reply("one two three", gate=Gate(after_chunks=2)))

    with watching(case) as recording:
        driven = drive(case.way, provider, ending, settled=is_seen(recording))
    if not driven.applied:
        pytest.skip("the client's streams cannot be left in that manner")

    known = known_of(only_call(recording))
    assert driven.error is None
    assert known.get(semconv.ERROR_TYPE) == ending.error
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.USAGE_OUTPUT_TOKENS not in known


@every_call
def test_files_are_never_recorded(case: Case, provider: FakeProvider) -> None:
    """Neither those that are sent, nor pictures and sounds that come back."""
    with watching(case, content="full") as recording:
        drive(case.way, provider, settled=is_seen(recording))

    known = known_of(only_call(recording))
    left = repr((known, [dict(event.attributes or {}) for event in only_call(recording).events]))
    assert LOOKS_LIKE_A_FILE.search(left) is None


@every_call
def test_a_call_that_is_tried_again_is_one(case: Case, provider: FakeProvider) -> None:
    """Forms are sent again with their files."""
    provider.fail(Fault.http(503))

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    assert driven.error is None
    assert len(provider.requests) == case.way.tries
    assert known_of(only_call(recording))[semconv.RETRY_COUNT] == case.way.tries - 1
