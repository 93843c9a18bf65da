from typing import Any

import openai
import pytest

from flowspan.testing import FakeProvider, Reply
from flowspan.usage import Usage


def test_floats_and_base64_are_the_same_numbers(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """The SDK asks for base64 unless told otherwise and decodes to the same vectors."""
    encoded = openai_client.embeddings.create(model="e", input=["a b", "c"])
    plain = openai_client.embeddings.create(model="e", input=["a b", "c"], encoding_format="float")

    assert provider.requests[0].body["encoding_format"] == "base64"
    assert [item.embedding for item in encoded.data] == [item.embedding for item in plain.data]
    assert len(plain.data[0].embedding) == 8
    assert plain.data[0].embedding != plain.data[1].embedding
    assert encoded.usage.prompt_tokens == encoded.usage.total_tokens == 3
    entry = provider.ledger[0]
    assert entry.usage == Usage(input_tokens=3, output_tokens=0)
    assert (entry.operation, entry.response_id) == ("embeddings", None)


@pytest.mark.parametrize(
    ("given", "tokens", "vectors"),
    [("a b c", 3, 1), ([7, 8], 2, 1), ([[7, 8], [9]], 3, 2), ([], 0, 0), (None, 0, 0)],
)
def test_inputs(openai_client: openai.OpenAI, given: Any, tokens: int, vectors: int) -> None:
    """A text, texts, a list of tokens and lists of tokens are counted and embedded."""
    result = openai_client.embeddings.with_raw_response.create(
        model="e", input=given, encoding_format="float"
    )
    body: Any = result.http_response.json()

    assert body["usage"]["prompt_tokens"] == tokens
    assert len(body["data"]) == vectors


async def test_async_dimensions_and_scripted_usage(
    provider: FakeProvider, async_openai_client: openai.AsyncOpenAI
) -> None:
    """Vectors have the length asked for, and a scripted usage is charged."""
    provider.reply(Reply(usage=Usage(input_tokens=9)))

    result = await async_openai_client.embeddings.create(model="e", input="a", dimensions=40)

    assert len(result.data[0].embedding) == 40
    assert provider.ledger.total() == Usage(input_tokens=9, output_tokens=0)


def test_a_stream_flag_means_nothing_to_embeddings(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """An API that does not stream answers plainly whatever the body says."""
    openai_client.embeddings.create(model="e", input="a", extra_body={"stream": True})

    assert not provider.requests[0].stream
    assert not provider.ledger[0].stream
