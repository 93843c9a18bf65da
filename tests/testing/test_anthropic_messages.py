from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

HELLO: Any = [{"role": "user", "content": "hello big world"}]
CACHED = Usage(
    input_tokens=100,
    output_tokens=40,
    cache_read_tokens=30,
    cache_write_tokens=20,
    cache_write_1h_tokens=5,
    reasoning_tokens=10,
    web_searches=2,
    service_tier="priority",
)


class City(BaseModel):
    name: str


def test_default_is_an_echo(provider: FakeProvider, anthropic_client: anthropic.Anthropic) -> None:
    """System and messages are the prompt; the tier is the standard one."""
    message = anthropic_client.messages.create(
        model="claude-sonnet-5", max_tokens=100, messages=HELLO, system="Be brief."
    )

    assert message.content[0].type == "text"
    assert message.content[0].text == "Echo: hello big world"
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 4)
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=5, output_tokens=4, service_tier="standard")
    assert (entry.format, entry.provider) == ("anthropic.messages", "anthropic")
    assert (entry.response_id, entry.request_id) == (message.id, message._request_id)


def test_cache_tokens_stand_beside_the_input(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic
) -> None:
    """On the wire the input excludes what was read from and written to the cache."""
    provider.reply(Reply("fine", usage=CACHED))

    usage = anthropic_client.messages.create(model="m", max_tokens=9, messages=HELLO).usage

    assert usage.input_tokens == 50
    assert usage.cache_read_input_tokens == 30
    assert usage.cache_creation_input_tokens == 20
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_1h_input_tokens == 5
    assert usage.cache_creation.ephemeral_5m_input_tokens == 15
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 10
    assert usage.server_tool_use is not None
    assert usage.server_tool_use.web_search_requests == 2
    assert usage.service_tier == "priority"
    assert provider.ledger[0].usage == CACHED


def test_fast_is_a_speed_of_the_standard_tier(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic
) -> None:
    """What flowspan calls the tier ``fast`` is told as a speed."""
    provider.reply(Reply("fine", usage=Usage(service_tier="fast")))

    usage = anthropic_client.messages.create(model="m", max_tokens=9, messages=HELLO).usage

    assert (usage.service_tier, usage.speed) == ("standard", "fast")


async def test_async_stream_has_the_real_events(
    provider: FakeProvider, async_anthropic_client: anthropic.AsyncAnthropic
) -> None:
    """The input is told at the start, the output grows to its final count at the end."""
    provider.reply(Reply("one two", usage=CACHED))

    stream = await async_anthropic_client.messages.create(
        model="m", max_tokens=100, messages=HELLO, stream=True
    )
    events: list[Any] = [event async for event in stream]

    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    begun = events[0].message.usage
    assert (begun.input_tokens, begun.cache_read_input_tokens, begun.output_tokens) == (50, 30, 1)
    assert begun.cache_creation.ephemeral_1h_input_tokens == 5
    final = events[5].usage
    assert (final.input_tokens, final.output_tokens) == (50, 40)
    assert final.output_tokens_details.thinking_tokens == 10
    assert final.server_tool_use.web_search_requests == 2
    assert provider.ledger[0].usage == CACHED
    assert provider.ledger[0].usage_on_wire


def test_thinking_and_tools(provider: FakeProvider, anthropic_client: anthropic.Anthropic) -> None:
    """Thinking, text and tool use are blocks, the same in a stream as in a plain answer."""
    reply = Reply(
        "Looking.", reasoning="let me see", tool_calls=(ToolCall("search", {"q": "a b"}),)
    )
    provider.reply(reply, reply)

    plain = anthropic_client.messages.create(model="m", max_tokens=100, messages=HELLO)
    with anthropic_client.messages.stream(model="m", max_tokens=100, messages=HELLO) as stream:
        streamed = stream.get_final_message()

    assert plain.stop_reason == streamed.stop_reason == "tool_use"
    for message in (plain, streamed):
        thinking, text, tool = message.content
        assert thinking.type == "thinking"
        assert (thinking.thinking, bool(thinking.signature)) == ("let me see", True)
        assert text.type == "text"
        assert text.text == "Looking."
        assert tool.type == "tool_use"
        assert (tool.name, tool.input) == ("search", {"q": "a b"})
    assert plain.usage.output_tokens == 3 + 1 + 3
    assert provider.ledger[1].chunks_sent == 7


def test_arguments_that_are_no_json(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic
) -> None:
    """Broken arguments are possible in a stream only; a plain answer wraps them."""
    provider.reply(Reply(tool_calls=(ToolCall("search", '{"q": '),)))

    message = anthropic_client.messages.create(model="m", max_tokens=9, messages=HELLO)

    [block] = message.content
    assert block.type == "tool_use"
    assert block.input == {"arguments": '{"q": '}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(refusal="I will not."), "refusal"),
        (Reply("x", finish_reason="pause_turn"), "pause_turn"),
        (Reply(), "max_tokens"),
    ],
)
def test_stop_reasons(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic, reply: Reply, reason: str
) -> None:
    """Refusals, reasons given and limits reached are told in Anthropic's words."""
    provider.reply(reply)

    message = anthropic_client.messages.create(model="m", max_tokens=2, messages=HELLO)

    assert message.stop_reason == reason


def test_parse(provider: FakeProvider, anthropic_client: anthropic.Anthropic) -> None:
    """Structured requests parse; both places of the schema are known."""
    message = anthropic_client.messages.parse(
        model="m", max_tokens=100, messages=HELLO, output_format=City
    )
    schema = City.model_json_schema()
    older = anthropic_client.messages.create(
        model="m",
        max_tokens=100,
        messages=HELLO,
        extra_body={"output_format": {"type": "json_schema", "schema": schema}},
    )

    assert message.parsed_output == City(name="echo")
    assert older.content[0].type == "text"
    assert City.model_validate_json(older.content[0].text) == City(name="echo")


def test_error_event(provider: FakeProvider, anthropic_client: anthropic.Anthropic) -> None:
    """An overload in mid-stream is an error event, which the SDK raises."""
    provider.fail(Fault.error_event(after_chunks=1, message="Overloaded"))

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(
            anthropic_client.messages.create(model="m", max_tokens=100, messages=HELLO, stream=True)
        )

    assert provider.ledger[0].outcome == "failed"


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        (Fault.rate_limited(), anthropic.RateLimitError, "rate_limit_error"),
        (Fault.overloaded(), anthropic.InternalServerError, "overloaded_error"),
        (Fault.server_error(), anthropic.InternalServerError, "api_error"),
    ],
)
def test_errors_have_anthropics_form(
    provider: FakeProvider,
    anthropic_client: anthropic.Anthropic,
    fault: Fault,
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    """Each status has its error type, and the request id is in header and body."""
    provider.fail(fault, times=3)

    with pytest.raises(error) as raised:
        anthropic_client.messages.create(model="m", max_tokens=9, messages=HELLO)

    body: Any = raised.value.body
    assert body["error"]["type"] == kind
    assert body["request_id"] == raised.value.request_id == "req_000003"
    assert len(provider.ledger) == 0
    assert len(provider.requests) == 3
