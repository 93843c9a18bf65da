"""Ollama's SDK: chat, generate and embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import ollama

from conformance.pictures import shows
from conformance.running import Runs, generator, paired, whole
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import ollama as rows
from flowspan.testing import FakeProvider

_MODEL: Final = "llama3.2"
_CHAT: Final[dict[str, Any]] = {
    "model": _MODEL,
    "messages": [{"role": "user", "content": QUESTION}],
}
_PROMPT: Final[dict[str, Any]] = {"model": _MODEL, "prompt": QUESTION}
_INPUT: Final[dict[str, Any]] = {"model": "nomic-embed-text", "input": QUESTION}
_OLDER: Final[dict[str, Any]] = {"model": "nomic-embed-text", "prompt": QUESTION}


def _connect(provider: FakeProvider) -> ollama.Client:
    return ollama.Client(host=provider.url)


def _connect_async(provider: FakeProvider) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=provider.url)


def _impatient(provider: FakeProvider) -> ollama.Client:
    return ollama.Client(host=provider.url, timeout=PATIENCE_SECONDS)


def _impatient_async(provider: FakeProvider) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=provider.url, timeout=PATIENCE_SECONDS)


def _close(client: Any) -> Any:
    """Older versions have no method for it."""
    http_client = client._client  # noqa: SLF001
    return http_client.aclose() if hasattr(http_client, "aclose") else http_client.close()


def _pair(runs: Runs, call: str, operation: str, **more: Any) -> Iterator[Way]:
    return paired(
        runs,
        (_connect, _connect_async),
        impatient=(_impatient, _impatient_async),
        call=call,
        format=f"ollama.{call}",
        operation=operation,
        disconnect=_close,
        **more,
    )


def _ways() -> Iterator[Way]:
    tools: frozenset[Ability] = frozenset({"tools"})
    chat: dict[str, Any] = {"model": _MODEL, "can": tools}
    seen = shows("ollama.chat", _CHAT, partial(whole, "chat"))
    yield from _pair(whole("chat", _CHAT), "chat", "chat", shows=seen, **chat)
    yield from _pair(
        generator("chat", {**_CHAT, "stream": True}), "chat", "chat", stream=True, lazy=True, **chat
    )
    text: dict[str, Any] = {"model": _MODEL}
    seen = shows("ollama.generate", _PROMPT, partial(whole, "generate"))
    yield from _pair(whole("generate", _PROMPT), "generate", "text_completion", shows=seen, **text)
    streamed = generator("generate", {**_PROMPT, "stream": True})
    yield from _pair(streamed, "generate", "text_completion", stream=True, lazy=True, **text)
    vector: dict[str, Any] = {"model": "nomic-embed-text"}
    if hasattr(ollama.Client, "embed"):
        yield from _pair(whole("embed", _INPUT), "embed", "embeddings", **vector)
    older = whole("embeddings", _OLDER)
    yield from _pair(older, "embeddings", "embeddings", reports=False, **vector)


CLIENT: Final = Client(
    name="ollama",
    module="ollama",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
)
