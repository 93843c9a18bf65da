"""urllib3, by itself and below requests and botocore.

A pool calls its own ``urlopen`` again for a retry or a redirect, and a manager that of its pools:
the outermost one owns the call, the inner ones are its attempts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.plain.library import (
    POST,
    Library,
    Reader,
    may_be,
    place_and_path,
    sent,
)
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call

_RETRIES: Final = 4
"""Where ``retries`` stands among the arguments by which a pool calls itself again."""


def _glance(_pool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    method = args[0] if args else kwargs.get("method")
    if method != POST and str(method).upper() != POST:
        return False
    url = args[1] if len(args) > 1 else kwargs.get("url")
    return isinstance(url, str) and may_be(url)


def _request(call: Call) -> Request:
    # A pool gets the path alone, or the whole URL where it is that of a proxy.
    place, path = place_and_path(call.argument("url", 1))
    if place.host is None:
        place = _place(call.instance)
    body = call.argument("body", 2)
    headers = call.argument("headers", 3) or getattr(call.instance, "headers", None) or {}
    return Request(place, path, sent(body), headers)


def _place(pool: Any) -> Place:
    host = getattr(pool, "host", None)
    return Place(host, count(getattr(pool, "port", None))) if isinstance(host, str) else Place()


def _body(response: Any) -> Any:
    # None until the body is read and kept; with preload_content it is before anybody has it.
    return getattr(response, "_body", None)


def _earlier(call: Call) -> str | None:
    """How the attempt before this one failed, as the ``Retry`` of a repeated call tells."""
    history = getattr(call.argument("retries", _RETRIES), "history", None)
    if not isinstance(history, tuple) or not history:
        return None
    last = history[-1]
    if getattr(last, "redirect_location", None) is not None:
        return None
    error = getattr(last, "error", None)
    return type(error).__qualname__ if error is not None else str(getattr(last, "status", ""))


LIBRARY: Final = Library(
    name="urllib3",
    requires="urllib3>=1.26",
    targets=dict.fromkeys(
        (
            "urllib3.poolmanager:PoolManager.urlopen",
            "urllib3.connectionpool:HTTPConnectionPool.urlopen",
        ),
        Reader(_glance, _request),
    ),
    body=_body,
    earlier=_earlier,
)
