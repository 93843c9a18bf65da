"""Google's Gen AI SDK: content, chats and embeddings, of Gemini and of Vertex AI.

Asynchronous calls go over aiohttp where that is installed, else over httpx; both are ways.  A
stream is a generator: nothing is asked before it is first read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any, Final

import httpx
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from conformance.pictures import shown
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import google_genai as rows
from flowspan.testing import FakeProvider

_MODEL: Final = "gemini-2.5-flash"
_EMBEDDER: Final = "gemini-embedding-001"
_LIMITS_AIOHTTP: Final = int(genai.__version__.partition(".")[0]) > 1
"""Version 1 has aiohttp wait as long as it takes, once it is connected."""
_CONTENT: Final[dict[str, Any]] = {
    "format": "gemini.generate_content",
    "operation": "generate_content",
    "model": _MODEL,
    "can": frozenset[Ability]({"cache", "reasoning", "tools", "choices", "refusal"}),
}
_EMBEDDINGS: Final[dict[str, Any]] = {
    "call": "models.embed_content",
    "format": "gemini.embeddings",
    "operation": "embeddings",
    "model": _EMBEDDER,
}


# --- clients --------------------------------------------------------------------------------------


def _connect(provider: FakeProvider, **options: Any) -> genai.Client:
    settings: Any = {"base_url": provider.gemini_url, **options}
    return genai.Client(api_key="gemini-test", http_options=settings)


def _connect_by_httpx(provider: FakeProvider, **options: Any) -> genai.Client:
    transport = {"transport": httpx.AsyncHTTPTransport()}
    return _connect(provider, async_client_args=transport, **options)


def _connect_trying_twice(provider: FakeProvider, **options: Any) -> genai.Client:
    again = {"attempts": 2, "initial_delay": 0.001, "max_delay": 0.001}
    return _connect(provider, retry_options=again, **options)


def _connect_to_vertex(provider: FakeProvider, **options: Any) -> genai.Client:
    settings: Any = {"base_url": provider.gemini_url, **options}
    return genai.Client(
        vertexai=True,
        project="project",
        location="us-central1",
        credentials=Credentials("test"),  # type: ignore[no-untyped-call]
        http_options=settings,
    )


def _close(client: genai.Client) -> None:
    if hasattr(client, "close"):  # since 1.42
        client.close()
    else:
        client._api_client._httpx_client.close()  # noqa: SLF001 - there is no other way


async def _close_async(client: genai.Client) -> None:
    if hasattr(client.aio, "aclose"):  # since 1.42
        await client.aio.aclose()
    else:
        below: Any = client._api_client  # noqa: SLF001 - there is no other way
        await below._async_httpx_client.aclose()  # noqa: SLF001 - likewise
    _close(client)


# --- calls ----------------------------------------------------------------------------------------


def _generate(client: genai.Client, contents: Any = QUESTION) -> Any:
    return client.models.generate_content(model=_MODEL, contents=contents)


async def _generate_async(client: genai.Client, contents: Any = QUESTION) -> Any:
    return await client.aio.models.generate_content(model=_MODEL, contents=contents)


def _generate_stream(client: genai.Client) -> Opened:
    return _opened(client.models.generate_content_stream(model=_MODEL, contents=QUESTION))


async def _generate_stream_async(client: genai.Client) -> Opened:
    models = client.aio.models
    return _opened_async(await models.generate_content_stream(model=_MODEL, contents=QUESTION))


def _send(client: genai.Client) -> Any:
    return client.chats.create(model=_MODEL).send_message(QUESTION)


async def _send_async(client: genai.Client) -> Any:
    return await client.aio.chats.create(model=_MODEL).send_message(QUESTION)


def _send_stream(client: genai.Client) -> Opened:
    return _opened(client.chats.create(model=_MODEL).send_message_stream(QUESTION))


async def _send_stream_async(client: genai.Client) -> Opened:
    chat = client.aio.chats.create(model=_MODEL)
    return _opened_async(await chat.send_message_stream(QUESTION))


def _embed(client: genai.Client, model: str = _EMBEDDER) -> Any:
    return client.models.embed_content(model=model, contents=QUESTION)


async def _embed_async(client: genai.Client, model: str = _EMBEDDER) -> Any:
    return await client.aio.models.embed_content(model=model, contents=QUESTION)


def _opened(stream: Iterator[Any]) -> Opened:
    return Opened(stream, stream.__iter__, attrgetter("close")(stream))


def _opened_async(stream: AsyncIterator[Any]) -> Opened:
    return Opened(stream, stream.__aiter__, attrgetter("aclose")(stream))


# --- ways -----------------------------------------------------------------------------------------


def _both(
    connect: Callable[..., genai.Client],
    run: Any,
    run_async: Any,
    *,
    shows: tuple[Any, Any] = (None, None),
    **shared: Any,
) -> Iterator[Way]:
    in_a_hurry = partial(connect, timeout=int(PATIENCE_SECONDS * 1000))
    hurries = connect is not _connect_trying_twice  # it would not give up
    shared["lazy"] = shared.get("stream", False)
    sync = {**shared, "impatient": in_a_hurry if hurries else None}
    yield Way(connect=connect, run=run, shows=shows[0], disconnect=_close, **sync)
    hurries = hurries and _LIMITS_AIOHTTP
    awaited = {**shared, "impatient": in_a_hurry if hurries else None, "asynchronous": True}
    awaited["shows"] = shows[1]
    yield Way(connect=connect, run=run_async, disconnect=_close_async, **awaited)


def _ways_of_content(connect: Callable[..., genai.Client], **shared: Any) -> Iterator[Way]:
    shared = {**_CONTENT, **shared}
    asked = shown("gemini.generate_content", {}) or {}
    seen = partial(_generate, **asked), partial(_generate_async, **asked)
    shared_here = {"call": "models.generate_content", "shows": seen, **shared}
    yield from _both(connect, _generate, _generate_async, **shared_here)
    yield from _both(
        connect,
        _generate_stream,
        _generate_stream_async,
        call="models.generate_content_stream",
        stream=True,
        lazy=True,
        **shared,
    )


def _ways() -> Iterator[Way]:
    yield from _ways_of_content(_connect)
    yield from _both(_connect, _send, _send_async, call="chats.send_message", **_CONTENT)
    yield from _both(
        _connect,
        _send_stream,
        _send_stream_async,
        call="chats.send_message_stream",
        stream=True,
        lazy=True,
        **_CONTENT,
    )
    yield from _both(_connect, _embed, _embed_async, **_EMBEDDINGS)
    yield from _ways_of_content(_connect_to_vertex, variant="vertex", provider="gcp.vertex_ai")
    predicted = {**_EMBEDDINGS, "format": "vertex.embeddings", "model": "text-embedding-004"}
    yield from _both(
        _connect_to_vertex,
        partial(_embed, model="text-embedding-004"),
        partial(_embed_async, model="text-embedding-004"),
        variant="vertex",
        **predicted,
    )
    if hasattr(types, "HttpRetryOptions"):  # since 1.27
        yield from _ways_of_content(_connect_trying_twice, variant="retried", tries=2)
    if importlib.util.find_spec("aiohttp") is not None:
        for way in _ways_of_content(_connect_by_httpx, variant="httpx"):
            if way.asynchronous:
                yield way


CLIENT = Client(
    name="google-genai",
    module="google.genai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
    parses=False,
)
