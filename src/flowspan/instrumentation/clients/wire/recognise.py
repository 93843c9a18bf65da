"""Tells model calls from other HTTP requests: by path, then by host and the shape of the body.

Most requests are told apart by their method and the end of their path, which costs well under a
microsecond.  Only a path that a known format uses leads to the body: it is parsed, once, if it is
there as bytes and not too long.  A body that is a stream is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.providers import Place, listed
from flowspan.instrumentation.clients.wire.shape import Shape

_MOST_BODY: Final = 20_000_000
"""Bytes of a request body beyond which it is not looked into."""

SHAPES: Final[tuple[Shape, ...]] = (CHAT, RESPONSES, EMBEDDINGS, MESSAGES, TEXT)
"""The formats, in the order in which a body is tried where only its shape can tell."""

_BY_PATH: Final[tuple[tuple[str, Shape], ...]] = tuple(
    (path, shape) for shape in SHAPES for path in shape.paths
)
_ENDINGS: Final = tuple(path for path, _ in _BY_PATH)
_AZURE_DEPLOYMENT: Final = "/deployments/"


class Request(NamedTuple):
    """What is asked of an HTTP request, whichever library sends it.

    Attributes:
        place: Where it goes.
        path: Path without query.
        body: Its body, if that is there as bytes.
        headers: Names, in any case, and values; no value is ever recorded.
    """

    place: Place
    path: str
    body: bytes | None
    headers: Mapping[str, str]


class Sighting(NamedTuple):
    """A request that is a model call.

    Attributes:
        shape: Its format.
        place: Where it goes.
        body: Its parsed body.
        model: The model that it asks for.
    """

    shape: Shape
    place: Place
    body: Mapping[str, Any]
    model: str | None


_more_hosts: frozenset[str] = frozenset()


def configure(hosts: tuple[str, ...] = ()) -> None:
    """Take further hosts as those of model providers; without arguments, none.

    Requests to such a host (``gateway.example.com``, or with its port) are model calls when their
    body is one of a known format, whatever their path.
    """
    global _more_hosts  # noqa: PLW0603 - a setting of the process, as the environment that it comes from
    _more_hosts = frozenset(host.lower() for host in hosts)


def may_be_model_call(path: str) -> bool:
    """False for nearly all requests, from their path alone."""
    return path.endswith(_ENDINGS) or bool(_more_hosts)


def recognise(request: Request) -> Sighting | None:
    """The model call that a POST request makes, or ``None``."""
    host = request.place.host
    if host is None or request.body is None or len(request.body) > _MOST_BODY:
        return None
    shapes = [shape for path, shape in _BY_PATH if request.path.endswith(path)][:1]
    if not shapes and not _is_configured(request.place):
        return None
    body = _loaded(request.body)
    if body is None:
        return None
    for shape in shapes or SHAPES:
        if (model := _model(shape, request, body)) is not None:
            return Sighting(shape, request.place, body, model)
    return None


def _is_configured(place: Place) -> bool:
    host = (place.host or "").lower()
    return host in _more_hosts or f"{host}:{place.port}" in _more_hosts


def _loaded(body: bytes) -> dict[str, Any] | None:
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _model(shape: Shape, request: Request, body: dict[str, Any]) -> str | None:
    """The model of a body that has the format's shape; Azure has it in the path."""
    if _AZURE_DEPLOYMENT in request.path and "model" not in body:
        deployment = request.path.partition(_AZURE_DEPLOYMENT)[2].partition("/")[0]
        body = {**body, "model": deployment}
    if not shape.matches(body) or not _is_trusted(shape, request):
        return None
    return str(body["model"])


def _is_trusted(shape: Shape, request: Request) -> bool:
    """An Anthropic message to an unknown host must also bear the API's version.

    Its body is plain enough to be somebody else's chat message.
    """
    if shape is not MESSAGES or _is_configured(request.place):
        return True
    if listed(request.place.host or "", request.place.port) is not None:
        return True
    return any(name.lower() == "anthropic-version" for name in request.headers)
