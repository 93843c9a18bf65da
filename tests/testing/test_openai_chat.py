from typing import Any

import openai
import pytest
from pydantic import BaseModel

from flowspan.testing import FakeProvider, Reply, ToolCall
from flowspan.usage import Usage

HELLO: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "hello big world"}]},
]
EVERYTHING = Usage(
    input_tokens=100,
    output_tokens=40,
    cache_read_tokens=30,
    cache_write_tokens=20,
    reasoning_tokens=10,
    input_audio_tokens=5,
    output_audio_tokens=4,
    service_tier="flex",
)


class City(BaseModel):
    name: str
    population: int


def test_default_is_an_echo_that_costs_a_token_a_word(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """An unscripted chat echoes the last text; words in and words out are the tokens."""
    completion = openai_client.chat.completions.create(model="gpt-5-mini", messages=HELLO)

    assert completion.choices[0].message.content == "Echo: hello big world"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "gpt-5-mini"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 5
    assert completion.usage.completion_tokens == 4
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=5, output_tokens=4)
    assert (entry.format, entry.provider, entry.operation) == ("openai.chat", "openai", "chat")
    assert (entry.response_id, entry.request_id) == (completion.id, completion._request_id)
    assert entry.usage_on_wire
    assert not entry.stream


async def test_async_client(
    provider: FakeProvider, async_openai_client: openai.AsyncOpenAI
) -> None:
    """The async client gets the same answer."""
    completion = await async_openai_client.chat.completions.create(model="m", messages=HELLO)

    assert completion.choices[0].message.content == "Echo: hello big world"


def test_every_part_of_usage_is_on_the_wire(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Cached, reasoning and audio tokens and the tier are told where OpenAI tells them."""
    provider.reply(Reply("fine", usage=EVERYTHING, model="gpt-5-mini-2026-05-01"))

    completion = openai_client.chat.completions.create(model="gpt-5-mini", messages=HELLO)

    usage = completion.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 40, 140)
    assert usage.prompt_tokens_details.cached_tokens == 30
    assert usage.prompt_tokens_details.cache_write_tokens == 20
    assert usage.prompt_tokens_details.audio_tokens == 5
    assert usage.completion_tokens_details.reasoning_tokens == 10
    assert usage.completion_tokens_details.audio_tokens == 4
    assert completion.service_tier == "flex"
    [entry] = provider.ledger
    assert entry.usage == EVERYTHING
    assert entry.service_tier == "flex"
    assert entry.model == completion.model == "gpt-5-mini-2026-05-01"


def test_stream_has_a_chunk_a_word_and_usage_only_if_asked_for(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Without ``include_usage`` no chunk says what the stream costs, but it is charged."""
    stream = openai_client.chat.completions.create(model="m", messages=HELLO, stream=True)
    chunks = list(stream)

    assert [chunk.choices[0].delta.content for chunk in chunks] == [
        "",
        "Echo: ",
        "hello ",
        "big ",
        "world",
        None,
    ]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=5, output_tokens=4)
    assert not entry.usage_on_wire
    assert entry.stream
    assert (entry.chunks_sent, entry.outcome) == (4, "completed")


async def test_stream_with_usage_ends_with_a_chunk_without_choices(
    provider: FakeProvider, async_openai_client: openai.AsyncOpenAI
) -> None:
    """With ``include_usage`` the last chunk has the usage and no choice, the others a null."""
    provider.reply(Reply(chunks=("one", " two"), usage=EVERYTHING))

    stream = await async_openai_client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    *others, last = [chunk async for chunk in stream]

    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 140
    assert [chunk.usage for chunk in others] == [None] * 4
    assert provider.ledger[0].usage_on_wire


