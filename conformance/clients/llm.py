"""Simon Willison's ``llm``, with the models that it brings along."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llm
from llm.default_plugins import openai_models

from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http, openai
from flowspan.instrumentation.clients import llm as rows
from flowspan.testing import FakeProvider

_CHAT = "gpt-4o"
_TEXT = "gpt-3.5-turbo-instruct"
_EMBEDDING = "text-embedding-3-small"
_IMPATIENT = {"timeout": PATIENCE_SECONDS, "max_retries": 0}
_RESPONSES = hasattr(openai_models, "Responses")
_EVENTS = hasattr(llm.Response, "stream_events")


class _Embeddings:
    """Embedding models take their address from the environment alone, and close no client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[Any] = []
        make: Any = openai_models.OpenAIEmbeddingModel
        self.model = make(_EMBEDDING, _EMBEDDING)
        self.model.key = "sk-test"

    @contextmanager
    def there(self) -> Iterator[Any]:
        """Inside, the model talks to the provider, by clients that are kept."""
        sdk = openai_models.openai
        kind, before = sdk.OpenAI, os.environ.get("OPENAI_BASE_URL")

        def make(**arguments: Any) -> Any:
            self.made.append(kind(**arguments))
            return self.made[-1]

        os.environ["OPENAI_BASE_URL"], sdk.OpenAI = self.url, make
        try:
            yield self.model
        finally:
            sdk.OpenAI = kind
            if before is None:
                del os.environ["OPENAI_BASE_URL"]
            else:
                os.environ["OPENAI_BASE_URL"] = before


def _connect(kind: str, model: str, **options: Any) -> Callable[[FakeProvider], Any]:
    def connect(provider: FakeProvider) -> Any:
        made = getattr(openai_models, kind)(model, api_base=provider.openai_url)
        made.key = "sk-test"
        return _keeping(made, options)

    return connect


def _keeping(model: Any, options: dict[str, Any]) -> Any:
    """Have the SDK's clients kept that a model makes, one for each call, and never closes.

    They are all that can be told to lose patience.
    """
    make, model.made = model.get_client, []

    def get_client(*args: Any, **kwargs: Any) -> Any:
        model.made.append(make(*args, **kwargs).with_options(**options))
        return model.made[-1]

    model.get_client = get_client
    return model


def _disconnect(model: Any) -> None:
    for client in model.made:
        client.close()


async def _disconnect_async(model: Any) -> None:
    for client in model.made:
        await client.close()


# --- whole answers --------------------------------------------------------------------------------


def _prompt(model: Any) -> Any:
    return model.prompt(QUESTION, stream=False).text()


def _read(model: Any) -> Any:
    return model.prompt(QUESTION).text()


def _conversation(model: Any) -> Any:
    return model.conversation().prompt(QUESTION, stream=False).text()


def _chain(model: Any) -> Any:
    return model.chain(QUESTION, stream=False).text()


async def _async_prompt(model: Any) -> Any:
    return await model.prompt(QUESTION, stream=False).text()


async def _async_read(model: Any) -> Any:
    return await model.prompt(QUESTION).text()


async def _async_conversation(model: Any) -> Any:
    return await model.conversation().prompt(QUESTION, stream=False).text()


async def _async_chain(model: Any) -> Any:
    return await model.chain(QUESTION, stream=False).text()


# --- streams --------------------------------------------------------------------------------------


def _opened(chunks: Any) -> Opened:
    return Opened(chunks, chunks.__iter__, chunks.close)


def _prompt_stream(model: Any) -> Opened:
    return _opened(iter(model.prompt(QUESTION)))


def _events_stream(model: Any) -> Opened:
    return _opened(model.prompt(QUESTION).stream_events())


def _conversation_stream(model: Any) -> Opened:
    return _opened(iter(model.conversation().prompt(QUESTION)))


def _chain_stream(model: Any) -> Opened:
    return _opened(iter(model.chain(QUESTION)))


async def _async_prompt_stream(model: Any) -> Opened:
    response = model.prompt(QUESTION)
    return Opened(response, response.__aiter__)


async def _async_events_stream(model: Any) -> Opened:
    events = model.prompt(QUESTION).astream_events()
    return Opened(events, events.__aiter__, events.aclose)


