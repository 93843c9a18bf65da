"""``http.client``, on which ``urllib.request`` sits.

A request is sent by one method and its response is had from another: the call begins where the
head is sent with its body (``endheaders``, which ``request`` calls), or with the body alone behind
it (``send``), and is observed at the connection until ``getresponse`` gives the response.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.plain.library import (
    POST,
    Library,
    Reader,
    answers,
    may_be,
    place_and_path,
    sent,
    told,
)
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call, Patch

_POST_LINE: Final = b"POST "

_heads: Final[weakref.WeakKeyDictionary[Any, Request]] = weakref.WeakKeyDictionary()
"""By connection: a request whose head was sent and whose body is still to come."""


def _is_post(connection: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    return getattr(connection, "_method", None) == POST


def _has_head(connection: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    return bool(_heads) and connection in _heads


def _with_head(call: Call) -> Request | None:
    connection = call.instance
    head = _head(connection)
    if head is None:
        return None
    body = call.argument("message_body", 0)
    if body is None:
        _heads[connection] = head
        return None
    return head._replace(body=sent(body))


def _with_body(call: Call) -> Request | None:
    """The body in one piece is a request; of one in several pieces the first is not."""
    body = sent(call.argument("data", 0))
    if body is not None and body.startswith(_POST_LINE):  # the head itself is sent this way
        return None
    head = _heads.pop(call.instance)
    if body is None:
        return None
    length = next((v for name, v in head.headers.items() if name == "content-length"), None)
    return head._replace(body=body) if length == str(len(body)) else None


def _head(connection: Any) -> Request | None:
    """The head that stands in a connection's buffer until it is sent."""
    lines = getattr(connection, "_buffer", None) or [b""]
    words = bytes(lines[0]).decode("latin-1").split(" ")
    url = words[1] if len(words) > 1 else ""
    if not may_be(url):
        return None
    headers = {}
    for line in lines[1:]:
        name, _, value = bytes(line).decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    place, path = place_and_path(url)  # a proxy gets the whole URL
    if place.host is None:
        place = _place(connection)
    return Request(place, path, None, headers)


def _place(connection: Any) -> Place:
    host = getattr(connection, "_tunnel_host", None) or getattr(connection, "host", None)
    port = getattr(connection, "_tunnel_port", None) or getattr(connection, "port", None)
    return Place(host, count(port)) if isinstance(host, str) else Place()


def _connection(call: Call, _result: Any) -> Any:
    return call.instance


def _response(call: Call, response: Any) -> Any:
    if call.frame is not None:
        call.frame.describe(told(response))
    return response if answers(response) else None


LIBRARY: Final = Library(
    name="http.client",
    requires="",
    targets={
        "http.client:HTTPConnection.endheaders": Reader(_is_post, _with_head),
        "http.client:HTTPConnection.send": Reader(_has_head, _with_body),
    },
    body=lambda _response: None,
    observed=_connection,
    attempts=False,
    more=(
        Patch(target="http.client:HTTPConnection.getresponse", role="hand", lazy=_response),
        Patch(target="http.client:HTTPConnection.close", role="close"),
    ),
)