def test_tool_calls(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Tool calls come with their arguments as JSON text and a finish reason of their own."""
    calls = (ToolCall("search", {"query": "a b"}), ToolCall("stop", "", id="call_x"))
    provider.reply(Reply(tool_calls=calls), Reply("Looking.", tool_calls=calls))

    alone = openai_client.chat.completions.create(model="m", messages=HELLO).choices[0]
    spoken = openai_client.chat.completions.create(model="m", messages=HELLO).choices[0]

    assert alone.finish_reason == "tool_calls"
    assert alone.message.content is None
    assert spoken.message.content == "Looking."
    assert spoken.message.tool_calls is not None
    assert [call.id for call in spoken.message.tool_calls] == ["call_000002_0", "call_x"]
    first = spoken.message.tool_calls[0]
    assert first.type == "function"
    assert (first.function.name, first.function.arguments) == ("search", '{"query": "a b"}')


def test_streamed_tool_calls_of_several_choices_join_to_the_whole(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Choices are interleaved; the SDK puts the pieces of each together again."""
    provider.reply(
        Reply(choices=("first one", "second"), tool_calls=(ToolCall("search", {"q": "a b"}),))
    )

    with openai_client.chat.completions.stream(model="m", messages=HELLO, n=2) as stream:
        completion = stream.get_final_completion()

    first, second = completion.choices
    assert first.message.content == "first one"
    assert first.message.tool_calls is not None
    assert first.message.tool_calls[0].function.arguments == '{"q": "a b"}'
    assert first.finish_reason == "tool_calls"
    assert second.message.content == "second"
    assert second.message.tool_calls is None
    assert second.finish_reason == "stop"
    assert provider.ledger[0].usage.output_tokens == 6


def test_n_choices(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A request for ``n`` choices gets as many, and their output is charged together."""
    completion = openai_client.chat.completions.create(model="m", messages=HELLO, n=3)

    assert [choice.message.content for choice in completion.choices] == [
        "Echo: hello big world"
    ] * 3
    assert provider.ledger[0].usage == Usage(input_tokens=5, output_tokens=12)


def test_refusal(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A refusal takes the place of the content."""
    provider.reply(Reply(refusal="I will not."), Reply(refusal="I will not."))

    message = openai_client.chat.completions.create(model="m", messages=HELLO).choices[0].message
    with openai_client.chat.completions.stream(model="m", messages=HELLO) as stream:
        streamed = stream.get_final_completion().choices[0].message

    assert (message.content, message.refusal) == (None, "I will not.")
    assert streamed.refusal == "I will not."


def test_parse_gets_an_instance_of_the_schema(openai_client: openai.OpenAI) -> None:
    """The default answer to a structured request is of the form that it asks for."""
    completion = openai_client.chat.completions.parse(
        model="m", messages=HELLO, response_format=City
    )

    assert completion.choices[0].message.parsed == City(name="echo", population=0)


def test_json_mode(openai_client: openai.OpenAI) -> None:
    """The default answer in JSON mode is an object."""
    completion = openai_client.chat.completions.create(
        model="m", messages=HELLO, response_format={"type": "json_object"}
    )

    assert completion.choices[0].message.content == "{}"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_output_limit_shortens_the_echo(openai_client: openai.OpenAI, limit: str) -> None:
    """An unscripted answer obeys the limit of output tokens and says so."""
    completion = openai_client.chat.completions.create(
        model="m", messages=HELLO, extra_body={limit: 2}
    )

    assert completion.choices[0].message.content == "Echo: hello "
    assert completion.choices[0].finish_reason == "length"


@pytest.mark.parametrize(("asked", "served"), [("flex", "flex"), ("auto", "default"), (None, None)])
def test_service_tier_asked_for_is_the_one_served(
    provider: FakeProvider, openai_client: openai.OpenAI, asked: Any, served: str | None
) -> None:
    """A tier is served as asked for; ``auto`` gives the default one; nothing said, nothing told."""
    completion = openai_client.chat.completions.create(
        model="m", messages=HELLO, service_tier=asked
    )

    assert completion.service_tier == served
    assert provider.ledger[0].service_tier == served


def test_finish_reason_and_empty_text(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A finish reason goes out as it is, and an empty text is empty, not null."""
    provider.reply(Reply("", finish_reason="content_filter"))

    choice = openai_client.chat.completions.create(model="m", messages=HELLO).choices[0]

    assert (choice.message.content, choice.finish_reason) == ("", "content_filter")
    assert provider.ledger[0].usage.output_tokens == 0


def test_hidden_reasoning_is_charged(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Chat shows no reasoning, but tells and charges its tokens."""
    provider.reply(Reply("yes", reasoning="let me see"))

    stream = openai_client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    *_, last = stream

    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == 3
    assert provider.ledger[0].usage.output_tokens == 4


def test_any_prefix_is_served(provider: FakeProvider) -> None:
    """Gateways and other vendors put chat completions below paths of their own."""
    with openai.OpenAI(base_url=f"{provider.url}/api/v3", api_key="x") as client:
        client.chat.completions.create(model="m", messages=HELLO, extra_query={"v": "1"})

    assert provider.requests[0].path == "/api/v3/chat/completions?v=1"
    assert provider.requests[0].status == 200


def test_raw_response_carries_the_headers_of_the_provider(openai_client: openai.OpenAI) -> None:
    """Request id and rate limits are in the headers, where the SDK's raw response shows them."""
    raw = openai_client.chat.completions.with_raw_response.create(model="m", messages=HELLO)

    assert raw.headers["x-request-id"] == "req_000001"
    assert "x-ratelimit-remaining-requests" in raw.headers
    assert raw.parse().choices[0].message.content == "Echo: hello big world"


def test_with_streaming_response(openai_client: openai.OpenAI) -> None:
    """The SDK's streaming response reads the lines of the events."""
    with openai_client.chat.completions.with_streaming_response.create(
        model="m", messages=HELLO, stream=True
    ) as response:
        lines = [line for line in response.iter_lines() if line]

    assert lines[-1] == "data: [DONE]"
