"""What providers, models, servers and service tiers are called, here and there."""

from __future__ import annotations

from typing import Final

_PROVIDERS: Final[dict[str, str]] = {
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure-openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "deepseek_ai": "deepseek",
    "fireworks-ai": "fireworks",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "novita_ai": "novita",
    "perplexity_ai": "perplexity",
    "togetherai": "together",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "z.ai": "zai",
    "z_ai": "zai",
}
"""Names of the GenAI conventions and of client libraries that genai-prices does not know, or takes
for another provider: whatever has "openai" in it is OpenAI there, ``azure.ai.openai`` too."""

_STANDARD_TIERS: Final = frozenset(
    {"auto", "default", "on_demand", "standard", "standard_only", "unspecified"}
)
"""What providers call the tier that their price lists are about."""

_TIERS: Final[dict[str, str]] = {
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
"""Other spellings (Vertex AI's) of ``flex`` and ``priority``."""


def provider_id(name: str) -> str:
    """A provider's name, as price tables have it."""
    name = name.strip().lower()
    return _PROVIDERS.get(name, name)


def tier_id(word: str | None) -> str | None:
    """A service tier in one spelling; ``None`` is the standard one."""
    word = (word or "").strip().lower()
    return None if not word or word in _STANDARD_TIERS else _TIERS.get(word, word)


def bare_model(model: str) -> str:
    """A model's name without the resource path that Google and others put before it."""
    return model.rpartition("models/")[2]


def url(address: str) -> str:
    """A server's address, host or URL, in the form of providers' URLs."""
    address = address.strip().lower()
    return "https://" + (address.partition("://")[2] or address)


def host(address: str) -> str:
    """The host in a server's address, be it a host, with a port or not, or a URL."""
    authority = url(address)[len("https://") :].partition("/")[0].rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0] if authority.count(":") == 1 else authority
