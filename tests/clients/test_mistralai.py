"""What is peculiar to Mistral's SDK: agents, thinking in blocks, its errors, ``parse``, servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import mistralai as rows
from flowspan.instrumentation.clients.wire.mistral import CHAT
from flowspan.instrumentation.clients.wire.stream import answer_in
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

pytest.importorskip("mistralai")
from conformance.clients.mistralai import Mistral

MODEL = "mistral-small-latest"
HELLO: Any = [{"role": "user", "content": "Tell me a story please"}]
INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    with Mistral(api_key="test", server_url=provider.mistral_url) as client:
        yield client


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


def test_parameters_have_mistrals_names(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """``random_seed`` is the seed, ``response_format`` the type of the output."""
    charged = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100)
    provider.reply(Reply("{}", usage=charged))

    client.chat.complete(
        model=MODEL,
        messages=HELLO,
        temperature=0.5,
        top_p=0.9,
        max_tokens=99,
        random_seed=7,
        stop=["END"],
        response_format={"type": "json_object"},
    )

    known = known_of(recording)
    assert recording.spans.one().name == f"chat {MODEL}"
    assert known["gen_ai.provider.name"] == "mistral_ai"
    assert {name: value for name, value in known.items() if "request." in name} == {
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
    }
    assert known[semconv.OUTPUT_TYPE] == "json"
    assert known[semconv.USAGE_CACHE_READ] == 100
    assert known[semconv.PROVIDER_REQUEST_ID] == "req_000001"


def test_an_agent_has_the_model_that_answered(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The request names the agent alone, so that the price is that of the answer's model."""
    client.agents.complete(agent_id="ag:1", messages=HELLO)

    known = known_of(recording)
    assert recording.spans.one().name == "chat"
    assert semconv.REQUEST_MODEL not in known
    assert known[semconv.RESPONSE_MODEL] == "mistral-medium-latest"


def test_an_error_in_mid_stream_ends_the_call(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The SDK cannot make a chunk of it; what had arrived was paid for."""
    provider.reply(Reply("one two three", fault=Fault.error_event(after_chunks=2)))

    with (
        pytest.raises(Exception, match="alid"),
        client.chat.stream(model=MODEL, messages=HELLO) as stream,
    ):
        list(stream)

    known = known_of(recording)
    assert recording.spans.one().status.status_code is StatusCode.ERROR
    assert known[semconv.USAGE_ESTIMATED] is True


def test_an_error_in_a_body_is_told_by_its_type(provider: FakeProvider) -> None:
    """It is an event that is an error, not one that has an error."""
    provider.reply(Reply("one two three", fault=Fault.error_event(after_chunks=2)))
    asked = {"model": MODEL, "messages": HELLO, "stream": True}

    data = httpx.post(f"{provider.mistral_url}/v1/chat/completions", json=asked).content

    assert answer_in(CHAT, data, status=200).error == "internal_server_error"


def test_parse_is_one_call(provider: FakeProvider, client: Any, recording: Recording) -> None:
    """``parse`` calls ``complete``, whose span it is."""
    if not hasattr(client.chat, "parse"):
        pytest.skip("this version has no parse")
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Story", title=(str, ...))
    provider.reply(Reply('{"title": "x"}'))

    answer = client.chat.parse(model, model=MODEL, messages=HELLO)

    assert answer.choices[0].message.parsed == model(title="x")
    assert known_of(recording)[semconv.OUTPUT_TYPE] == "json"


def test_thinking_is_told_apart_from_what_is_said(provider: FakeProvider, client: Any) -> None:
    """Of a stream too, whose content is now a list of blocks and now a text."""
    calls = (ToolCall("search", {"q": "x"}, id="call_9"),)
    provider.reply(Reply("Fine day", reasoning="let me see", tool_calls=calls))

    with (
        record(*INTEGRATIONS, content="full") as recording,
        client.chat.stream(model=MODEL, messages=HELLO) as stream,
    ):
        events = list(stream)

    [answer] = json.loads(known_of(recording)[semconv.OUTPUT_MESSAGES])
    assert events
    assert answer["parts"] == [
        {"type": "reasoning", "content": "let me see"},
        {"type": "text", "content": "Fine day"},
        {"type": "tool_call", "id": "call_9", "name": "search", "arguments": {"q": "x"}},
    ]


def test_thinking_counts_where_the_end_never_came() -> None:
    """An answer with blocks is measured by all of them."""
    block = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    events = [
        {"choices": [{"index": 0, "delta": {"content": [block]}}]},
        {"choices": [{"index": 0, "delta": {"content": "yes"}}]},
    ]

    body = CHAT.fold(events)

    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "reasoning": "hm",
        "content": "yes",
    }


@pytest.mark.parametrize(
    ("arguments", "host"),
    [({}, "api.mistral.ai"), ({"server": "eu"}, None), ({"server_url": "http://[::1]:9"}, "::1")],
)
def test_the_address_is_that_of_the_server(arguments: Any, host: str | None) -> None:
    """A client knows a server by name or by its URL; nothing is sent to find out."""
    client = Mistral(api_key="test", **arguments)
    call: Any = type("Call", (), {"kwargs": {}, "instance": client.chat})()

    found = rows._place(call).host

    assert found == host or (host is None and str(found).endswith("mistral.ai"))
