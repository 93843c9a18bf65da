"""What the SDKs that Stainless generates have in common: addresses, raw responses, failures.

OpenAI's and Anthropic's SDKs are of one make.  A header tells their methods to return the HTTP
response itself; streams and such responses are read lazily, and everything that reads them reads
the response of httpx or httpx2 at the bottom, which therefore is what is observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.http import LATEST_RESPONSE
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count, word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import answer_in
from flowspan.instrumentation.integration import Attributes, Call

RAW: Final = "X-Stainless-Raw-Response"
"""The header by which an SDK tells its own methods to return the response itself."""

_OK: Final = 200


def place(client: Any) -> Place:
    """Where a client's calls go; cheap, as a client keeps its URL object."""
    return address(getattr(client, "base_url", None))


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


def answer(result: Any, shape: Shape, *, raw: bool) -> Answer:
    """The answer in a typed object or a raw response, whose ``parse`` is the caller's."""
    if raw:
        return _answer_in(getattr(result, "http_response", None), shape)
    return Answer(result, error=error_type_of(result))


def failure(_call: Call, error: BaseException) -> Attributes:
    """What an exception of an SDK says: the HTTP status, and the id that support asks for."""
    return {
        semconv.HTTP_STATUS_CODE: count(getattr(error, "status_code", None)),
        semconv.PROVIDER_REQUEST_ID: word(getattr(error, "request_id", None)),
    }


def salvage(call: Call, shape: Shape) -> Answer | None:
    """The answer that arrived whole and that the SDK could not parse."""
    noted = None if call.frame is None else call.frame.notes.get(LATEST_RESPONSE)
    response = None if noted is None else noted()
    if getattr(response, "status_code", None) != _OK or not hasattr(response, "_content"):
        return None
    return _answer_in(response, shape)


def _answer_in(response: Any, shape: Shape) -> Answer:
    data = getattr(response, "content", b"")
    found = answer_in(shape, data, status=count(getattr(response, "status_code", None)))
    if found.body is None and found.error is None:
        found.output_bytes = len(data)
    return found
