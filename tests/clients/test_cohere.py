"""What is peculiar to Cohere's SDK: two countings, two versions, generator functions, batches."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import cohere as rows
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.cohere import CHAT, CHAT_V1, GENERATE
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

cohere = pytest.importorskip("cohere")

MODEL = "command-a-03-2025"
OLDER = "command-r-08-2024"
HELLO: Any = [{"role": "user", "content": "Tell me a story please"}]
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100)
INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def content_recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS, content="full") as recording:
        yield recording


@contextlib.contextmanager
def connected(provider: FakeProvider, name: str = "ClientV2") -> Iterator[Any]:
    """A client of that class, made after flowspan's rows apply: it keeps its own bound methods."""
    client = getattr(cohere, name)(api_key="test", base_url=provider.url)
    yield client
    client._client_wrapper.httpx_client.httpx_client.close()


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


def test_tokens_are_the_billed_units(provider: FakeProvider, recording: Recording) -> None:
    """What is charged counts, not what was counted; the parameters have Cohere's names."""
    provider.reply(Reply("{}", usage=CHARGED))

    with connected(provider) as client:
        client.chat(
            model=MODEL,
            messages=HELLO,
            temperature=0.5,
            p=0.9,
            k=40,
            max_tokens=99,
            seed=7,
            stop_sequences=["END"],
            response_format={"type": "json_object"},
        )

    known = known_of(recording)
    assert recording.spans.one().name == f"chat {MODEL}"
    requested = {name: value for name, value in known.items() if ".request." in name}
    assert requested == {
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
    }
    assert known[semconv.PROVIDER_REQUEST_ID] == "req_000001"
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_CACHE_READ] == 100
    assert known[semconv.OUTPUT_TYPE] == "json"


def test_where_nothing_is_billed_what_was_counted_is_told() -> None:
    """A server of one's own says no billed units."""
    body = {"usage": {"tokens": {"input_tokens": 71.0, "output_tokens": 9.0}}}

    usage = describe.usage_of(CHAT, {}, Answer(body))

    assert usage == Usage(input_tokens=71, output_tokens=9)


def test_a_stream_that_is_never_read_is_no_call(
    provider: FakeProvider, recording: Recording
) -> None:
    """A generator function has done nothing before its first event is wanted."""
    with connected(provider) as client:
        client.chat_stream(model=MODEL, messages=HELLO)

    assert list(recording.spans) == []
    assert list(provider.requests) == []


def test_a_stream_that_fails_without_an_exception(
    provider: FakeProvider, recording: Recording
) -> None:
    """The last event tells of the error, and the SDK raises none."""
    provider.reply(Reply("one two three", fault=Fault.error_event(after_chunks=2)))

    with connected(provider) as client:
        list(client.chat_stream(model=MODEL, messages=HELLO))

    known = known_of(recording)
    assert recording.spans.one().status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] == "ERROR"
    assert known[semconv.USAGE_ESTIMATED] is True


async def test_content_of_a_stream(provider: FakeProvider, content_recording: Recording) -> None:
    """Thinking, text and tools of all events are one message."""
    calls = (ToolCall("search", {"q": "a b"}, id="call_9"),)
    provider.reply(Reply("Fine day", reasoning="let me see", tool_calls=calls))
    asked = [{"role": "system", "content": "Be brief."}, *HELLO]

    client = cohere.AsyncClientV2(api_key="test", base_url=provider.url)
    events = [event async for event in client.chat_stream(model=MODEL, messages=asked)]
    await client._client_wrapper.httpx_client.httpx_client.aclose()

    span, known = content_recording.spans.one(), known_of(content_recording)
    [answer] = json.loads(known[semconv.OUTPUT_MESSAGES])
    assert events[-1].type == "message-end"
    assert answer["parts"] == [
        {"type": "reasoning", "content": "let me see"},
        {"type": "text", "content": "Fine day"},
        {"type": "tool_call", "id": "call_9", "name": "search", "arguments": {"q": "a b"}},
    ]
    asked_roles = [message["role"] for message in json.loads(known[semconv.INPUT_MESSAGES])]
    assert asked_roles == ["system", "user"]
    requested = [event for event in span.events if event.name == semconv.EVENT_TOOL_REQUESTED]
    assert [dict(event.attributes or {}) for event in requested] == [
        {semconv.TOOL_NAME: "search", semconv.TOOL_CALL_ID: "call_9"}
    ]


