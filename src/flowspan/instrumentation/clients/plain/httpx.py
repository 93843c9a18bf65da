"""httpx, and httpx2 which descends from it."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.clients.plain.library import POST, Library
from flowspan.instrumentation.clients.wire import recognise
from flowspan.instrumentation.clients.wire.providers import place_of
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call


def _request(call: Call) -> Request | None:
    request = call.argument("request", 0)
    if getattr(request, "method", None) != POST:
        return None
    url = request.url
    path = url.path
    if not recognise.may_be_model_call(path):
        return None
    # A body that is a stream has no such attribute, and asking for ``content`` would raise.
    body = getattr(request, "_content", None)
    return Request(place_of(url), path, body if isinstance(body, bytes) else None, request.headers)


def _body(response: Any) -> Any:
    # There is no such attribute until the body is read.
    return getattr(response, "_content", None)


HTTPX: Final = Library(
    name="httpx",
    requires="httpx>=0.25",
    targets=dict.fromkeys(("httpx:Client.send", "httpx:AsyncClient.send"), _request),
    body=_body,
)
HTTPX2: Final = HTTPX._replace(
    name="httpx2",
    requires="httpx2>=2",
    targets=dict.fromkeys(("httpx2:Client.send", "httpx2:AsyncClient.send"), _request),
)
