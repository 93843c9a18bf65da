"""Whose API an address belongs to: ``gen_ai.provider.name`` from a host name.

The names are those of the conventions where they have one, else the provider's own short name (the
same that price lists use).  An address that is not in the table speaks a provider's format without
being known to be anybody's: a proxy, an own server.  The conventions take ``gen_ai.provider.name``
for the flavour of the telemetry and leave the rest to ``server.address``; so such a call bears the
name of the format (``openai``, ``anthropic``), whose model names it most likely uses as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

PROVIDERS: Final[dict[str, str]] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.eu.mistral.ai": "mistral_ai",
    "api.us.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "ollama.com": "ollama",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "aiplatform.us.rep.googleapis.com": "gcp.vertex_ai",
    "aiplatform.eu.rep.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "api.aws": "aws.bedrock",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.novita.ai": "novita",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.minimax.io": "minimax",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "api.githubcopilot.com": "github-copilot",
    "models.github.ai": "github-models",
    "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "inference.baseten.co": "baseten",
    "api.sambanova.ai": "sambanova",
    "integrate.api.nvidia.com": "nvidia",
    "dashscope.aliyuncs.com": "alibaba",
    "dashscope-intl.aliyuncs.com": "alibaba",
}
"""Providers by host, or by the domain that their hosts end in."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0"})  # noqa: S104
_REGIONAL: Final = "-aiplatform."
_LOCAL_PORTS: Final = {11434: "ollama"}
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class Place(NamedTuple):
    """Where a call goes.

    Attributes:
        host: Host name or address, without port, user or path.
        port: Its port, the scheme's own one if the address named none.
    """

    host: str | None = None
    port: int | None = None


@lru_cache(maxsize=1024)
def listed(host: str, port: int | None = None) -> str | None:
    """The provider that ``host`` is known to belong to, or ``None``."""
    host = host.lower().rstrip(".")
    # Vertex puts the region before its name: europe-west1-aiplatform.googleapis.com.
    domain = "aiplatform." + host.partition(_REGIONAL)[2] if _REGIONAL in host else host
    while domain:
        if (provider := PROVIDERS.get(domain)) is not None:
            return provider
        domain = domain.partition(".")[2]
    return _LOCAL_PORTS.get(port or 0) if host in _LOOPBACK else None


def provider_of(place: Place, wire_format: str) -> str:
    """``gen_ai.provider.name`` of a call that speaks ``wire_format`` to ``place``."""
    return listed(place.host or "", place.port) or wire_format


def place_of(url: Any) -> Place:
    """Host and port of a URL object of httpx, httpx2 or ``urllib.parse.urlsplit``."""
    host = getattr(url, "host", None) or getattr(url, "hostname", None)
    if not isinstance(host, str) or not host:
        return Place()
    try:
        port = getattr(url, "port", None)
    except ValueError:  # a number that is no port
        port = None
    scheme = getattr(url, "scheme", None)
    return Place(host, port or _DEFAULT_PORTS.get(str(scheme)))
