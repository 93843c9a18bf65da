"""LangChain: every model call has one owner, whatever is inside it."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_kit import OwnModel, OwnStream, chat, read, tokens_are_the_ledgers
from traces import INTEGRATIONS, attributes, events

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Recording, record

# --- models that are no SDK -----------------------------------------------------------------------


def test_a_model_of_the_programs_own(recording: Recording) -> None:
    """Its span has what the model says, in the conventions' words."""
    OwnModel().invoke("hi")

    span = recording.spans.one("chat own-1")
    known = attributes(span)
    expected = {
        semconv.PROVIDER_NAME: "ownmodel",
        semconv.REQUEST_TEMPERATURE: 0.5,
        semconv.RESPONSE_MODEL: "own-1-2026",
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
        semconv.USAGE_INPUT_TOKENS: 10,
        semconv.USAGE_OUTPUT_TOKENS: 5,
        semconv.USAGE_CACHE_READ: 4,
        semconv.USAGE_CACHE_WRITE: 1,
        semconv.USAGE_REASONING: 2,
        semconv.COST_STATUS: "unpriced",
    }
    assert expected == {name: known.get(name) for name in expected}
    assert semconv.RESPONSE_ID not in known  # LangChain's own is of no use to anybody
    assert events(span, semconv.EVENT_TOOL_REQUESTED) == [
        {semconv.TOOL_NAME: "look", semconv.TOOL_CALL_ID: "call-1"}
    ]


@pytest.mark.parametrize("model", [OwnModel, OwnStream])
def test_all_ways_to_ask_are_one_call(model: type[OwnModel], recording: Recording) -> None:
    """Asked, awaited, streamed or in a batch, a model that streams or does not."""
    asked = model()
    asked.invoke("hi")
    asyncio.run(asked.ainvoke("hi"))
    list(asked.stream("hi"))
    asyncio.run(read(asked.astream("hi")))
    asked.batch(["hi", "hi"])

    calls = recording.spans.of_kind("llm")
    assert len(calls) == len(recording.spans) == 6
    used = {attributes(span)[semconv.USAGE_INPUT_TOKENS] for span in calls}
    assert used == {10}


def test_streams_say_when_they_began(recording: Recording) -> None:
    """A stream knows its first chunk, and one that is left is no error."""
    for _ in OwnStream().stream("hi"):
        break

    span = recording.spans.one()
    assert attributes(span)[semconv.STREAM_ABANDONED] is True
    assert attributes(span)[semconv.USAGE_INPUT_TOKENS] == 5
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes(span)


def test_a_cached_answer_costs_nothing(recording: Recording) -> None:
    """LangChain's own cache answers without a call: it says so, and has no tokens."""
    model = OwnModel(cache=InMemoryCache())
    model.invoke("hi")
    model.invoke("hi")

    first, second = recording.spans
    assert semconv.CACHE_HIT not in attributes(first)
    assert attributes(second)[semconv.CACHE_HIT] is True
    assert semconv.USAGE_INPUT_TOKENS not in attributes(second)


def test_messages_are_content(recording: Recording) -> None:
    """With content asked for, messages have the conventions' form; without it, none are there."""
    OwnModel().invoke("a secret")
    with record(*INTEGRATIONS, content="full") as full:
        OwnModel().invoke([("system", "be short"), HumanMessage("a secret")])

    assert "a secret" not in str(attributes(recording.spans.one("chat own-1")))
    known = attributes(full.spans.one())
    assert json.loads(known[semconv.INPUT_MESSAGES])[-1] == {
        "role": "user",
        "parts": [{"type": "text", "content": "a secret"}],
    }
    said = json.loads(known[semconv.OUTPUT_MESSAGES])[0]
    assert said["role"] == "assistant"
    assert said["parts"][0] == {"type": "text", "content": "hello"}
    assert said["parts"][1]["name"] == "look"


def test_text_models(recording: Recording) -> None:
    """Models of texts are calls too; one asks for several prompts at once."""
    model = FakeListLLM(responses=["a", "b"])
    model.invoke("hi")
    model.batch(["hi", "hi"])
    list(model.stream("hi"))

    names = [span.name for span in recording.spans]
    assert names == ["text_completion"] * 3
    assert all(attributes(span)[semconv.PROVIDER_NAME] for span in recording.spans)


# --- models that are an SDK -----------------------------------------------------------------------


def test_an_sdk_inside_is_the_same_call(recording: Recording, provider: FakeProvider) -> None:
    """LangChain's span owns the call; what the SDK knows better is on it."""
    model = chat(temperature=0.5)
    model.invoke("hi")
    asyncio.run(model.ainvoke("hi"))
    list(model.stream("hi", stream_usage=True))
    asyncio.run(read(model.astream("hi", stream_usage=True)))

    tokens_are_the_ledgers(recording, provider)
    for span, entry in zip(recording.spans, provider.ledger, strict=True):
        known = attributes(span)
        assert span.name == "chat gpt-4o-mini"
        assert known[semconv.PROVIDER_NAME] == "openai"
        assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
        assert known[semconv.RESPONSE_ID] == entry.response_id
        assert known[semconv.REQUEST_TEMPERATURE] == 0.5
        assert known[semconv.COST_USD] > 0
        assert semconv.USAGE_ESTIMATED not in known


def test_a_stream_of_an_sdk_that_is_left(recording: Recording, provider: FakeProvider) -> None:
    """It is settled from what arrived, as the SDK's own is."""
    provider.respond = lambda _: "one two three four five"
    for _ in chat().stream("hi"):
        break

    known = attributes(recording.spans.one())
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True


def test_attempts_of_an_sdk(recording: Recording, provider: FakeProvider) -> None:
    """A request that the SDK repeats is an attempt of the one call; one that fails fails it."""
    provider.fail(Fault.rate_limited())
    model = chat(max_retries=1)
    model.invoke("hi")
    provider.fail(Fault.http(400))
    with pytest.raises(Exception, match="400"):
        model.invoke("hi")

    first, second = recording.spans
    assert attributes(first)[semconv.RETRY_COUNT] == 1
    assert first.status.is_unset
    assert not second.status.is_unset
    assert attributes(second)[semconv.PROVIDER_NAME] == "openai"
