"""Responses that are made in the background and fetched: charged once, whoever finds them."""

from __future__ import annotations

import inspect
from typing import Any

import openai
import pytest

from flowspan import semconv
from flowspan.testing import FakeProvider, Gate, Recording, Reply

MODEL = "gpt-5-mini"


def responses_of(client: Any) -> Any:
    found = getattr(client, "responses", None)
    if found is None or "background" not in inspect.signature(found.create).parameters:
        pytest.skip("this version has no responses in the background")
    return found


@pytest.fixture
def responses(client: openai.OpenAI) -> Any:
    return responses_of(client)


@pytest.fixture
def async_responses(async_client: openai.AsyncOpenAI) -> Any:
    return responses_of(async_client)


def check_charged_once(recording: Recording, provider: FakeProvider) -> None:
    """All spans together have the tokens of the ledger, and one of them has them."""
    charged = provider.ledger.total()
    spans = recording.spans.of_kind("llm")
    having = [span for span in spans if semconv.USAGE_INPUT_TOKENS in (span.attributes or {})]
    assert len(having) == 1
    assert recording.spans.total(semconv.USAGE_INPUT_TOKENS) == charged.input_tokens
    assert recording.spans.total(semconv.USAGE_OUTPUT_TOKENS) == charged.output_tokens
    assert semconv.USAGE_ESTIMATED not in (having[0].attributes or {})


def test_an_answer_is_charged_to_the_fetch_that_first_finds_it(
    provider: FakeProvider, responses: Any, recording: Recording
) -> None:
    """Neither to the request, which gets a promise, nor to later fetches."""
    provider.reply(Reply("one two three", polls=2))

    begun = responses.create(model=MODEL, input="Tell me a story", background=True)
    states = [responses.retrieve(begun.id).status for _ in range(4)]

    assert states == ["in_progress", "in_progress", "completed", "completed"]
    check_charged_once(recording, provider)
    found = [
        semconv.USAGE_INPUT_TOKENS in (span.attributes or {})
        for span in recording.spans.named("fetch_response")
    ]
    assert found == [False, False, True, False]


async def test_an_async_answer_is_charged_once(
    provider: FakeProvider, async_responses: Any, recording: Recording
) -> None:
    """Also where the raw responses are asked for."""
    provider.reply(Reply("one two three", polls=1))
    raw = async_responses.with_raw_response

    begun = (await raw.create(model=MODEL, input="a story", background=True)).parse()
    for _ in range(3):
        await raw.retrieve(begun.id)

    check_charged_once(recording, provider)


def test_a_stream_that_was_left_is_charged_to_the_one_that_takes_it_up(
    provider: FakeProvider, responses: Any, recording: Recording
) -> None:
    """The answer is made all the same: what the first stream had brought is no estimate of it."""
    provider.reply(Reply("one two three", gate=Gate(after_chunks=1)))
    stream = responses.create(model=MODEL, input="a story", background=True, stream=True)
    begun = [next(stream) for _ in range(5)]
    stream.close()
    provider.ledger.wait_for(1)

    list(
        responses.retrieve(
            begun[0].response.id, stream=True, starting_after=begun[-1].sequence_number
        )
    )

    check_charged_once(recording, provider)


def test_a_background_stream_that_was_drained_is_charged_at_once(
    provider: FakeProvider, responses: Any, recording: Recording
) -> None:
    """Fetched afterwards it costs nothing more."""
    events = list(responses.create(model=MODEL, input="a story", background=True, stream=True))

    list(responses.retrieve(events[0].response.id, stream=True))
    responses.retrieve(events[0].response.id)

    check_charged_once(recording, provider)


def test_streaming_an_answer_of_before_costs_nothing(
    provider: FakeProvider, responses: Any, recording: Recording
) -> None:
    """``retrieve(stream=True)`` is a fetch, whose events say tokens that were paid for."""
    first = responses.create(model=MODEL, input="a story")

    events = list(responses.retrieve(first.id, stream=True))

    span = recording.spans.named("fetch_response")[0]
    known = span.attributes or {}
    assert events[-1].response.usage is not None
    assert known[semconv.RESPONSE_ID] == first.id
    assert semconv.STREAM_ABANDONED not in known
    check_charged_once(recording, provider)


def test_the_stream_helper_takes_up_an_answer(
    provider: FakeProvider, responses: Any, recording: Recording
) -> None:
    """``stream(response_id=…)`` fetches; it is not a call of its own."""
    first = responses.create(model=MODEL, input="a story")

    with responses.stream(response_id=first.id) as stream:
        final = stream.get_final_response()

    assert final.id == first.id
    assert len(recording.spans.named("fetch_response")) == 1
    check_charged_once(recording, provider)
