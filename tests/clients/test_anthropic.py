"""Anthropic's SDK, seen by its HTTP requests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients.anthropic import INTEGRATION
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply
from flowspan.usage import Usage

anthropic = pytest.importorskip("anthropic")

CHUNKS = ("Once ", "upon ", "a ", "time")
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=60, cache_write_tokens=40)
ARGUMENTS: dict[str, Any] = {
    "model": "claude-of-tomorrow",
    "max_tokens": 50,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Tell me a story please"}],
}


@pytest.fixture
def client(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in INTEGRATION.environment.items():
        monkeypatch.setenv(name, value)
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="sk-secret") as client:
        yield client


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one("chat claude-of-tomorrow").attributes or {})


def test_the_sdks_own_tracing_is_off(client: Any) -> None:
    """The variable is the one that the SDK reads."""
    tracing = pytest.importorskip("anthropic._tracing")

    assert tracing.env_open_telemetry() == {"traces": {"enabled": False}}


@pytest.mark.parametrize("mode", ["plain", "stream", "helper", "raw"])
def test_a_message_is_one_call_with_the_tokens_charged(
    mode: str, client: Any, provider: FakeProvider, recording: Recording
) -> None:
    """Without rows of its own the SDK is one model call all the same."""
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED))

    if mode == "plain":
        client.messages.create(**ARGUMENTS)
    elif mode == "stream":
        list(client.messages.create(**ARGUMENTS, stream=True))
    elif mode == "raw":
        client.messages.with_raw_response.create(**ARGUMENTS).parse()
    else:
        with client.messages.stream(**ARGUMENTS) as stream:
            stream.get_final_message()
    gc.collect()

    known = known_of(recording)
    assert known[semconv.TRANSPORT] == "http"
    assert known[semconv.REQUEST_MAX_TOKENS] == 50
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.USAGE_CACHE_READ] == 60
    assert known[semconv.USAGE_CACHE_WRITE] == 40
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert semconv.STREAM_ABANDONED not in known


async def test_an_async_stream_is_seen_as_well(
    provider: FakeProvider, recording: Recording
) -> None:
    """``AsyncAnthropic`` sends by ``AsyncClient``."""
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED))

    async with (
        anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="sk-secret") as client,
        client.messages.stream(**ARGUMENTS) as stream,
    ):
        async for _ in stream.text_stream:
            pass

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_of_a_stream_that_was_left_the_input_is_known(
    client: Any, provider: FakeProvider, recording: Recording
) -> None:
    """Anthropic tells the input first; only the output is estimated."""
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED, gate=Gate(after_chunks=2)))

    with client.messages.stream(**ARGUMENTS) as stream:
        for _ in stream.text_stream:
            break
    gc.collect()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] < 34
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.STREAM_ABANDONED] is True


def test_each_attempt_of_the_sdk_is_a_call_of_its_own(
    client: Any, provider: FakeProvider, recording: Recording
) -> None:
    """Nobody owns them together; what was refused is an error and costs nothing."""
    provider.fail(Fault.overloaded())
    provider.reply(Reply("Once", usage=CHARGED))

    client.messages.create(**ARGUMENTS)

    refused, answered = recording.spans
    assert refused.status.status_code is StatusCode.ERROR
    assert dict(refused.attributes or {})[semconv.ERROR_TYPE] == "529"
    assert semconv.USAGE_INPUT_TOKENS not in dict(refused.attributes or {})
    assert dict(answered.attributes or {})[semconv.USAGE_OUTPUT_TOKENS] == 34
