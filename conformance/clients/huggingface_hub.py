"""Hugging Face's ``InferenceClient``: chat, text generation and feature extraction."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

# The client asks the Hub things of its own, which no test may wait for: nobody listens there.
os.environ.setdefault("HF_ENDPOINT", "http://127.0.0.1:9")

import huggingface_hub
from huggingface_hub import AsyncInferenceClient, InferenceClient

from conformance.pictures import shows
from conformance.running import Connects, generator, paired, whole
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import huggingface_hub as rows
from flowspan.testing import FakeProvider

__all__ = ["CLIENT", "InferenceClient"]

_CHAT_MODEL: Final = "meta-llama/Llama-3.3-70B-Instruct"
_TEXT_MODEL: Final = "mistralai/Mistral-7B-Instruct-v0.3"
_VECTOR_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
_MESSAGES: Final = [{"role": "user", "content": QUESTION}]
_CHAT: Final[dict[str, Any]] = {"model": _CHAT_MODEL, "messages": _MESSAGES}
_TOLD: Final[dict[str, Any]] = {"stream": True, "stream_options": {"include_usage": True}}
_TRIES: Final = 2 if huggingface_hub.__version__.startswith("0.") else 1
"""Before version 1 a model that is being loaded (503) is waited for."""


def _connects(path: str, *, as_model: bool, **options: Any) -> Connects:
    """What makes clients of that path: of a base URL, or of a model that is a URL."""

    def make(client: Callable[..., Any], provider: FakeProvider) -> Any:
        url = f"{provider.url}{path}"
        name = "model" if as_model else "base_url"
        return client(**{name: url}, api_key="hf_test", **options)

    return (
        lambda provider: make(InferenceClient, provider),
        lambda provider: make(AsyncInferenceClient, provider),
    )


def _close(client: Any) -> Any:
    return client.close() if hasattr(client, "close") else None


def _chat_ways() -> Iterator[Way]:
    can: frozenset[Ability] = frozenset({"cache", "reasoning", "tools", "choices"})
    shared: dict[str, Any] = {
        "format": "openai.chat",
        "operation": "chat",
        "model": _CHAT_MODEL,
        "can": can,
        "tries": _TRIES,
        "disconnect": _close,
        "provider": "huggingface",
    }
    connects = _connects("/v1", as_model=False)
    shared["impatient"] = _connects("/v1", as_model=False, timeout=PATIENCE_SECONDS)
    for call in ("chat_completion", "chat.completions.create"):
        seen = shows("openai.chat", _CHAT, partial(whole, call))
        yield from paired(whole(call, _CHAT), connects, call=call, shows=seen, **shared)
        streamed = generator(call, {**_CHAT, **_TOLD})
        yield from paired(streamed, connects, call=call, stream=True, **shared)


def _text_ways() -> Iterator[Way]:
    path = f"/hf-inference/models/{_TEXT_MODEL}"
    connects = _connects(path, as_model=True)
    shared: dict[str, Any] = {
        "impatient": _connects(path, as_model=True, timeout=PATIENCE_SECONDS),
        "call": "text_generation",
        "format": "tgi.generate",
        "operation": "text_completion",
        "model": _TEXT_MODEL,
        "tries": _TRIES,
        "disconnect": _close,
    }
    plain: dict[str, Any] = {"prompt": QUESTION}
    detailed: dict[str, Any] = {**plain, "details": True}
    yield from paired(whole("text_generation", plain), connects, reasoned=False, **shared)
    yield from paired(
        whole("text_generation", detailed), connects, variant="with details", **shared
    )
    yield from paired(
        generator("text_generation", {**plain, "stream": True}),
        connects,
        stream=True,
        reports=False,
        reasoned=False,
        **shared,
    )
    yield from paired(
        generator("text_generation", {**detailed, "stream": True}),
        connects,
        stream=True,
        variant="with details",
        **shared,
    )


def _vector_ways() -> Iterator[Way]:
    path = f"/hf-inference/models/{_VECTOR_MODEL}/pipeline/feature-extraction"
    yield from paired(
        whole("feature_extraction", {"text": QUESTION}),
        _connects(path, as_model=True),
        impatient=_connects(path, as_model=True, timeout=PATIENCE_SECONDS),
        call="feature_extraction",
        format="tgi.embeddings",
        operation="embeddings",
        model=_VECTOR_MODEL,
        tries=_TRIES,
        disconnect=_close,
    )


CLIENT: Final = Client(
    name="huggingface_hub",
    module="huggingface_hub",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=(*_chat_ways(), *_text_ways(), *_vector_ways()),
)