@pytest.mark.parametrize("method", ["chat", "chat_stream"])
def test_content_of_version_1(
    method: str, provider: FakeProvider, content_recording: Recording
) -> None:
    """A preamble is the system's, turns have roles of their own, tools have parameters."""
    provider.reply(Reply("Fine day", tool_calls=(ToolCall("search", {"q": "x"}),)))
    arguments: dict[str, Any] = {
        "model": OLDER,
        "message": "Hi",
        "preamble": "Be brief.",
        "chat_history": [{"role": "CHATBOT", "message": "Yes?"}],
    }

    with connected(provider, "Client") as client:
        found = getattr(client, method)(**arguments)
        assert method == "chat" or list(found)

    known = known_of(content_recording)
    asked, [answer] = (
        json.loads(known[name]) for name in (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES)
    )
    assert json.loads(known[semconv.SYSTEM_INSTRUCTIONS])[0]["content"] == "Be brief."
    assert [(each["role"], each["parts"][0]["content"]) for each in asked] == [
        ("assistant", "Yes?"),
        ("user", "Hi"),
    ]
    assert [part["type"] for part in answer["parts"]] == ["text", "tool_call"]
    assert answer["parts"][1]["arguments"] == {"q": "x"}


def test_generations_have_a_reason_each(provider: FakeProvider, recording: Recording) -> None:
    """Several generations are one call; without a model named, none is invented."""
    provider.reply(Reply(choices=("one", "two")))

    with connected(provider, "Client") as client:
        client.generate(prompt="Tell me", num_generations=2)

    known = known_of(recording)
    assert recording.spans.one().name == "text_completion"
    assert semconv.REQUEST_MODEL not in known
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("COMPLETE", "COMPLETE")
    assert known[semconv.REQUEST_CHOICE_COUNT] == 2


def test_each_request_for_many_texts_is_a_call(
    provider: FakeProvider, recording: Recording
) -> None:
    """Version 1's ``embed`` sends at most 96 texts at a time."""
    with connected(provider, "Client") as client:
        client.embed(texts=["word"] * 100, model="embed-v4.0", input_type="search_query")

    every: list[Any] = [span.attributes for span in recording.spans]
    found = sum(attributes[semconv.USAGE_INPUT_TOKENS] for attributes in every)
    assert len(list(recording.spans)) == len(provider.ledger) == 2
    assert found == provider.ledger.total().input_tokens == 100


@pytest.mark.parametrize(
    "case",
    [
        (CHAT, "/v2/chat", {"messages": HELLO}),
        (CHAT_V1, "/v1/chat", {"message": "Tell me"}),
        (GENERATE, "/v1/generate", {"prompt": "Tell me"}),
    ],
    ids=["v2", "v1", "generate"],
)
@pytest.mark.parametrize("way", ["whole", "streamed"])
@pytest.mark.parametrize("content", ["off", "on"])
def test_a_body_says_the_same_as_the_sdks_objects(
    case: tuple[Any, str, Any], way: str, content: str, provider: FakeProvider
) -> None:
    """Whole or streamed, bit by bit or at once: what plain HTTP shows is read alike."""
    shape, path, body = case
    streamed, kept = way == "streamed", content == "on"
    provider.reply(Reply("Fine day", usage=CHARGED))
    asked = {"model": MODEL, **body, "stream": streamed}
    data = httpx.post(f"{provider.url}{path}", json=asked).content
    joiner = BodyJoiner(shape, content=kept)
    for position in range(0, len(data), 7):
        joiner.add(data[position : position + 7])

    answers = joiner.result(), answer_in(shape, data, status=200, content=kept)

    for answer in answers:
        usage = describe.usage_of(shape, asked, answer)
        assert usage is not None
        if streamed and shape is GENERATE:
            assert usage.estimated
        else:
            assert (usage.input_tokens, usage.output_tokens) == (120, 34)
        if kept or not streamed:
            [said] = shape.messages(answer.body)
            assert said["parts"] == [{"type": "text", "content": "Fine day"}]
