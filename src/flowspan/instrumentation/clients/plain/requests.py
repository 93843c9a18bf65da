"""requests."""

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
    request: Any = args[0] if args else kwargs.get("request")
    return getattr(request, "method", None) == POST and may_be(request.url)


def _request(call: Call) -> Request:
    request = call.argument("request", 0)
    place, path = place_and_path(request.url)
    return Request(place, path, sent(request.body), request.headers)


def _body(response: Any) -> Any:
    # False until the body is read.
    return getattr(response, "_content", False) or None


def _observed(_call: Call, response: Any) -> Any:
    """The response of urllib3 inside, which programs may keep alone (``response.raw``)."""
    raw = getattr(response, "raw", None)
    is_urllib3 = type(raw).__module__.startswith("urllib3.")
    return Observed(raw, others=(response,)) if is_urllib3 else response


LIBRARY: Final = Library(
    name="requests",
    requires="requests>=2.28",
    targets={"requests:Session.send": Reader(_glance, _request)},
    body=_body,
    observed=_observed,
)
