"""Whose model a call asks for, under which name, and where: as litellm tells it by name.

litellm itself resolves a provider by asking settings, secrets and lists; only its table of models
is looked into here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address_in
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import read, word
from flowspan.instrumentation.integration import AttributeValue, Call

_PROVIDERS: Final[dict[str, str]] = {
    "ai21_chat": "ai21",
    "aiohttp_openai": "openai",
    "anthropic_text": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "custom_openai": "openai",
    "dashscope": "alibaba",
    "fireworks_ai": "fireworks",
    "gemini": "gcp.gemini",
    "github": "github-models",
    "github_copilot": "github-copilot",
    "hosted_vllm": "vllm",
    "mistral": "mistral_ai",
    "moonshot": "moonshotai",
    "nvidia_nim": "nvidia",
    "ollama_chat": "ollama",
    "sagemaker": "aws.sagemaker",
    "sagemaker_chat": "aws.sagemaker",
    "text-completion-codestral": "mistral_ai",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""``gen_ai.provider.name`` where litellm has another word for it."""

_FAMILIES: Final = (("vertex_ai-", "gcp.vertex_ai"), ("vertex_ai_", "gcp.vertex_ai"))
_MOCKS: Final = ("mock_response", "mock_tool_calls", "mock_timeout")


def provider_name(known_as: str) -> str:
    """``gen_ai.provider.name`` of what litellm calls a provider."""
    for prefix, provider in _FAMILIES:
        if known_as.startswith(prefix):
            return provider
    return _PROVIDERS.get(known_as, known_as)


def model_name(arguments: Mapping[str, Any]) -> str | None:
    """The model as its provider calls it: without the provider's name before it."""
    model = word(arguments.get("model"))
    provider = _known_as(arguments)
    return model if model is None or provider is None else model.removeprefix(f"{provider}/")


def place(arguments: Mapping[str, Any]) -> Place:
    """Where the call says that it goes, which it seldom does."""
    address = word(arguments.get("api_base")) or word(arguments.get("base_url"))
    return Place() if address is None else address_in(address)


def attributes(arguments: Mapping[str, Any]) -> dict[str, AttributeValue | None]:
    """Provider, prompt, and whether an answer is made up instead of asked for."""
    provider = _known_as(arguments)
    mocked = any(arguments.get(name) is not None for name in _MOCKS)
    return {
        semconv.PROVIDER_NAME: "litellm" if provider is None else provider_name(provider),
        semconv.PROMPT_NAME: word(arguments.get("prompt_id")),
        semconv.PROMPT_VERSION: _version(arguments.get("prompt_version")),
        semconv.REPLAYED: True if mocked else None,
        semconv.TRANSPORT: "sdk",
    }


def is_one_call(call: Call) -> bool:
    """False where each of several models is to be tried, by further calls of the same function."""
    fallbacks = call.kwargs.get("fallbacks")
    return not (fallbacks or getattr(_litellm(), "model_fallbacks", None))


def is_mocked(call: Call) -> bool:
    """Whether litellm was told to make the answer up."""
    return any(call.kwargs.get(name) is not None for name in _MOCKS)


def _litellm() -> Any:
    return sys.modules.get("litellm")


def _version(value: Any) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _known_as(arguments: Mapping[str, Any]) -> str | None:
    told = word(arguments.get("custom_llm_provider"))
    model = word(arguments.get("model"))
    return told if told is not None or model is None else _provider(model)


@lru_cache(maxsize=1024)
def _provider(model: str) -> str | None:
    """The provider before a model's name, or the one that litellm's table has for it."""
    litellm = _litellm()
    before, slash, _ = model.partition("/")
    if slash and _is_provider(litellm, before):
        return before
    table = vars(litellm).get("model_cost") if litellm is not None else None
    return word(read(table.get(model), "litellm_provider")) if isinstance(table, Mapping) else None


def _is_provider(litellm: Any, name: str) -> bool:
    known = vars(litellm).get("provider_list") if litellm is not None else None
    return known is None or any(str(getattr(each, "value", each)) == name for each in known)
