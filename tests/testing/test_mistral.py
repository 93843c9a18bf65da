"""Mistral's formats, read by Mistral's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

pytest.importorskip("mistralai")
from conformance.clients.mistralai import Mistral

HELLO: Any = [{"role": "user", "content": "hello big world"}]
MODEL = "mistral-small-latest"


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    with Mistral(api_key="test", server_url=provider.mistral_url) as client:
        yield client


def test_a_chat_tells_its_tokens_and_its_tier(provider: FakeProvider, client: Any) -> None:
    """Cached tokens are part of the prompt; the tier stands beside the tokens."""
    charged = Usage(
        input_tokens=100, output_tokens=40, cache_read_tokens=30, service_tier="priority"
    )
    provider.reply(Reply("fine", usage=charged))

    answer = client.chat.complete(model=MODEL, messages=HELLO)

    assert answer.choices[0].message.content == "fine"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 40)
    [entry] = provider.ledger
    assert (entry.format, entry.provider, entry.operation) == ("mistral.chat", "mistral", "chat")
    assert (entry.usage, entry.response_id) == (charged, answer.id)


def test_a_stream_always_tells_its_tokens(provider: FakeProvider, client: Any) -> None:
    """The chunk that ends the choice has the usage; ``[DONE]`` follows."""
    with client.chat.stream(model=MODEL, messages=HELLO) as stream:
        chunks = [event.data for event in stream]

    said = [chunk.choices[0].delta.content for chunk in chunks]
    assert "".join(said) == "Echo: hello big world"
    assert [chunk.usage is not None for chunk in chunks] == [False] * 5 + [True]
    assert provider.ledger[0].usage_on_wire


async def test_tools_and_choices(provider: FakeProvider, client: Any) -> None:
    """A tool call comes whole, in a stream too; several choices are charged together."""
    call = ToolCall("search", {"q": "a b"})
    provider.reply(Reply(tool_calls=(call,)), Reply(choices=("one two", "three")))

    async with client:  # each loop has connections of its own, to be closed in it
        stream = await client.chat.stream_async(model=MODEL, messages=HELLO)
        chunks = [event.data async for event in stream]
        answer = await client.chat.complete_async(model=MODEL, messages=HELLO)

    calls = [chunk.choices[0].delta.tool_calls for chunk in chunks]
    [found] = [each[0] for each in calls if each]
    assert (found.function.name, found.function.arguments) == ("search", '{"q": "a b"}')
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert [choice.message.content for choice in answer.choices] == ["one two", "three"]
    assert provider.ledger[1].usage.output_tokens == 3


def test_reasoning_is_a_block_of_the_content(provider: FakeProvider, client: Any) -> None:
    """With reasoning the content is a list, whose first block thinks."""
    if not hasattr(client.chat, "parse"):
        pytest.skip("this version knows no thinking")
    provider.reply(Reply("yes", reasoning="let me see"))

    answer = client.chat.complete(model="magistral-medium-latest", messages=HELLO)

    content = answer.choices[0].message.content
    if isinstance(content, str):
        pytest.skip("this version knows no thinking")
    assert [block.type for block in content] == ["thinking", "text"]
    assert content[0].thinking[0].text == "let me see"
    assert provider.ledger[0].usage.output_tokens == 4


def test_code_agents_and_embeddings(provider: FakeProvider, client: Any) -> None:
    """Each has a path of its own; an agent's model is known from the answer alone."""
    code = client.fim.complete(model="codestral-latest", prompt="def f", suffix="return")
    agent = client.agents.complete(agent_id="ag:1", messages=HELLO)
    vectors = client.embeddings.create(model="mistral-embed", inputs=["one two", "three"])

    assert code.choices[0].message.content == "Echo: return"
    assert agent.model == "mistral-medium-latest"
    assert (len(vectors.data), vectors.usage.prompt_tokens) == (2, 3)
    assert [entry.format for entry in provider.ledger] == [
        "mistral.fim",
        "mistral.agents",
        "mistral.embeddings",
    ]


def test_an_error_is_an_object_of_that_name(provider: FakeProvider, client: Any) -> None:
    """Status and body are what the SDK's exception shows."""
    provider.fail(Fault.rate_limited())

    with pytest.raises(Exception, match="rate_limited") as refused:
        client.chat.complete(model=MODEL, messages=HELLO)

    error: Any = refused.value
    assert error.status_code == 429
    assert error.raw_response.headers["mistral-correlation-id"] == "req_000001"
