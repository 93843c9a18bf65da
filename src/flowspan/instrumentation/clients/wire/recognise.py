"""Tells model calls from other HTTP requests: by path, then by host and the shape of the body.

Most requests are told apart by their method and the end of their path, which costs well under a
microsecond.  Only a path that a known format uses leads to the body: it is parsed, once, if it is
there as bytes and not too long.  A body that is a stream is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.wire import (
    cohere,
    gemini,
    gemini_embeddings,
    gemini_interactions,
    mistral,
    ollama,
)
from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES, VERTEX
from flowspan.instrumentation.clients.wire.bedrock_converse import CONVERSE
from flowspan.instrumentation.clients.wire.bedrock_invoke import INVOKED
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.providers import Place, listed
from flowspan.instrumentation.clients.wire.shape import Shape

_MOST_BODY: Final = 20_000_000
"""Bytes of a request body beyond which it is not looked into."""

SHAPES: Final[tuple[Shape, ...]] = (
    *(CHAT, RESPONSES, EMBEDDINGS, MESSAGES, TEXT),
    *(ollama.CHAT, ollama.GENERATE, ollama.EMBED, ollama.EMBEDDINGS),
    *(gemini.GENERATE, gemini_embeddings.EMBEDDINGS, gemini_embeddings.PREDICTIONS),
    gemini_interactions.INTERACTIONS,
    *(VERTEX, CONVERSE, *INVOKED),
    *(cohere.CHAT, cohere.EMBED, cohere.CHAT_V1, cohere.GENERATE),
    *(mistral.CHAT, mistral.AGENTS, mistral.FIM, mistral.EMBEDDINGS),
)
"""The formats, in the order in which a body is tried where only its shape can tell."""

ANY_HOST: Final = "*"
"""Among the configured hosts: every host."""

_BY_PATH: Final[tuple[tuple[str, Shape], ...]] = tuple(
    sorted(
        ((path, shape) for shape in SHAPES for path in shape.paths), key=lambda row: -len(row[0])
    )
)
_ENDINGS: Final = tuple(path for path, _ in _BY_PATH)
_LETTERS: Final = 4
_LAST_LETTERS: Final = frozenset(path[-_LETTERS:] for path in _ENDINGS)
_AZURE_DEPLOYMENT: Final = "/deployments/"


class Request(NamedTuple):
    """What is asked of an HTTP request, whichever library sends it.

    Attributes:
        place: Where it goes.
        path: Path without query.
        body: Its body, if that is there as bytes or as what will be written as JSON.
        headers: Names, in any case, and values; no value is ever recorded.
    """

    place: Place
    path: str
    body: bytes | Mapping[str, Any] | None
    headers: Mapping[str, str]


class Sighting(NamedTuple):
    """A request that is a model call.

    Attributes:
        shape: Its format.
        place: Where it goes.
        body: Its parsed body.
        model: The model that it asks for; empty where another name stands for it.
        stream: Whether it asks for a stream.
    """

    shape: Shape
    place: Place
    body: Mapping[str, Any]
    model: str
    stream: bool = False


_more_hosts: frozenset[str] = frozenset()


def configure(hosts: tuple[str, ...] = ()) -> None:
    """Take further hosts as those of model providers; without arguments, none.

    Requests to such a host (``gateway.example.com``, or with its port, or ``*`` for every host) are
    model calls when their body is one of a known format, whatever their path.
    """
    global _more_hosts  # noqa: PLW0603 - a setting of the process, as the environment that it comes from
    _more_hosts = frozenset(host.lower() for host in hosts)


def may_be_model_call(path: str) -> bool:
    """False for nearly all requests, from their path alone."""
    return path[-_LETTERS:] in _LAST_LETTERS or bool(_more_hosts)


def recognise(request: Request) -> Sighting | None:
    """The model call that a POST request makes, or ``None``."""
    host, written = request.place.host, request.body
    if host is None or written is None or len(written) > _MOST_BODY:
        return None
    shapes = _of_path(request.path)
    if not shapes:
        if not _is_configured(request.place):
            return None
        shapes = SHAPES
    body = _loaded(written) if isinstance(written, bytes) else written
    if body is None:
        return None
    if _AZURE_DEPLOYMENT in request.path and "model" not in body:
        deployment = request.path.partition(_AZURE_DEPLOYMENT)[2].partition("/")[0]
        body = {**body, "model": deployment}
    for shape in _likely_first(shapes, request):
        model = shape.model(request.path, body)
        if model is not None and shape.matches(body) and _is_trusted(shape, request):
            return Sighting(shape, request.place, body, model, shape.streams(request.path, body))
    return None


def _of_path(path: str) -> Sequence[Shape]:
    """The formats whose paths end so, the longest ending first."""
    return [shape for ending, shape in _BY_PATH if path.endswith(ending)]


def _is_configured(place: Place) -> bool:
    if not _more_hosts:
        return False
    host = (place.host or "").lower()
    return not _more_hosts.isdisjoint((host, f"{host}:{place.port}", ANY_HOST))


def _loaded(body: bytes) -> Mapping[str, Any] | None:
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _likely_first(shapes: Sequence[Shape], request: Request) -> Iterable[Shape]:
    """Of formats that share a path: the one whose header is there, or whose own host it is."""
    if len(shapes) == 1:
        return shapes
    provider = listed(request.place.host or "", request.place.port)
    return sorted(
        shapes, key=lambda shape: (not _has_header(shape, request), shape.provider != provider)
    )


def _is_trusted(shape: Shape, request: Request) -> bool:
    """Where path and body could be anybody's, host, port or a header must tell as well."""
    place = request.place
    return (
        shape.own
        or _is_configured(place)
        or (shape.port != 0 and shape.port == place.port)
        or listed(place.host or "", place.port) is not None
        or _has_header(shape, request)
    )


def _has_header(shape: Shape, request: Request) -> bool:
    return bool(shape.header) and any(name.lower() == shape.header for name in request.headers)
