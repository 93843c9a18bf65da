from typing import Any

import openai
import pytest
from pydantic import BaseModel

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage


class City(BaseModel):
    name: str


def test_default_is_an_echo(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Instructions and input are the prompt; usage is in the form of the responses API."""
    response = openai_client.responses.create(
        model="gpt-5", input="hello big world", instructions="Be brief.", temperature=0.5
    )

    assert response.output_text == "Echo: hello big world"
    assert response.status == "completed"
    assert (response.temperature, response.instructions) == (0.5, "Be brief.")
    assert response.service_tier == "default"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 4)
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=5, output_tokens=4, service_tier="default")
    assert (entry.format, entry.response_id) == ("openai.responses", response.id)


def test_usage_details(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Cache and reasoning tokens and web searches are told where the responses API tells them."""
    usage = Usage(
        input_tokens=50,
        output_tokens=20,
        cache_read_tokens=10,
        cache_write_tokens=5,
        reasoning_tokens=8,
        web_searches=2,
        service_tier="priority",
    )
    provider.reply(Reply("fine", usage=usage))

    response = openai_client.responses.create(model="m", input=[{"role": "user", "content": "x"}])

    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 10
    assert response.usage.input_tokens_details.cache_write_tokens == 5
    assert response.usage.output_tokens_details.reasoning_tokens == 8
    assert response.usage.total_tokens == 70
    assert response.service_tier == "priority"
    assert response.tool_usage is not None
    assert response.tool_usage.web_search.num_requests == 2
    assert provider.ledger[0].usage == usage


async def test_async_stream_has_the_real_events(
    provider: FakeProvider, async_openai_client: openai.AsyncOpenAI
) -> None:
    """A streamed message goes through the events of the service, in its order."""
    stream = await async_openai_client.responses.create(model="m", input="hi", stream=True)
    events: list[Any] = [event async for event in stream]

    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(10))
    assert events[0].response.usage is None
    assert events[-1].response.usage.output_tokens == 2
    assert events[-1].response.output_text == "Echo: hi"
    assert provider.ledger[0].usage_on_wire


def test_stream_of_reasoning_and_tool_calls(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Reasoning and function calls are output items of their own, in streams as well."""
    reply = Reply(
        "Looking.", reasoning="let me see", tool_calls=(ToolCall("search", {"q": "a b"}),)
    )
    provider.reply(reply, reply)

    plain = openai_client.responses.create(model="m", input="hi")
    with openai_client.responses.stream(model="m", input="hi") as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()

    assert [item.type for item in plain.output] == ["reasoning", "message", "function_call"]
    assert [item.type for item in streamed.output] == ["reasoning", "message", "function_call"]
    call: Any = streamed.output[2]
    assert (call.name, call.arguments) == ("search", '{"q": "a b"}')
    assert kinds.count("response.reasoning_summary_text.delta") == 3
    assert kinds.count("response.function_call_arguments.delta") == 3
    assert plain.usage is not None
    assert plain.usage.output_tokens == 3 + 1 + 3
    assert plain.usage.output_tokens_details.reasoning_tokens == 3


def test_tool_call_alone_has_no_message(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Without a text there is no message beside the call."""
    provider.reply(Reply(tool_calls=(ToolCall("stop"),)))

    response = openai_client.responses.create(model="m", input="hi")

    assert [item.type for item in response.output] == ["function_call"]


def test_refusal(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A refusal is a content part, with events of its own."""
    provider.reply(Reply(refusal="I will not."), Reply(refusal="I will not."))

    plain: Any = openai_client.responses.create(model="m", input="hi")
    stream = openai_client.responses.create(model="m", input="hi", stream=True)
    kinds = [event.type for event in stream]

    assert plain.output[0].content[0].refusal == "I will not."
    assert kinds.count("response.refusal.delta") == 3
    assert "response.refusal.done" in kinds


def test_parse(openai_client: openai.OpenAI) -> None:
    """Structured requests parse, streamed or not."""
    plain = openai_client.responses.parse(model="m", input="hi", text_format=City)
    with openai_client.responses.stream(model="m", input="hi", text_format=City) as stream:
        stream.until_done()
        streamed = stream.get_final_response()

    assert plain.output_parsed == City(name="echo")
    assert streamed.output_parsed == City(name="echo")


def test_output_limit_makes_a_response_incomplete(openai_client: openai.OpenAI) -> None:
    """An answer that is cut by its limit is incomplete and says why."""
    response = openai_client.responses.create(model="m", input="a b c", max_output_tokens=2)

    assert response.output_text == "Echo: a "
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("reason", "status"), [("content_filter", "incomplete"), ("failed", "failed")]
)
def test_other_endings(
    provider: FakeProvider, openai_client: openai.OpenAI, reason: str, status: str
) -> None:
    """A finish reason gives the response its status and the stream its last event."""
    provider.reply(Reply("x", finish_reason=reason))

    *_, last = openai_client.responses.create(model="m", input="hi", stream=True)

    assert last.type == f"response.{status}"
    assert last.response.status == status  # type: ignore[union-attr]  # last event has a response


def test_retrieve_gives_the_answer_again_and_charges_nothing(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """A stored response is read again by its id, for free."""
    response = openai_client.responses.create(model="m", input="hi")

    again = openai_client.responses.retrieve(response.id)

    assert again == response
    assert len(provider.ledger) == 1
    assert provider.requests[1].operation == "fetch_response"
    assert provider.requests[1].status == 200


@pytest.mark.parametrize("cleared", [True, False])
def test_retrieve_of_what_is_not_stored(
    provider: FakeProvider, openai_client: openai.OpenAI, *, cleared: bool
) -> None:
    """A response that was not to be stored, or was cleared away, is not found."""
    response = openai_client.responses.create(model="m", input="hi", store=cleared)
    if cleared:
        provider.clear()

    with pytest.raises(openai.NotFoundError, match=f"'{response.id}' not found"):
        openai_client.responses.retrieve(response.id)


def test_error_event(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """An error event in the stream is raised by the SDK."""
    provider.fail(Fault.error_event(after_chunks=1, message="Out of steam"))

    with pytest.raises(openai.APIError, match="Out of steam"):
        list(openai_client.responses.create(model="m", input="hi there", stream=True))

    [entry] = provider.ledger
    assert (entry.outcome, entry.chunks_sent, entry.usage_on_wire) == ("failed", 1, False)
