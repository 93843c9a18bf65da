"""Ollama's formats, read by Ollama's own SDK and as lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import ollama
import pytest

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

HELLO: Any = [{"role": "user", "content": "hello big world"}]


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[ollama.Client]:
    client = ollama.Client(host=provider.url)
    yield client
    client._client.close()


@pytest.fixture
async def async_client(provider: FakeProvider) -> AsyncIterator[ollama.AsyncClient]:
    client = ollama.AsyncClient(host=provider.url)
    yield client
    await client._client.aclose()


def test_a_chat_says_what_it_evaluated(provider: FakeProvider, client: ollama.Client) -> None:
    """The counts of the answer are those of the ledger; there is no id of any kind."""
    answer = client.chat("llama3.2", HELLO)

    assert answer["message"]["content"] == "Echo: hello big world"
    assert (answer["prompt_eval_count"], answer["eval_count"]) == (3, 4)
    assert (answer["done"], answer["done_reason"]) == (True, "stop")
    [entry] = provider.ledger
    assert (entry.format, entry.provider, entry.operation) == ("ollama.chat", "ollama", "chat")
    assert entry.usage == Usage(input_tokens=3, output_tokens=4)
    assert (entry.response_id, entry.stream, entry.usage_on_wire) == (None, False, True)


def test_lines_are_what_it_answers_with_unless_asked_not_to(provider: FakeProvider) -> None:
    """A plain request gets NDJSON, of which the last line has the counts and no text."""
    body = {"model": "llama3.2", "messages": HELLO}

    response = httpx.post(f"{provider.url}/api/chat", json=body)

    *lines, last = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [line["message"]["content"] for line in lines] == ["Echo: ", "hello ", "big ", "world"]
    assert not any(line["done"] for line in lines)
    assert last["done"]
    assert last["message"]["content"] == ""
    assert last["eval_count"] == 4
    assert provider.ledger[0].stream


def test_a_streamed_chat_joins_to_the_whole(provider: FakeProvider, client: ollama.Client) -> None:
    """Thinking comes first, then the text, then the tools, each in a line of its own."""
    provider.reply(
        Reply("Fine day", reasoning="let me see", tool_calls=(ToolCall("search", {"q": "a b"}),))
    )

    lines = list(client.chat("llama3.2", HELLO, stream=True))

    said = [line["message"] for line in lines]
    assert "".join(message.get("thinking") or "" for message in said) == "let me see"
    assert "".join(message.get("content") or "" for message in said) == "Fine day"
    [calls] = [message["tool_calls"] for message in said if message.get("tool_calls")]
    assert calls[0]["function"]["name"] == "search"
    assert dict(calls[0]["function"]["arguments"]) == {"q": "a b"}


async def test_generate(provider: FakeProvider, async_client: ollama.AsyncClient) -> None:
    """A prompt goes on, whole and in lines; the limit of tokens is an option."""
    whole = await async_client.generate("llama3.2", "hello big world", options={"num_predict": 2})
    stream: Any = await async_client.generate("llama3.2", "hello", stream=True)
    lines = [line async for line in stream]

    assert (whole["response"], whole["done_reason"]) == ("Echo: hello ", "length")
    assert "".join(line["response"] for line in lines) == "Echo: hello"
    assert [entry.operation for entry in provider.ledger] == ["text_completion"] * 2


def test_embeddings(provider: FakeProvider, client: ollama.Client) -> None:
    """``embed`` takes several texts and says its tokens, ``embeddings`` takes one and does not."""
    found = client.embed("nomic-embed-text", ["one two", "three"])
    older = client.embeddings("nomic-embed-text", "one two")

    assert len(found["embeddings"]) == 2
    assert found["prompt_eval_count"] == 3
    assert list(older["embedding"]) == list(found["embeddings"][0])
    assert [entry.usage.input_tokens for entry in provider.ledger] == [3, 2]


def test_json_is_asked_for_by_format(client: ollama.Client) -> None:
    """``format`` is a word or a schema."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

    anything = client.chat("llama3.2", HELLO, format="json")

    assert anything["message"]["content"] == "{}"
    if "format" in str(ollama.Client.chat.__doc__ or ""):
        named = client.generate("llama3.2", "x", format=schema)
        assert json.loads(named["response"]) == {"name": "echo"}


def test_errors(provider: FakeProvider, client: ollama.Client) -> None:
    """A refusal has a status and a text; in mid-stream an error is a line of its own."""
    provider.fail(Fault.http(404, message="model 'x' not found"))
    provider.reply(Reply("one two", fault=Fault.error_event(after_chunks=1)))

    with pytest.raises(ollama.ResponseError) as refused:
        client.chat("x", HELLO)
    with pytest.raises(ollama.ResponseError) as broken:
        list(client.chat("llama3.2", HELLO, stream=True))

    assert (refused.value.status_code, refused.value.error) == (404, "model 'x' not found")
    assert "while streaming" in broken.value.error
    assert [entry.outcome for entry in provider.ledger] == ["failed"]
