"""httpx, and httpx2 which descends from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.plain.library import POST, Library, Reader, sent
from flowspan.instrumentation.clients.wire import recognise
from flowspan.instrumentation.clients.wire.providers import place_of
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call


def _glance(_client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    request: Any = args[0] if args else kwargs.get("request")
    return getattr(request, "method", None) == POST and recognise.may_be_model_call(
        request.url.path
    )


def _request(call: Call) -> Request:
    request = call.argument("request", 0)
    url = request.url
    # A body that is a stream has no such attribute, and asking for ``content`` would raise.
    body = sent(getattr(request, "_content", None))
    return Request(place_of(url), url.path, body, request.headers)


def _body(response: Any) -> Any:
    # There is no such attribute until the body is read.
    return getattr(response, "_content", None)


HTTPX: Final = Library(
    name="httpx",
    requires="httpx>=0.25",
    targets=dict.fromkeys(
        ("httpx:Client.send", "httpx:AsyncClient.send"), Reader(_glance, _request)
    ),
    body=_body,
)
HTTPX2: Final = HTTPX._replace(
    name="httpx2",
    requires="httpx2>=2",
    targets=dict.fromkeys(
        ("httpx2:Client.send", "httpx2:AsyncClient.send"), Reader(_glance, _request)
    ),
)
