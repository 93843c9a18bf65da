"""What litellm returns: its own objects in the forms of OpenAI's, and what it notes on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.litellm import deployments
from flowspan.instrumentation.clients.wire.reading import count, number, read, word
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.integration import Attributes, AttributeValue, Call

_CACHED: Final = "litellm.cached"
"""Where a call's frame notes that its stream comes from litellm's cache."""

_FROM_CACHE: Final = "cached_response"
_REQUEST_IDS: Final = ("llm_provider-x-request-id", "llm_provider-request-id", "x-request-id")


def answer(result: Any) -> Answer:
    """The answer: what a stream added up to, or a typed object."""
    return result if isinstance(result, Answer) else Answer(result)


def observed(call: Call, result: Any) -> Any:
    """A stream; whatever else was asked for is here already."""
    kind = type(result)
    if not (hasattr(kind, "__next__") or hasattr(kind, "__anext__")):
        return None
    if _is_cached_stream(result) and call.frame is not None:
        call.frame.notes[_CACHED] = True
        call.frame.describe({semconv.CACHE_HIT: True})
    return result


def _is_cached_stream(result: Any) -> bool:
    if type(result).__name__.startswith("Cached"):
        return True
    return getattr(result, "custom_llm_provider", None) == _FROM_CACHE


def is_free(call: Call, result: Any) -> bool:
    """Whether the answer came from no provider: it was made up, or is in litellm's cache."""
    if call.frame is not None and call.frame.notes.get(_CACHED):
        return True
    return deployments.is_mocked(call) or _hidden(result, "cache_hit") is True


def attributes(call: Call, result: Any) -> Attributes:
    """Provider, litellm's own price and the cache, as litellm notes them on what it returns."""
    found: dict[str, AttributeValue | None] = {}
    provider = word(_hidden(result, "custom_llm_provider"))
    if provider is not None and provider != _FROM_CACHE:
        found[semconv.PROVIDER_NAME] = deployments.provider_name(provider)
    if is_free(call, result):
        found[semconv.CACHE_HIT] = None if deployments.is_mocked(call) else True
        return found
    found[semconv.COST_REPORTED_USD] = number(_hidden(result, "response_cost"))
    headers = _hidden(result, "additional_headers")
    identities = (word(read(headers, name)) for name in _REQUEST_IDS)
    found[semconv.PROVIDER_REQUEST_ID] = next(filter(None, identities), None)
    return found


def _hidden(result: Any, name: str) -> Any:
    known = getattr(result, "_hidden_params", None)
    return known.get(name) if isinstance(known, Mapping) else getattr(known, name, None)


def failure(_call: Call, error: BaseException) -> Attributes:
    """Provider and status of one of litellm's exceptions."""
    provider = word(getattr(error, "llm_provider", None))
    return {
        semconv.PROVIDER_NAME: None if provider is None else deployments.provider_name(provider),
        semconv.HTTP_STATUS_CODE: count(getattr(error, "status_code", None)),
    }
