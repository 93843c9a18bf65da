"""What is peculiar to Ollama's SDK: options, lazy streams, counts that may be missing, no price."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import http
from flowspan.instrumentation.clients import ollama as rows
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.ollama import CHAT, GENERATE
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

MODEL = "llama3.2"
HELLO: Any = [{"role": "user", "content": "Tell me a story please"}]
CHARGED = Usage(input_tokens=120, output_tokens=34)
INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS, priced=True) as recording:
        yield recording


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[ollama.Client]:
    client = ollama.Client(host=provider.url)
    yield client
    client._client.close()


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


def test_options_are_the_parameters_of_the_request(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """Positional arguments and ``options`` are read; the call is free, because a rule says so."""
    provider.reply(Reply("Once", usage=CHARGED))

    client.chat(
        MODEL,
        HELLO,
        format="json",
        options={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "num_predict": 99,
            "seed": 7,
            "stop": ["END"],
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
        },
    )

    known = known_of(recording)
    del known[semconv.RUN_ID]
    assert recording.spans.one().name == "chat llama3.2"
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "flowspan.cost.usd": 0.0,
        "flowspan.cost.status": "free",
        "flowspan.price.source": "override",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.output.type": "json",
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


def test_a_stream_that_is_never_read_was_never_asked_for(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """Its request would have been sent for the first line: no tokens, and nothing is estimated."""
    stream = client.chat(MODEL, HELLO, stream=True)
    del stream

    known = known_of(recording)
    assert list(provider.requests) == []
    assert known[semconv.STREAM_ABANDONED] is True
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (0, 0)
    assert semconv.USAGE_ESTIMATED not in known


def test_a_stream_that_is_refused_has_no_tokens(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """The refusal comes with the first line; nothing was charged."""
    provider.fail(Fault.http(404, message="model 'x' not found"))

    with pytest.raises(ollama.ResponseError):
        list(client.chat("x", HELLO, stream=True))

    known = known_of(recording)
    assert known[semconv.HTTP_STATUS_CODE] == 404
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert recording.spans.one().status.status_code is StatusCode.ERROR


def test_a_stream_that_is_left_at_its_last_line_is_complete(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """Many programs stop at ``done`` and do not ask for a line more."""
    provider.reply(Reply("one two", usage=CHARGED))

    stream = client.chat(MODEL, HELLO, stream=True)
    for line in stream:
        if line["done"]:
            break
    del stream

    known = known_of(recording)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert semconv.STREAM_ABANDONED not in known


def test_the_type_of_a_stream_is_the_sdks_own(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """A generator stays one, and its lines are the SDK's."""
    plain = type(client.chat(MODEL, HELLO))
    stream: Any = client.chat(MODEL, HELLO, stream=True)

    assert inspect.isgenerator(stream)
    assert {type(line) for line in list(stream)} == {plain}


def test_content_of_a_stream(provider: FakeProvider, client: ollama.Client) -> None:
    """Thinking, text and tools of all lines are one message; images are told by their size."""
    calls = (ToolCall("search", {"q": "x"}),)
    provider.reply(Reply("Fine day", reasoning="let me see", tool_calls=calls))
    asked: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [b"pixels"]},
        {"role": "tool", "content": "a cat"},
    ]

    with record(*INTEGRATIONS, content="full") as recording:
        list(client.chat(MODEL, asked, stream=True))

    span, known = recording.spans.one(), known_of(recording)
    [answer] = json.loads(known[semconv.OUTPUT_MESSAGES])
    assert [part["type"] for part in answer["parts"]] == ["reasoning", "text", "tool_call"]
    assert answer["parts"][1]["content"] == "Fine day"
    assert answer["parts"][2]["arguments"] == {"q": "x"}
    system, user, tool = json.loads(known[semconv.INPUT_MESSAGES])
    assert system["parts"] == [{"type": "text", "content": "Be brief."}]
    assert user["parts"][1] == {
        "type": "blob",
        "modality": "image",
        "mime_type": None,
        "content": "",
        "size": 6,
    }
    assert tool["parts"][0]["response"] == "a cat"
    requested = [event for event in span.events if event.name == semconv.EVENT_TOOL_REQUESTED]
    assert [dict(event.attributes or {})[semconv.TOOL_NAME] for event in requested] == ["search"]


def test_content_of_a_prompt(provider: FakeProvider, client: ollama.Client) -> None:
    """``generate`` has one user's message and perhaps the system's."""
    provider.reply("Once")

    with record(*INTEGRATIONS, content="full") as recording:
        client.generate(MODEL, "Tell me", system="Be brief.")

    known = known_of(recording)
    assert json.loads(known[semconv.SYSTEM_INSTRUCTIONS]) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert json.loads(known[semconv.INPUT_MESSAGES])[0]["parts"][0]["content"] == "Tell me"
    assert json.loads(known[semconv.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "Once"


def test_an_input_that_is_not_counted_is_estimated() -> None:
    """Older servers leave out what was in their cache; the output they say."""
    body = {"message": {"content": "Once"}, "done": True, "done_reason": "stop", "eval_count": 9}
    request = {"messages": [{"role": "user", "content": "x" * 40}]}

    usage = describe.usage_of(CHAT, request, Answer(body))

    assert usage == Usage(input_tokens=10, output_tokens=9, estimated=True)


def test_a_request_that_only_loads_a_model_has_no_tokens() -> None:
    """An empty prompt loads the model and answers at once."""
    body = {"model": MODEL, "response": "", "done": True, "done_reason": "load"}

    usage = describe.usage_of(GENERATE, {"model": MODEL}, Answer(body))

    assert usage == Usage(input_tokens=0, output_tokens=0)


def test_models_of_its_cloud_are_not_free(
    provider: FakeProvider, client: ollama.Client, recording: Recording
) -> None:
    """What runs elsewhere is charged, though nobody here knows how much."""
    client.chat("gpt-oss:120b-cloud", HELLO)

    known = known_of(recording)
    assert known[semconv.COST_STATUS] == "unpriced"
    assert semconv.COST_USD not in known
