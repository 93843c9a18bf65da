"""OpenAI's models at Azure: which clients talk to it, and which deployment they ask.

There the path names the deployment that answers, and the model in the body is not looked at.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.clients.wire.providers import Place, listed
from flowspan.instrumentation.clients.wire.reading import text

PROVIDER: Final = "azure.ai.openai"

_DEPLOYMENTS: Final = "/deployments/"
_OF_AZURE: Final = "_api_version"
"""What clients for Azure have, and no other ones."""

_known: Final[dict[int, tuple[Any, str | None]]] = {}
"""Deployment by base URL; the URL object is kept so that its id stays its own."""
_MOST_KNOWN: Final = 256


def is_azure(client: Any, place: Place) -> bool:
    """Whether a client is one for Azure, at an address that is nobody else's."""
    if not hasattr(client, _OF_AZURE):
        return False
    return listed(place.host or "", place.port) is None


def deployment(client: Any) -> str | None:
    """The deployment that a client's address names; cheap, as a client keeps its URL object."""
    url = getattr(client, "base_url", None)
    known = _known.get(id(url))
    if known is not None and known[0] is url:
        return known[1]
    found = _deployment_in(client, url)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(url)] = (url, found)
    return found


def _deployment_in(client: Any, url: Any) -> str | None:
    named = (text(getattr(url, "path", None)) or "").partition(_DEPLOYMENTS)[2].partition("/")[0]
    host = text(getattr(url, "host", None)) or ""
    at_azure = hasattr(client, _OF_AZURE) or listed(host) == PROVIDER
    return named or None if at_azure else None
