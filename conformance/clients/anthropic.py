"""Anthropic's SDK: its messages, its helpers, its clients for other platforms."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import anthropic
from pydantic import BaseModel

from conformance.pictures import shown
from conformance.vocabulary import QUESTION, Client, Opened, Way
from flowspan.instrumentation.clients import anthropic as rows
from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import FakeProvider

_MODEL = "claude-sonnet-5"
_MESSAGE: dict[str, Any] = {
    "model": _MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": QUESTION}],
}
_COMPLETION: dict[str, Any] = {
    "model": "claude-2.1",
    "max_tokens_to_sample": 500,
    "prompt": f"\n\nHuman: {QUESTION}\n\nAssistant:",
}


class Story(BaseModel):
    """What ``parse`` makes of an answer."""

    title: str


# --- clients ------------------------------------------------------------------------------------


def _connect(provider: FakeProvider) -> Any:
    return anthropic.Anthropic(base_url=provider.anthropic_url, api_key="sk-test")


def _connect_async(provider: FakeProvider) -> Any:
    return anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="sk-test")


_VERTEX: dict[str, Any] = {"region": "europe-west1", "project_id": "p", "access_token": "t"}


def _connect_vertex(provider: FakeProvider) -> Any:
    return anthropic.AnthropicVertex(base_url=f"{provider.url}/v1", **_VERTEX)


def _connect_vertex_async(provider: FakeProvider) -> Any:
    return anthropic.AsyncAnthropicVertex(base_url=f"{provider.url}/v1", **_VERTEX)


_AWS: dict[str, Any] = {
    "aws_access_key": "test",
    "aws_secret_key": "test",
    "aws_region": "us-east-1",
}


def _connect_bedrock(provider: FakeProvider) -> Any:
    return anthropic.AnthropicBedrock(base_url=provider.url, **_AWS)


def _connect_bedrock_async(provider: FakeProvider) -> Any:
    return anthropic.AsyncAnthropicBedrock(base_url=provider.url, **_AWS)


def _close(client: Any) -> Any:
    return client.close()


# --- calls --------------------------------------------------------------------------------------


def _messages(client: Any, owner: str) -> Any:
    return client.beta.messages if owner == "beta.messages" else client.messages


def _create(client: Any, owner: str = "messages", **members: Any) -> Any:
    return _messages(client, owner).create(**{**_MESSAGE, **members})


async def _async_create(client: Any, owner: str = "messages", **members: Any) -> Any:
    return await _messages(client, owner).create(**{**_MESSAGE, **members})


def _create_stream(client: Any, owner: str = "messages") -> Opened:
    stream = _messages(client, owner).create(**_MESSAGE, stream=True)
    return Opened(stream, stream.__iter__, stream.close)


async def _async_create_stream(client: Any, owner: str = "messages") -> Opened:
    stream = await _messages(client, owner).create(**_MESSAGE, stream=True)
    return Opened(stream, stream.__aiter__, stream.close)


def _stream(client: Any, owner: str = "messages") -> Opened:
    stream = _messages(client, owner).stream(**_MESSAGE).__enter__()
    return Opened(stream, stream.__iter__, stream.close)


async def _async_stream(client: Any, owner: str = "messages") -> Opened:
    stream = await _messages(client, owner).stream(**_MESSAGE).__aenter__()
    return Opened(stream, stream.__aiter__, stream.close)


def _texts(client: Any) -> Opened:
    stream = client.messages.stream(**_MESSAGE).__enter__()
    return Opened(stream, lambda: stream.text_stream, stream.close)


async def _async_texts(client: Any) -> Opened:
    stream = await client.messages.stream(**_MESSAGE).__aenter__()
    return Opened(stream, lambda: stream.text_stream, stream.close)


def _final_message(client: Any) -> Any:
    with client.messages.stream(**_MESSAGE) as stream:
        return stream.get_final_message()


async def _async_final_message(client: Any) -> Any:
    async with client.messages.stream(**_MESSAGE) as stream:
        return await stream.get_final_message()


def _raw(client: Any) -> Any:
    return client.messages.with_raw_response.create(**_MESSAGE).parse()


async def _async_raw(client: Any) -> Any:
    response = await client.messages.with_raw_response.create(**_MESSAGE)
    parsed = response.parse()
    return await parsed if hasattr(parsed, "__await__") else parsed


def _raw_stream(client: Any) -> Opened:
    stream = client.messages.with_raw_response.create(**_MESSAGE, stream=True).parse()
    return Opened(stream, stream.__iter__, stream.close)


async def _async_raw_stream(client: Any) -> Opened:
    response = await client.messages.with_raw_response.create(**_MESSAGE, stream=True)
    parsed = response.parse()
    stream = await parsed if hasattr(parsed, "__await__") else parsed
    return Opened(stream, stream.__aiter__, stream.close)


def _lines(client: Any) -> Opened:
    manager = client.messages.with_streaming_response.create(**_MESSAGE, stream=True)
    response = manager.__enter__()
    return Opened(response, response.iter_lines, response.close)


async def _async_lines(client: Any) -> Opened:
    manager = client.messages.with_streaming_response.create(**_MESSAGE, stream=True)
    response = await manager.__aenter__()
    return Opened(response, response.iter_lines, response.close)


def _tool_runner(client: Any) -> Any:
    return client.beta.messages.tool_runner(**_MESSAGE, tools=[]).until_done()


async def _async_tool_runner(client: Any) -> Any:
    return await client.beta.messages.tool_runner(**_MESSAGE, tools=[]).until_done()


def _parse(client: Any, owner: str = "messages") -> Any:
    return _messages(client, owner).parse(**_MESSAGE, output_format=Story)


async def _async_parse(client: Any, owner: str = "messages") -> Any:
    return await _messages(client, owner).parse(**_MESSAGE, output_format=Story)


def _complete(client: Any) -> Any:
    return client.completions.create(**_COMPLETION)


async def _async_complete(client: Any) -> Any:
    return await client.completions.create(**_COMPLETION)


def _complete_stream(client: Any) -> Opened:
    stream = client.completions.create(**_COMPLETION, stream=True)
    return Opened(stream, stream.__iter__, stream.close)


async def _async_complete_stream(client: Any) -> Opened:
    stream = await client.completions.create(**_COMPLETION, stream=True)
    return Opened(stream, stream.__aiter__, stream.close)


# --- ways ---------------------------------------------------------------------------------------

_SHARED: dict[str, Any] = {
    "format": "anthropic.messages",
    "operation": "chat",
    "model": _MODEL,
    "connect": _connect,
    "disconnect": _close,
    "can": frozenset({"cache", "reasoning", "tools", "refusal"}),
    "tries": 2,
}
_LEGACY: dict[str, Any] = {
    **_SHARED,
    "format": "anthropic.complete",
    "operation": "text_completion",
    "model": "claude-2.1",
    "reports": False,
    "can": frozenset(),
}
_PARSED: dict[str, Any] = {
    **_SHARED,
    "can": frozenset({"cache"}),
    "answer": ('{"title": ', '"A ', 'story"}'),
}
_PLATFORMS: dict[str, dict[str, Any]] = {
    "Vertex": {**_SHARED, "connect": _connect_vertex, "provider": "gcp.vertex_ai"},
    "Bedrock": {
        **_SHARED,
        "connect": _connect_bedrock,
        "format": "bedrock.anthropic",
        "provider": "aws.bedrock",
    },
}
_ASYNC_OF: dict[Callable[..., Any], Callable[..., Any]] = {
    _connect: _connect_async,
    _connect_vertex: _connect_vertex_async,
    _connect_bedrock: _connect_bedrock_async,
}


def _both(
    call: str,
    run: Callable[..., Any],
    run_async: Callable[..., Any],
    shared: dict[str, Any] = _SHARED,
    shows: tuple[Any, Any] = (None, None),
    **more: Any,
) -> Iterator[Way]:
    asynchronous = {**shared, "connect": _ASYNC_OF[shared["connect"]], "asynchronous": True}
    yield Way(**shared, call=call, run=run, shows=shows[0], **more)
    yield Way(**asynchronous, call=call, run=run_async, shows=shows[1], **more)


def _of(owner: str) -> Iterator[Way]:
    one = functools.partial(functools.partial, owner=owner)
    members = shown("anthropic.messages", _MESSAGE) or {}
    seen = one(_create, **members), one(_async_create, **members)
    yield from _both(f"{owner}.create", one(_create), one(_async_create), shows=seen)
    whole = one(_create_stream), one(_async_create_stream)
    yield from _both(f"{owner}.create", *whole, stream=True)
    if hasattr(_resource(owner), "stream"):
        yield from _both(f"{owner}.stream", one(_stream), one(_async_stream), stream=True)
    if hasattr(_resource(owner), "parse"):
        yield from _both(f"{owner}.parse", one(_parse), one(_async_parse), _PARSED)


def _resource(owner: str) -> Any:
    return _messages(anthropic.Anthropic(api_key="sk-test"), owner)


def _ways() -> Iterator[Way]:
    yield from _of("messages")
    final = _final_message, _async_final_message
    yield from _both("messages.stream", *final, variant="get_final_message")
    texts = _texts, _async_texts
    yield from _both("messages.stream", *texts, stream=True, variant="text_stream")
    yield from _both("messages.create", _raw, _async_raw, variant="raw")
    raw = _raw_stream, _async_raw_stream
    yield from _both("messages.create", *raw, stream=True, variant="raw")
    lines = _lines, _async_lines
    yield from _both("messages.create", *lines, stream=True, variant="streaming response")
    yield from _of("beta.messages")
    if hasattr(_resource("beta.messages"), "tool_runner"):
        yield from _both("beta.messages.tool_runner", _tool_runner, _async_tool_runner)
    streams = _create_stream, _async_create_stream
    for name, shared in _PLATFORMS.items():
        if name == "Bedrock" and find_spec("boto3") is None:
            continue  # it signs the requests
        yield from _both("messages.create", _create, _async_create, shared, variant=name)
        yield from _both("messages.create", *streams, shared, stream=True, variant=name)
    if hasattr(anthropic.Anthropic, "completions") or hasattr(_connected(), "completions"):
        yield from _both("completions.create", _complete, _async_complete, _LEGACY)
        legacy = _complete_stream, _async_complete_stream
        yield from _both("completions.create", *legacy, _LEGACY, stream=True)


def _connected() -> Any:
    return anthropic.Anthropic(api_key="sk-test")


def _closes() -> bool:
    """Whether a stream with an event that cannot be read is closed: before 0.78 it is not."""
    major, minor = anthropic.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (0, 78)


CLIENT = Client(
    name="anthropic",
    module="anthropic",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
    closes_broken=_closes(),
)
