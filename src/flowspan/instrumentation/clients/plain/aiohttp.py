"""aiohttp."""

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
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call, Observed


def _glance(_session: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    method = args[0] if args else kwargs.get("method")
    if method != POST and str(method).upper() != POST:
        return False
    return may_be(str(args[1] if len(args) > 1 else kwargs.get("str_or_url")))


def _request(call: Call) -> Request:
    url = str(call.argument("str_or_url", 1))
    base = getattr(call.instance, "_base_url", None)
    place, path = place_and_path(url, "" if base is None else str(base))
    headers = call.kwargs.get("headers") or {}
    if not isinstance(headers, Mapping):
        headers = dict(headers)
    return Request(place, path, _sent(call), headers)


def _sent(call: Call) -> bytes | Mapping[str, Any] | None:
    data, json = call.kwargs.get("data"), call.kwargs.get("json")
    if isinstance(json, Mapping):
        return json
    # A payload of bytes, such as JsonPayload, has them in an attribute.
    return sent(getattr(data, "_value", data))


def _body(response: Any) -> Any:
    # None until the body is read.
    return getattr(response, "_body", None)


def _observed(_call: Call, response: Any) -> Any:
    """The response; all reading goes through its ``content``, the stream."""
    content = getattr(response, "content", None)
    at_end = getattr(content, "at_eof", None)
    if content is None or (at_end is not None and at_end()):
        return None
    return Observed(response, members=("content",))


LIBRARY: Final = Library(
    name="aiohttp",
    requires="aiohttp>=3.9",
    targets={"aiohttp.client:ClientSession._request": Reader(_glance, _request)},
    body=_body,
    observed=_observed,
)
