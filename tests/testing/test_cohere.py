"""Cohere's formats of both versions, read by Cohere's own SDK and as lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.testing.wire.cohere_common import TEMPLATE
from flowspan.usage import Usage

cohere = pytest.importorskip("cohere")

HELLO: Any = [{"role": "user", "content": "hello big world"}]
MODEL = "command-a-03-2025"


def closed(client: Any) -> Any:
    return client._client_wrapper.httpx_client.httpx_client


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    client = cohere.ClientV2(api_key="test", base_url=provider.url)
    yield client
    closed(client).close()


@pytest.fixture
def older_client(provider: FakeProvider) -> Iterator[Any]:
    client = cohere.Client(api_key="test", base_url=provider.url)
    yield client
    closed(client).close()


@pytest.fixture
async def async_client(provider: FakeProvider) -> AsyncIterator[Any]:
    client = cohere.AsyncClientV2(api_key="test", base_url=provider.url)
    yield client
    await closed(client).aclose()


def test_tokens_are_told_twice(provider: FakeProvider, client: Any) -> None:
    """The billed units are the ledger's; the others count the template as well."""
    answer = client.chat(model=MODEL, messages=HELLO)

    usage = answer.usage
    assert answer.message.content[0].text == "Echo: hello big world"
    assert answer.finish_reason == "COMPLETE"
    assert (usage.billed_units.input_tokens, usage.billed_units.output_tokens) == (3, 4)
    assert usage.tokens.input_tokens == 3 + TEMPLATE
    [entry] = provider.ledger
    assert (entry.format, entry.provider, entry.operation) == ("cohere.chat", "cohere", "chat")
    assert entry.usage == Usage(input_tokens=3, output_tokens=4)
    assert entry.response_id == answer.id


def test_a_stream_has_events_with_names(provider: FakeProvider, client: Any) -> None:
    """Blocks open and close; the last event has the usage."""
    provider.reply(Reply("Fine day", reasoning="let me"))

    events = list(client.chat_stream(model=MODEL, messages=HELLO))

    assert [event.type for event in events] == [
        "message-start",
        "content-start",
        "content-delta",
        "content-delta",
        "content-end",
        "content-start",
        "content-delta",
        "content-delta",
        "content-end",
        "message-end",
    ]
    assert [event.delta.message.content.text for event in events[6:8]] == ["Fine ", "day"]
    assert events[-1].delta.usage.billed_units.output_tokens == 4


async def test_tools(provider: FakeProvider, async_client: Any) -> None:
    """Arguments come in pieces in a stream, and the reason tells of the call."""
    call = ToolCall("search", {"query": "a b"})
    provider.reply(Reply(tool_calls=(call,)), Reply(tool_calls=(call,)))

    whole = await async_client.chat(model=MODEL, messages=HELLO)
    events = [event async for event in async_client.chat_stream(model=MODEL, messages=HELLO)]

    assert whole.finish_reason == "TOOL_CALL"
    assert whole.message.tool_calls[0].function.arguments == '{"query": "a b"}'
    pieces = [event for event in events if event.type == "tool-call-delta"]
    arguments = "".join(event.delta.message.tool_calls.function.arguments for event in pieces)
    assert arguments == '{"query": "a b"}'


def test_a_stream_that_fails_ends_with_its_error(provider: FakeProvider, client: Any) -> None:
    """The SDK raises nothing: the last event says what happened."""
    provider.reply(Reply("one two", fault=Fault.error_event(after_chunks=1)))

    *_, last = client.chat_stream(model=MODEL, messages=HELLO)

    assert last.delta.finish_reason == "ERROR"
    assert provider.ledger[0].outcome == "failed"


def test_version_1_streams_lines(provider: FakeProvider) -> None:
    """Lines of JSON, whose last has the whole answer with its tokens."""
    body = {"model": "command-r-08-2024", "message": "hello big world", "stream": True}

    response = httpx.post(f"{provider.url}/v1/chat", json=body)

    first, *lines, last = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/stream+json"
    assert (first["event_type"], first["is_finished"]) == ("stream-start", False)
    assert [line["text"] for line in lines] == ["Echo: ", "hello ", "big ", "world"]
    assert last["is_finished"]
    assert last["response"]["meta"]["billed_units"] == {"input_tokens": 3, "output_tokens": 4}


def test_version_1(provider: FakeProvider, older_client: Any) -> None:
    """Chat with a preamble, and generations of which a stream does not tell the tokens."""
    answer = older_client.chat(message="hello", preamble="Be brief.", model="command-r-08-2024")
    events = list(older_client.chat_stream(message="hello", model="command-r-08-2024"))
    made = older_client.generate(prompt="hello", num_generations=2)
    pieces = list(older_client.generate_stream(prompt="hello"))

    assert answer.text == "Echo: hello"
    assert answer.meta.billed_units.input_tokens == 3
    assert events[-1].response.text == "Echo: hello"
    assert [each.text for each in made.generations] == ["Echo: hello"] * 2
    assert pieces[-1].is_finished
    assert [entry.usage_on_wire for entry in provider.ledger] == [True, True, True, False]


def test_embeddings(provider: FakeProvider, client: Any, older_client: Any) -> None:
    """Version 2 sorts them by type; both say what they charge."""
    texts = ["one two", "three"]
    found = client.embed(
        texts=texts, model="embed-v4.0", input_type="search_query", embedding_types=["float"]
    )
    older = older_client.embed(texts=texts, model="embed-v4.0", input_type="search_query")

    assert len(found.embeddings.float_) == 2
    assert found.meta.billed_units.input_tokens == 3
    assert older.embeddings == found.embeddings.float_
    assert [entry.usage.input_tokens for entry in provider.ledger] == [3, 3]


def test_an_error_has_a_message(provider: FakeProvider, client: Any) -> None:
    """Status, body and the id that Cohere's support asks for."""
    provider.fail(Fault.http(400, message="invalid request"), times=1)

    with pytest.raises(cohere.BadRequestError) as refused:
        client.chat(model=MODEL, messages=HELLO)

    assert refused.value.body["message"] == "invalid request"
    assert refused.value.headers["x-debug-trace-id"] == "req_000001"
