"""Hugging Face's ``InferenceClient``: chat, text generation and feature extraction.

``chat.completions.create`` is ``chat_completion`` by another name.  Streams are generators over the
lines of a response that the client keeps open, so that the generator's end is the call's.
A model may be a URL; no URL is ever recorded, only the model in its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.methods import Method, row
from flowspan.instrumentation.clients.wire import tgi
from flowspan.instrumentation.clients.wire.chunks import Meaning
from flowspan.instrumentation.clients.wire.openai_chat import usage_request
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import items, read, text, word
from flowspan.instrumentation.clients.wire.shape import Body
from flowspan.instrumentation.integration import Call, Integration, Patch

_ROUTER: Final = Place("router.huggingface.co", 443)
_BEFORE_ROUTER: Final = Place("api-inference.huggingface.co", 443)
_OWN_PROVIDERS: Final = frozenset({"auto", "hf-inference"})
_HOSTS: Final[dict[str, str]] = {
    "cerebras": "api.cerebras.ai",
    "cohere": "api.cohere.com",
    "fireworks-ai": "api.fireworks.ai",
    "groq": "api.groq.com",
    "novita": "api.novita.ai",
    "openai": "api.openai.com",
    "sambanova": "api.sambanova.ai",
    "together": "api.together.xyz",
}
"""Hosts of the providers that are called directly where the key is one of theirs."""


# --- the request ----------------------------------------------------------------------------------


def _url(call: Call) -> str | None:
    """The URL in the place of a model, the client's or the call's."""
    for model in (getattr(call.instance, "model", None), call.kwargs.get("model"), _base(call)):
        if isinstance(model, str) and model.startswith(("http://", "https://")):
            return model
    return None


def _base(call: Call) -> Any:
    return getattr(call.instance, "base_url", None)


def _model(call: Call, members: Body) -> str | None:
    for model in (members.get("model"), getattr(call.instance, "model", None)):
        named = word(model)
        if named is not None and not named.startswith(("http://", "https://")):
            return named
    url = _url(call)
    return None if url is None else tgi.model_in(url)


def _place(call: Call) -> Place:
    if (url := _url(call)) is not None:
        return address(url)
    if not hasattr(call.instance, "provider"):
        return _BEFORE_ROUTER
    provider = word(call.instance.provider) or "auto"
    if provider in _OWN_PROVIDERS or not _has_own_key(call):
        return _ROUTER
    return Place(_HOSTS.get(provider), 443 if provider in _HOSTS else None)


def _has_own_key(call: Call) -> bool:
    """Whether the key is not one of Hugging Face's, so that the provider is called directly."""
    key = getattr(call.instance, "token", None)
    return isinstance(key, str) and not key.startswith("hf_")


def _provider(call: Call) -> str | None:
    """Through the router a provider bears both names, as price lists have it."""
    provider = word(getattr(call.instance, "provider", None))
    if provider is None or provider in _OWN_PROVIDERS or _url(call) is not None:
        return None
    if not _has_own_key(call):
        return f"huggingface_{provider}"
    return None if provider in _HOSTS else provider


# --- chunks ---------------------------------------------------------------------------------------


def _look_at_chat(chunk: Any) -> tuple[str | None, Meaning]:
    if read(chunk, "usage") is not None:
        return None, "last"
    choice = next(iter(items(read(chunk, "choices"))), None)
    delta = read(choice, "delta")
    calls = items(read(delta, "tool_calls"))
    kept = bool(calls) or read(choice, "finish_reason") is not None
    said = text(read(delta, "content")) or text(read(delta, "reasoning"))
    for call in calls:
        said = said or text(read(read(call, "function"), "arguments"))
    return said, "kept" if kept else "text"


def _look_at_text(chunk: Any) -> tuple[str | None, Meaning]:
    if isinstance(chunk, str):
        return chunk, "text"
    if read(chunk, "details") is not None:
        return tgi.token_text(chunk), "last"
    return tgi.token_text(chunk), "text"


def _generated(result: Any) -> Any:
    """The text alone, unless details were asked for."""
    return {"generated_text": result} if isinstance(result, str) else result


def _nothing(_result: Any) -> None:
    """An array of numbers says nothing of the call."""


# --- rows -----------------------------------------------------------------------------------------

_CLIENTS: Final = (
    "huggingface_hub.inference._client:InferenceClient",
    "huggingface_hub.inference._generated._async_client:AsyncInferenceClient",
)


def _methods(owner: str) -> Iterator[Method]:
    shared: dict[str, Any] = {"place": _place, "model": _model, "provider": _provider}
    yield Method(
        targets=(f"{owner}.chat_completion",),
        shape=tgi.CHAT,
        positional=("messages",),
        look=_look_at_chat,
        usage_request=usage_request,
        **shared,
    )
    yield Method(
        targets=(f"{owner}.text_generation",),
        shape=tgi.TEXT,
        positional=("prompt",),
        look=_look_at_text,
        body=_generated,
        told=tgi.generated,
        **shared,
    )
    yield Method(
        targets=(f"{owner}.feature_extraction",),
        shape=tgi.FEATURES,
        positional=("text",),
        body=_nothing,
        told=tgi.embedded,
        **shared,
    )


def _rows() -> Iterator[Patch]:
    for owner in _CLIENTS:
        for method in _methods(owner):
            yield row(method)


INTEGRATION: Final = Integration("huggingface_hub", "huggingface_hub>=0.26", tuple(_rows()))
