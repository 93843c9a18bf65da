"""Model calls made by plain HTTP: requests, httpx and httpx2.

Two rows on the method that every request of a library passes:

- outside any model call, a request that is one (see :mod:`.wire.recognise`) gets its span;
- inside a model call, whose owner is an SDK or an engine, a request makes no span.  It is an
  attempt of the call around it, which hears of a retry from the second attempt on.

Redirects are sent by the same method again and find themselves inside the model call.  A request
that is neither is left alone.  What ``urllib3.Retry`` repeats inside an adapter of requests is not
seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from flowspan import semconv
from flowspan.instrumentation.clients.wire import describe, recognise
from flowspan.instrumentation.clients.wire.failing import status_error
from flowspan.instrumentation.clients.wire.headers import told_by
from flowspan.instrumentation.clients.wire.providers import place_of
from flowspan.instrumentation.clients.wire.reading import count, word
from flowspan.instrumentation.clients.wire.recognise import Request, Sighting, configure
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Event,
    Integration,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage

__all__ = ["INTEGRATIONS", "configure"]

_sightings: Final[weakref.WeakKeyDictionary[Any, Sighting]] = weakref.WeakKeyDictionary()
"""Model calls under way, by their request object."""

LATEST_RESPONSE: Final = "http.response"
"""Where a model call's frame notes a weak reference to the latest response received for it.

Weak, because a streamed response that nobody reads any more must be seen to be dropped.
"""

ANSWERED: Final = "http.answered"
"""Where a model call's frame notes whether its latest request was answered and not refused."""

_FAILED: Final = "http.failed"
_RETRIES: Final = "http.retries"
_ANSWER: Final = "http.answer"


# --- the request ----------------------------------------------------------------------------------


def _of_requests(request: Any) -> Request | None:
    url = request.url
    path = url.partition("?")[0] if isinstance(url, str) else ""
    if not recognise.may_be_model_call(path):
        return None
    parts = urlsplit(url)
    body = request.body
    if isinstance(body, str):
        body = body.encode()
    return Request(
        place_of(parts), parts.path, body if isinstance(body, bytes) else None, request.headers
    )


def _of_httpx(request: Any) -> Request | None:
    url = request.url
    path = url.path
    if not recognise.may_be_model_call(path):
        return None
    # A body that is a stream has no such attribute, and asking for ``content`` would raise.
    body = getattr(request, "_content", None)
    return Request(place_of(url), path, body if isinstance(body, bytes) else None, request.headers)


def _sight(call: Call, of_library: Callable[[Any], Request | None]) -> bool:
    """Whether a request is a model call that nobody owns yet."""
    if call.enclosing is not None and call.enclosing.kind == "llm":
        return False
    sent = call.argument("request", 0)
    if getattr(sent, "method", None) != "POST":
        return False
    request = of_library(sent)
    sighting = None if request is None else recognise.recognise(request)
    if sighting is None:
        return False
    _sightings[sent] = sighting
    return True


def _sighting(call: Call) -> Sighting:
    return _sightings[call.argument("request", 0)]


def _model(call: Call) -> str | None:
    return word(_sighting(call).model)


def _operation(call: Call) -> str:
    return _sighting(call).shape.operation


def _request(call: Call) -> Attributes:
    sighting = _sighting(call)
    found = describe.request_attributes(sighting.shape, sighting.body, sighting.place)
    found[semconv.REQUEST_STREAM] = sighting.stream or None
    found[semconv.TRANSPORT] = "http"
    return found


# --- the answer -----------------------------------------------------------------------------------


def _status(result: Any) -> int | None:
    return count(getattr(result, "status_code", None))


def _observed(call: Call, result: Any) -> Any:
    """The response whose body is yet to be read; what a refusal says is not waited for."""
    if call.frame is not None:
        call.frame.describe(_told(result))
    if status_error(_status(result)) is not None:
        return None
    return None if _is_read(result) else result


def _is_read(response: Any) -> bool:
    # requests keeps False in _content until the body is read; httpx has no _content until then.
    return getattr(response, "_content", False) is not False


