"""Conversations over OpenAI's sockets: each response is a model call, seen when it is done."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.instrumentation.clients import openai_realtime
from flowspan.instrumentation.integration import Call
from flowspan.testing import FakeProvider, Gate, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

pytest.importorskip("websockets")

MODEL = "gpt-realtime"
DELTA = "response.output_text.delta"
CHARGED = Usage(
    input_tokens=100,
    output_tokens=50,
    cache_read_tokens=30,
    input_audio_tokens=60,
    cache_read_audio_tokens=10,
    output_audio_tokens=20,
)


def realtime_of(client: Any) -> Any:
    """The resource, where the version has it."""
    found = getattr(client, "realtime", None) or getattr(client.beta, "realtime", None)
    if found is None:
        pytest.skip("this version has no realtime")
    return found


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**address(provider)) as client:
        yield client


@pytest.fixture
async def async_client(provider: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(**address(provider)) as client:
        yield client


def address(provider: FakeProvider) -> dict[str, Any]:
    """Where sockets are has to be said: some versions would have them encrypted."""
    known: dict[str, Any] = {"base_url": provider.openai_url, "api_key": "sk-test"}
    if "websocket_base_url" in inspect.signature(openai.OpenAI).parameters:
        known["websocket_base_url"] = provider.openai_url.replace("http", "ws")
    return known


@pytest.fixture
def priced() -> Iterator[Recording]:
    with record(openai_rows.INTEGRATION, priced=True) as recording:
        yield recording


@contextmanager
def connected(client: openai.OpenAI) -> Iterator[Any]:
    with realtime_of(client).connect(model=MODEL) as connection:
        assert connection.recv().type == "session.created"
        yield connection


@asynccontextmanager
async def async_connected(client: openai.AsyncOpenAI) -> AsyncIterator[Any]:
    async with realtime_of(client).connect(model=MODEL) as connection:
        assert (await connection.recv()).type == "session.created"
        yield connection


def item(*content: dict[str, Any]) -> Any:
    return {"type": "message", "role": "user", "content": list(content)}


def said(text: str) -> Any:
    return item({"type": "input_text", "text": text})


def until(connection: Any, kind: str) -> list[Any]:
    """All events up to one of that type."""
    events = []
    for event in connection:
        events.append(event)
        if event.type == kind:
            break
    return events


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


def test_a_response_is_a_model_call(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """Its own span with what it was charged, each kind of token at its own rate."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    with connected(client) as connection:
        connection.conversation.item.create(item=said("Tell me a story"))
        connection.response.create()
        events = until(connection, "response.done")

    span, known = priced.spans.one(), known_of(priced)
    del known[semconv.RUN_ID]
    assert span.name == "chat gpt-realtime"
    assert (span.end_time or 0) > (span.start_time or 0)
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "flowspan.cost.usd": 0.003452,  # 20*4 + 30*0.4 + 50*32 + 30*16 + 20*64
        "flowspan.cost.status": "priced",
        "flowspan.price.source": "genai-prices",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": "conv_000001",
        "gen_ai.output.type": "text",
        "gen_ai.response.id": events[-1].response.id,
        "gen_ai.response.finish_reasons": ("completed",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.audio.input_tokens": 60,
        "gen_ai.usage.audio.output_tokens": 20,
        "gen_ai.usage.audio.cache_read.input_tokens": 10,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


async def test_each_response_of_an_async_connection_is_one(
    provider: FakeProvider, async_client: openai.AsyncOpenAI, recording: Recording
) -> None:
    """The second one hears what was said before; the sum is the ledger's."""
    async with async_connected(async_client) as connection:
        for text in ("Tell me a story", "And another one"):
            await connection.conversation.item.create(item=said(text))
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    break

    charged = provider.ledger.total()
    assert len(recording.spans.of_kind("llm")) == len(provider.ledger) == 2
    assert recording.spans.total(semconv.USAGE_INPUT_TOKENS) == charged.input_tokens
    assert recording.spans.total(semconv.USAGE_OUTPUT_TOKENS) == charged.output_tokens


def test_a_call_begins_where_the_server_said_that_it_begins(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """It is seen at its end, but its time is that of the response."""
    gate = Gate(after_chunks=1)
    provider.reply(Reply("Once upon a time", gate=gate))

    with connected(client) as connection:
        connection.response.create()
        begun = until(connection, DELTA)
        held_at = time.time_ns()
        gate.open()
        until(connection, "response.done")

    span = recording.spans.one()
    assert begun[0].type == "response.created"
    assert (span.start_time or 0) < held_at < (span.end_time or 0)


def test_raw_messages_are_seen_once_they_are_events(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """``recv_bytes`` gives bytes; ``parse_event`` makes events of them, as ``recv`` does."""
    with connected(client) as connection:
        connection.response.create()
        kind = ""
        while kind != "response.done":
            data = connection.recv_bytes()
            kind = json.loads(data)["type"]
        assert len(recording.spans) == 0
        connection.parse_event(data)

    assert len(recording.spans) == 1


def test_a_response_that_failed_is_an_error(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The kind of error is the server's."""
    provider.reply(Reply("Once", finish_reason="failed"))

    with connected(client) as connection:
        connection.response.create()
        until(connection, "response.done")

    assert recording.spans.one().status.status_code is StatusCode.ERROR
    assert known_of(recording)[semconv.ERROR_TYPE] == "server_error"
    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 1


def test_tools_and_content_of_a_response(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """What was answered; what was asked is spread over the conversation."""
    provider.reply(Reply("Wait", tool_calls=(ToolCall("search", {"q": "x"}, id="call_9"),)))

    with connected(client) as connection:
        connection.response.create()
        until(connection, "response.done")

    span, known = content_recording.spans.one(), known_of(content_recording)
    requested = [event for event in span.events if event.name == "flowspan.tool.requested"]
    parts = [message["parts"] for message in json.loads(known[semconv.OUTPUT_MESSAGES])]
    assert [dict(event.attributes or {}) for event in requested] == [
        {"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "call_9"}
    ]
    assert parts == [
        [{"type": "text", "content": "Wait"}],
        [{"type": "tool_call", "id": "call_9", "name": "search", "arguments": {"q": "x"}}],
    ]


def test_what_was_heard_is_written_down_by_a_model_of_its_own(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """Its usage comes with the transcription, and is charged beside the response's."""
    transcribing: Any = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}

    with connected(client) as connection:
        connection.session.update(session={"type": "realtime", **transcribing})
        connection.conversation.item.create(item=item({"type": "input_audio", "audio": "AAAA"}))
        connection.response.create()
        until(connection, "response.done")

    heard = priced.spans.one("generate_content whisper-1").attributes or {}
    assert heard[semconv.USAGE_AUDIO_SECONDS] == 1.5
    assert heard[semconv.COST_USD] == pytest.approx(1.5 * 0.36 / 3600)
    assert len(priced.spans.named("chat gpt-realtime")) == 1


def test_a_connection_that_is_closed_in_the_middle_has_no_call(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """What the response cost is said at its end only, which nobody waited for."""
    provider.reply(Reply("Once upon a time", gate=Gate(after_chunks=1)))

    with connected(client) as connection:
        connection.response.create()
        until(connection, DELTA)

    provider.ledger.wait_for(1)
    assert len(recording.spans) == 0


# --- responses on a connection --------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "Async"])
@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_a_response_on_a_connection_is_a_model_call(
    prefix: str, status: str, recording: Recording
) -> None:
    """``responses.connect``: the events are those of a stream, and name their model."""
    module = pytest.importorskip("openai.resources.responses.responses")
    if not hasattr(module, f"{prefix}ResponsesConnection"):
        pytest.skip("this version has no connection for responses")
    kind = getattr(module, f"{prefix}ResponsesConnection")
    connection = kind.__new__(kind)
    response: dict[str, Any] = {"id": "resp_1", "model": "gpt-5-mini", "output": []}
    done = {
        **response,
        "status": status,
        "error": {"code": "server_error"} if status == "failed" else None,
        "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
    }

    connection.parse_event(json.dumps({"type": "response.created", "response": response}))
    connection.parse_event(json.dumps({"type": f"response.{status}", "response": done}))

    known = known_of(recording)
    assert recording.spans.one().name == "chat gpt-5-mini"
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (7, 5)
    assert known.get(semconv.ERROR_TYPE) == ("server_error" if status == "failed" else None)


# --- events as they are ---------------------------------------------------------------------------


class Connection:
    """What stands in for a connection whose socket is not looked at."""


def seen(row: Any, event: Any, connection: Any = None) -> Any:
    data = event if isinstance(event, str | bytes) else json.dumps(event)
    return row.when(Call(connection or Connection(), (data,), {}))


@pytest.mark.parametrize("row", openai_realtime.ROWS, ids=lambda row: row.target)
@pytest.mark.parametrize("event", [b"", "", "no json", {}, {"type": 1}, {"type": "other"}, "[]"])
def test_what_is_no_end_of_a_call_is_let_pass(row: Any, event: Any) -> None:
    """Whatever comes over a socket."""
    assert seen(row, event) is False
    assert row.glance(None, (event if isinstance(event, str | bytes) else b"{}",), {}) is False


@pytest.mark.parametrize(
    "head", ['{"type":"response.done",', '{"event_id":"e","type": "response.done",']
)
def test_the_type_is_found_wherever_it_stands(head: str) -> None:
    """Before or behind the event's id, as text or as bytes."""
    row = openai_realtime.ROWS[0]

    assert seen(row, head)
    assert seen(row, head.encode())


def test_beginnings_are_remembered_up_to_a_bound() -> None:
    """A server that begins without end does not fill the memory."""
    row, connection = openai_realtime.ROWS[0], Connection()
    for number in range(100):
        seen(row, {"type": "response.created", "response": {"id": f"r{number}"}}, connection)

    assert len(openai_realtime._sessions[connection].begun) == openai_realtime._MOST_BEGUN
