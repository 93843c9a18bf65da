"""OpenAI's SDK."""

from __future__ import annotations

from typing import Any

import openai

from conformance.vocabulary import QUESTION, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as rows
from flowspan.testing import FakeProvider

_CHAT: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": QUESTION}],
}
_STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def _connect(provider: FakeProvider) -> openai.OpenAI:
    return openai.OpenAI(base_url=provider.openai_url, api_key="sk-test")


def _connect_async(provider: FakeProvider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=provider.openai_url, api_key="sk-test")


def _close(client: Any) -> Any:
    return client.close()


def _chat(client: Any) -> Any:
    return client.chat.completions.create(**_CHAT)


def _chat_stream(client: Any) -> Opened:
    stream = client.chat.completions.create(**_CHAT, **_STREAMED)
    return Opened(stream, stream.__iter__, stream.close)


async def _async_chat(client: Any) -> Any:
    return await client.chat.completions.create(**_CHAT)


async def _async_chat_stream(client: Any) -> Opened:
    stream = await client.chat.completions.create(**_CHAT, **_STREAMED)
    return Opened(stream, stream.__aiter__, stream.close)


def _ways() -> tuple[Way, ...]:
    shared: dict[str, Any] = {
        "call": "chat.completions.create",
        "format": "openai.chat",
        "operation": "chat",
        "model": "gpt-4o",
        "disconnect": _close,
        "can": frozenset({"cache", "reasoning", "tools", "choices", "refusal"}),
        "tries": 2,
    }
    synchronous = {**shared, "connect": _connect}
    asynchronous = {**shared, "connect": _connect_async, "asynchronous": True}
    return (
        Way(**synchronous, run=_chat),
        Way(**synchronous, run=_chat_stream, stream=True),
        Way(**asynchronous, run=_async_chat),
        Way(**asynchronous, run=_async_chat_stream, stream=True),
    )


CLIENT = Client(
    name="openai",
    module="openai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=_ways(),
)
