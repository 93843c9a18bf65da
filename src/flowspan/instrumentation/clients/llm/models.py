"""What a model of a plugin is: its name, whose it is, and where it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address_in
from flowspan.instrumentation.clients.wire.providers import provider_of
from flowspan.instrumentation.clients.wire.reading import word
from flowspan.instrumentation.integration import AttributeValue

_PROVIDERS: Final[dict[str, str]] = {
    "llm": "openai",  # the models that it brings along
    "llm_claude": "anthropic",
    "llm_claude_3": "anthropic",
    "llm_gemini": "gcp.gemini",
    "llm_palm": "gcp.gemini",
    "llm_vertex": "gcp.vertex_ai",
    "llm_mistral": "mistral_ai",
    "llm_command_r": "cohere",
    "llm_grok": "x_ai",
    "llm_xai": "x_ai",
    "llm_azure": "azure.ai.openai",
    "llm_bedrock": "aws.bedrock",
    "llm_bedrock_anthropic": "aws.bedrock",
    "llm_bedrock_meta": "aws.bedrock",
    "llm_github_models": "github-models",
    "llm_github_copilot": "github-copilot",
}
"""Providers by package, where the rest of a plugin's name is not the provider's own."""

_PREFIX: Final = "llm_"
_OTHER: Final = "llm"
_MODEL_IDS: Final = "_model_id"


def name_of(model: Any) -> str | None:
    """The name by which the provider knows the model, else the one by which ``llm`` does.

    Plugins put their own name before it (``gemini/gemini-2.0-flash``) and keep the provider's in
    ``model_name`` or, say, ``gemini_model_id``.
    """
    if found := word(getattr(model, "model_name", None)):
        return found
    for name, value in vars(model).items():
        if name.endswith(_MODEL_IDS) and (found := word(value)):
            return found
    return word(getattr(model, "model_id", None))


def attributes_of(model: Any) -> dict[str, AttributeValue | None]:
    """Provider, and address where the model says it."""
    place = address_in(word(getattr(model, "api_base", None)) or "")
    return {
        semconv.PROVIDER_NAME: provider_of(place, _provider(type(model).__module__)),
        semconv.SERVER_ADDRESS: place.host,
        semconv.SERVER_PORT: place.port,
        semconv.TRANSPORT: "sdk",
    }


@lru_cache(maxsize=256)
def _provider(module: str) -> str:
    package = module.partition(".")[0]
    if (found := _PROVIDERS.get(package)) is not None:
        return found
    return package.removeprefix(_PREFIX) if package.startswith(_PREFIX) else _OTHER
