"""With ``FLOWSPAN_STREAM_USAGE=request`` streams are asked for the tokens that they hold back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Recording, Reply, record

INTEGRATIONS = (openai_rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def asking() -> Iterator[Recording]:
    with record(*INTEGRATIONS, asks_for_usage=True) as recording:
        yield recording


def is_estimated(recording: Recording) -> bool:
    (span,) = recording.spans
    return semconv.USAGE_ESTIMATED in (span.attributes or {})


def test_a_stream_is_asked(
    asking: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    chunks = list(client.chat.completions.create(**CHAT, stream=True))

    assert provider.requests[0].body["stream_options"] == {"include_usage": True}
    assert chunks[-1].choices == []
    assert not is_estimated(asking)


async def test_so_is_an_asynchronous_one(
    asking: Recording, async_client: openai.AsyncOpenAI, provider: FakeProvider
) -> None:
    async for _ in await async_client.chat.completions.create(**CHAT, stream=True):
        pass

    assert provider.ledger[0].usage_on_wire
    assert not is_estimated(asking)


def test_so_is_a_completion(
    asking: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    list(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello", stream=True))

    assert provider.requests[0].body["stream_options"] == {"include_usage": True}


def test_other_options_are_kept(
    asking: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    options: Any = {"include_obfuscation": False}
    list(client.chat.completions.create(**CHAT, stream=True, stream_options=options))

    assert provider.requests[0].body["stream_options"] == {**options, "include_usage": True}
    assert options == {"include_obfuscation": False}


def test_what_the_program_said_about_it_holds(
    asking: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    options: Any = {"include_usage": False}
    list(client.chat.completions.create(**CHAT, stream=True, stream_options=options))

    assert provider.requests[0].body["stream_options"] == options
    assert is_estimated(asking)


def test_what_is_no_stream_is_left_alone(
    asking: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    provider.reply(Reply("Hello"))
    client.chat.completions.create(**CHAT)

    assert "stream_options" not in provider.requests[0].body


def test_without_the_setting_nothing_is_added(
    recording: Recording, client: openai.OpenAI, provider: FakeProvider
) -> None:
    list(client.chat.completions.create(**CHAT, stream=True))

    assert "stream_options" not in provider.requests[0].body
    assert is_estimated(recording)


def test_once_taken_back_nothing_is_added(client: openai.OpenAI, provider: FakeProvider) -> None:
    with record(*INTEGRATIONS, asks_for_usage=True) as recording:
        create = client.chat.completions.create
        assert recording.patcher is not None
        recording.patcher.uninstall()
        list(create(**CHAT, stream=True))

    assert "stream_options" not in provider.requests[0].body