def _answer(call: Call, result: Any) -> Answer:
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        data = getattr(result, "content", None) if _is_read(result) else None
        shape = _sighting(call).shape
        known = answer_in(shape, data, status=_status(result), content=call.content)
        notes[_ANSWER] = known
    return cast("Answer", known)


def _response(call: Call, result: Any) -> Attributes:
    return describe.response_attributes(_sighting(call).shape, _answer(call, result))


def _told(response: Any) -> Attributes:
    return told_by(_status(response), getattr(response, "headers", None))


def _usage(call: Call, result: Any) -> Usage | None:
    sighting = _sighting(call)
    return describe.usage_of(sighting.shape, sighting.body, _answer(call, result))


def _tools(call: Call, result: Any) -> Iterable[ToolRequest]:
    return describe.requested_tools(_sighting(call).shape, _answer(call, result))


def _outcome(call: Call, result: Any) -> str | None:
    return describe.error_type(_answer(call, result))


def _content(call: Call, result: Any) -> Content:
    sighting = _sighting(call)
    if result is None:
        return describe.input_content(sighting.shape, sighting.body)
    return describe.output_content(sighting.shape, _answer(call, result))


def _join(call: Call) -> BodyJoiner:
    return BodyJoiner(_sighting(call).shape, content=call.content)


# --- attempts of somebody else's call ---------------------------------------------------------


def _is_attempt(call: Call) -> bool:
    return call.enclosing is not None and call.enclosing.kind == "llm"


def _retry(call: Call) -> Iterable[Event]:
    """Say that the call around is tried again, if an attempt before this one failed."""
    frame = call.frame
    if frame is None or (failed := frame.notes.pop(_FAILED, None)) is None:
        return ()
    retries = frame.notes[_RETRIES] = frame.notes.get(_RETRIES, 0) + 1
    frame.describe({semconv.RETRY_COUNT: retries})
    attributes = {semconv.ATTEMPT: retries + 1, semconv.ERROR_TYPE: failed}
    return (Event(semconv.EVENT_RETRY, attributes),)


def _attempted(call: Call, result: Any) -> Iterable[Event]:
    failed = status_error(_status(result))
    if call.frame is not None:
        call.frame.describe(_told(result))
        call.frame.notes[LATEST_RESPONSE] = weakref.ref(result)
        call.frame.notes[ANSWERED] = failed is None
        if failed is not None:
            call.frame.notes[_FAILED] = failed
    return ()


def _attempt_failed(call: Call, error: BaseException) -> Attributes:
    if call.frame is not None:
        call.frame.notes[_FAILED] = type(error).__qualname__
        call.frame.notes[ANSWERED] = False
    return {}


# --- rows ---------------------------------------------------------------------------------------


class _Library(NamedTuple):
    """An HTTP client: its name, versions, the methods that send, and how its requests are read."""

    name: str
    requires: str
    targets: tuple[str, ...]
    read: Callable[[Any], Request | None]


_LIBRARIES: Final = (
    _Library("requests", "requests>=2.28", ("requests:Session.send",), _of_requests),
    _Library("httpx", "httpx>=0.25", ("httpx:Client.send", "httpx:AsyncClient.send"), _of_httpx),
    _Library("httpx2", "httpx2>=2", ("httpx2:Client.send", "httpx2:AsyncClient.send"), _of_httpx),
)


def _rows(library: _Library) -> Iterable[Patch]:
    def when(call: Call) -> bool:
        return _sight(call, library.read)

    for target in library.targets:
        yield Patch(
            target=target,
            kind="llm",
            operation=_operation,
            name=_model,
            request=_request,
            response=_response,
            usage=_usage,
            tools=_tools,
            outcome=_outcome,
            content=_content,
            join=_join,
            lazy=_observed,
            when=when,
        )
        yield Patch(
            target=target,
            label=f"{target.partition(':')[2]} attempt",
            before=_retry,
            after=_attempted,
            failure=_attempt_failed,
            when=_is_attempt,
        )


INTEGRATIONS: Final = tuple(
    Integration(library.name, library.requires, tuple(_rows(library))) for library in _LIBRARIES
)
