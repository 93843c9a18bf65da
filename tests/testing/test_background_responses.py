"""Responses that are made in the background, and those that are streamed once more."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from flowspan.testing import FakeProvider, Gate, Reply
from flowspan.usage import Usage


@pytest.fixture
def responses(openai_client: openai.OpenAI) -> Any:
    if not hasattr(openai_client, "responses"):
        pytest.skip("this version has no responses")
    return openai_client.responses


def test_a_background_answer_is_there_after_some_polls(
    provider: FakeProvider, responses: Any
) -> None:
    """Queued, in progress as often as the reply says, then complete; charged once."""
    provider.reply(Reply("one two", polls=1))

    states = [responses.create(model="gpt-5-mini", input="a b", background=True)]
    states += [responses.retrieve(states[0].id) for _ in range(3)]

    assert [state.status for state in states] == [
        "queued",
        "in_progress",
        "completed",
        "completed",
    ]
    assert [state.usage is None for state in states] == [True, True, False, False]
    assert states[-1].output_text == "one two"
    assert all(state.background for state in states)
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=2, output_tokens=2, service_tier="default")
    assert entry.usage_on_wire


def test_a_background_answer_that_nobody_asks_for_is_charged(
    provider: FakeProvider, responses: Any
) -> None:
    """It is made all the same, and nobody is told."""
    responses.create(model="gpt-5-mini", input="a b", background=True)

    assert not provider.ledger[0].usage_on_wire


def test_a_stream_can_be_taken_up_again(provider: FakeProvider, responses: Any) -> None:
    """From behind the last event that arrived; the whole answer is charged, and once."""
    provider.reply(Reply("one two three", gate=Gate(after_chunks=1)))
    stream = responses.create(model="gpt-5-mini", input="a b", background=True, stream=True)
    begun = [next(stream) for _ in range(5)]
    stream.close()
    provider.ledger.wait_for(1)

    identifier, last = begun[0].response.id, begun[-1].sequence_number
    rest = list(responses.retrieve(identifier, stream=True, starting_after=last))

    assert begun[-1].delta == "one "
    assert [event.sequence_number for event in rest] == list(range(last + 1, last + 1 + len(rest)))
    assert rest[-1].type == "response.completed"
    [entry] = provider.ledger
    assert (entry.outcome, entry.usage.output_tokens) == ("client_closed", 3)