async def _async_conversation_stream(model: Any) -> Opened:
    response = model.conversation().prompt(QUESTION)
    return Opened(response, response.__aiter__)


async def _async_chain_stream(model: Any) -> Opened:
    chunks = model.chain(QUESTION).__aiter__()
    return Opened(chunks, chunks.__aiter__, chunks.aclose)


# --- embeddings -----------------------------------------------------------------------------------


def _embed(embeddings: _Embeddings) -> Any:
    with embeddings.there() as model:
        return model.embed(QUESTION)


def _embed_multi(embeddings: _Embeddings) -> Any:
    with embeddings.there() as model:
        return list(model.embed_multi([QUESTION]))


# --- ways -----------------------------------------------------------------------------------------

_ABILITIES = frozenset({"cache", "reasoning", "tools"})


def _chats(kind: str, wire: str, model: str = _CHAT, **more: Any) -> Iterator[Way]:
    shared: dict[str, Any] = {
        "format": wire,
        "operation": "chat",
        "model": model,
        "tries": 2,
        "disconnect": _disconnect,
        **more,
    }
    variant = "" if kind == "Chat" else kind.lower()
    plain: dict[str, Any] = {
        **shared,
        "connect": _connect(kind, model),
        "impatient": _connect(kind, model, **_IMPATIENT),
        "variant": variant,
    }
    yield Way(call="prompt", run=_prompt, **plain)
    yield Way(call="prompt", run=_prompt_stream, stream=True, lazy=True, **plain)
    yield Way(call="prompt", run=_read, **{**plain, "variant": f"{variant} text".strip()})
    yield Way(call="conversation.prompt", run=_conversation, **plain)
    yield Way(call="conversation.prompt", run=_conversation_stream, stream=True, lazy=True, **plain)
    yield Way(call="chain", run=_chain, **plain)
    yield Way(call="chain", run=_chain_stream, stream=True, lazy=True, **plain)
    if _EVENTS:
        events = {**plain, "variant": f"{variant} events".strip()}
        yield Way(call="prompt", run=_events_stream, stream=True, lazy=True, **events)
    if not hasattr(openai_models, f"Async{kind}"):
        return
    later: dict[str, Any] = {
        **plain,
        "connect": _connect(f"Async{kind}", model),
        "impatient": _connect(f"Async{kind}", model, **_IMPATIENT),
        "disconnect": _disconnect_async,
        "asynchronous": True,
    }
    yield Way(call="prompt", run=_async_prompt, **later)
    yield Way(call="prompt", run=_async_prompt_stream, stream=True, lazy=True, **later)
    yield Way(call="prompt", run=_async_read, **{**later, "variant": f"{variant} text".strip()})
    yield Way(call="conversation.prompt", run=_async_conversation, **later)
    yield Way(
        call="conversation.prompt",
        run=_async_conversation_stream,
        stream=True,
        lazy=True,
        **later,
    )
    yield Way(call="chain", run=_async_chain, **later)
    yield Way(call="chain", run=_async_chain_stream, stream=True, lazy=True, **later)
    if _EVENTS:
        events = {**later, "variant": f"{variant} events".strip()}
        yield Way(call="prompt", run=_async_events_stream, stream=True, lazy=True, **events)


def _embeddings() -> Iterator[Way]:
    shared: dict[str, Any] = {
        "format": "openai.embeddings",
        "operation": "embeddings",
        "model": _EMBEDDING,
        "connect": lambda provider: _Embeddings(provider.openai_url),
        "disconnect": _disconnect,
        "tries": 2,
    }
    yield Way(call="embed", run=_embed, **shared)
    yield Way(call="embed_multi", run=_embed_multi, **shared)


def _ways() -> Iterator[Way]:
    yield from _chats("Chat", "openai.chat", can=_ABILITIES)
    if _RESPONSES:
        yield from _chats("Responses", "openai.responses", can=_ABILITIES)
    yield from _chats("Completion", "openai.completions", _TEXT)
    yield from _embeddings()


CLIENT = Client(
    name="llm",
    module="llm",
    integrations=(rows.INTEGRATION, openai.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
)
