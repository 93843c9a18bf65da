"""What the SDKs that Stainless generates have in common: addresses, raw responses, failures.

OpenAI's and Anthropic's SDKs are of one make.  A header tells their methods to return the HTTP
response itself; streams and such responses are read lazily, and everything that reads them reads
the response of httpx or httpx2 at the bottom, which therefore is what is observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.http import LATEST_RESPONSE
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.providers import Place, place_of
from flowspan.instrumentation.clients.wire.reading import count, parsed, word
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.integration import Attributes, Call

RAW: Final = "X-Stainless-Raw-Response"
"""The header by which an SDK tells its own methods to return the response itself."""

_OK: Final = 200
_PLACES: Final[dict[int, tuple[Any, Place]]] = {}
"""Host and port by base URL; the URL object is kept so that its id stays its own."""
_MOST_PLACES: Final = 256


def place(client: Any) -> Place:
    """Where a client's calls go; cheap, as a client keeps its URL object."""
    url = getattr(client, "base_url", None)
    known = _PLACES.get(id(url))
    if known is not None and known[0] is url:
        return known[1]
    found = place_of(url)
    if len(_PLACES) >= _MOST_PLACES:
        _PLACES.clear()
    _PLACES[id(url)] = (url, found)
    return found


def returns_raw(headers: Any) -> bool:
    """Whether the headers of a request ask for the response itself."""
    return isinstance(headers, Mapping) and RAW in headers


def observed(result: Any, *, raw: bool, stream: bool) -> Any:
    """The HTTP response whose body is yet to be read, if there is one."""
    if raw:
        response = getattr(result, "http_response", None)
        # with_raw_response has read the body of what is no stream already.
        return None if getattr(response, "is_stream_consumed", True) else response
    return getattr(result, "response", None) if stream else None


def answer(result: Any, *, raw: bool) -> Answer:
    """The answer in a typed object or a raw response, whose ``parse`` is the caller's."""
    if raw:
        return _answer_in(getattr(result, "http_response", None))
    return Answer(result, error=error_type_of(result))


def failure(_call: Call, error: BaseException) -> Attributes:
    """What an exception of an SDK says: the HTTP status, and the id that support asks for."""
    return {
        semconv.HTTP_STATUS_CODE: count(getattr(error, "status_code", None)),
        semconv.PROVIDER_REQUEST_ID: word(getattr(error, "request_id", None)),
    }


def salvage(call: Call, _error: BaseException) -> Answer | None:
    """The answer that arrived whole and that the SDK could not parse."""
    noted = None if call.frame is None else call.frame.notes.get(LATEST_RESPONSE)
    response = None if noted is None else noted()
    if getattr(response, "status_code", None) != _OK or not hasattr(response, "_content"):
        return None
    return _answer_in(response)


def _answer_in(response: Any) -> Answer:
    data = getattr(response, "content", b"")
    body = parsed(data)
    output = len(data) if body is None else None
    status = count(getattr(response, "status_code", None))
    return Answer(body, output_bytes=output, status=status, error=error_type_of(body))
