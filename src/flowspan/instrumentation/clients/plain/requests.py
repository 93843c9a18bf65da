"""requests."""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.clients.plain.library import POST, Library, request_of
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Call, Observed


def _request(call: Call) -> Request | None:
    request = call.argument("request", 0)
    if getattr(request, "method", None) != POST or not isinstance(request.url, str):
        return None
    return request_of(request.url, request.body, request.headers)


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
    targets={"requests:Session.send": _request},
    body=_body,
    observed=_observed,
)
