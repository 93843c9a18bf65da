"""OpenAI's SDK: chat, responses, embeddings and the older completions, called in any way.

The rows are on the methods of the resource classes, because everything leads through them: raw
and streaming responses wrap the bound method, Azure's clients and the module-level client use the
same classes, and the ``stream`` helpers and ``beta.chat.completions.parse`` of openai 1 call
``create`` (so they have no rows of their own).

Streams are observed at the HTTP response below them (see :mod:`.bodies`), because the SDK's helpers
close that one and not the stream object.  Retries are counted by the rows of :mod:`.http`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from flowspan import semconv
from flowspan.instrumentation.clients.http import LATEST_RESPONSE
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.background import usage_of_background
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import FETCHED, RESPONSES
from flowspan.instrumentation.clients.wire.providers import Place, place_of
from flowspan.instrumentation.clients.wire.reading import count, parsed, word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Integration,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage

_RAW: Final = "X-Stainless-Raw-Response"
"""The header by which the SDK tells its own methods to return the response itself."""

_OK: Final = 200

_ANSWER: Final = "openai.answer"
"""Where a call notes its answer, which is asked for several times."""

_CHAT: Final = "openai.resources.chat.completions.completions", "openai.resources.chat.completions"
_RESPONSES: Final = "openai.resources.responses.responses", "openai.resources.responses"
_BETA_RESPONSES: Final = (
    "openai.resources.beta.responses.responses",
    "openai.resources.beta.responses",
)


class _Method(NamedTuple):
    """A method that makes a model call: modules that define its class, newest version first."""

    modules: tuple[str, ...]
    owner: str
    name: str
    shape: Shape
    optional: bool = False


_METHODS: Final[tuple[_Method, ...]] = (
    _Method(_CHAT, "Completions", "create", CHAT),
    _Method(_CHAT, "Completions", "parse", CHAT, optional=True),
    _Method(_RESPONSES, "Responses", "create", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "parse", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "compact", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "retrieve", FETCHED, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "create", RESPONSES, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "compact", RESPONSES, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "retrieve", FETCHED, optional=True),
    _Method(("openai.resources.embeddings",), "Embeddings", "create", EMBEDDINGS),
    _Method(("openai.resources.completions",), "Completions", "create", TEXT),
)
_QUIET_STREAMS: Final = (CHAT, TEXT)
"""Formats whose streams say their tokens only to those who ask for it."""

_PLACES: Final[dict[int, tuple[Any, Place]]] = {}
"""Host and port by base URL; the URL object is kept so that its id stays its own."""
_MOST_PLACES: Final = 256


# --- the request --------------------------------------------------------------------------------


def _place(call: Call) -> Place:
    url = getattr(getattr(call.instance, "_client", None), "base_url", None)
    known = _PLACES.get(id(url))
    if known is not None and known[0] is url:
        return known[1]
    place = place_of(url)
    if len(_PLACES) >= _MOST_PLACES:
        _PLACES.clear()
    _PLACES[id(url)] = (url, place)
    return place


def _model(call: Call) -> str | None:
    return word(call.kwargs.get("model"))


def _returns_raw(call: Call) -> bool:
    headers = call.kwargs.get("extra_headers")
    return isinstance(headers, Mapping) and _RAW in headers


# --- the answer -----------------------------------------------------------------------------------


def _observed(call: Call, result: Any) -> Any:
    """The HTTP response whose body is yet to be read, if there is one."""
    if _returns_raw(call):
        response = getattr(result, "http_response", None)
        # with_raw_response has read the body of what is no stream already.
        return None if getattr(response, "is_stream_consumed", True) else response
    if call.kwargs.get("stream") is True:
        return getattr(result, "response", None)
    return None


def _answer(call: Call, result: Any) -> Answer:
    """The answer in a result: what a stream added up to, a raw response, or a typed object."""
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        known = _read_answer(result) if _returns_raw(call) else _typed_answer(result)
        notes[_ANSWER] = known
    return cast("Answer", known)


def _typed_answer(result: Any) -> Answer:
    return Answer(result, error=error_type_of(result))


def _read_answer(result: Any) -> Answer:
    """Parse the bytes that a raw response holds already; its own ``parse`` is the caller's."""
    return _answer_in(getattr(result, "http_response", None))


def _answer_in(response: Any) -> Answer:
    data = getattr(response, "content", b"")
    body = parsed(data)
    output = len(data) if body is None else None
    status = count(getattr(response, "status_code", None))
    return Answer(body, output_bytes=output, status=status, error=error_type_of(body))


def _usage_request(call: Call) -> Mapping[str, Any]:
    options = call.kwargs.get("stream_options")
    known = options if isinstance(options, Mapping) else {}
    if call.kwargs.get("stream") is not True or "include_usage" in known:
        return {}
    return {"stream_options": {**known, "include_usage": True}}


def _failure(_call: Call, error: BaseException) -> Attributes:
    return {
        semconv.HTTP_STATUS_CODE: count(getattr(error, "status_code", None)),
        semconv.PROVIDER_REQUEST_ID: word(getattr(error, "request_id", None)),
    }


def _salvage(call: Call, _error: BaseException) -> Answer | None:
    """The answer that arrived whole and that the SDK could not parse."""
    noted = None if call.frame is None else call.frame.notes.get(LATEST_RESPONSE)
    response = None if noted is None else noted()
    if getattr(response, "status_code", None) != _OK or not hasattr(response, "_content"):
        return None
    return _answer_in(response)


# --- rows ---------------------------------------------------------------------------------------


def _row(targets: Sequence[str], method: _Method) -> Patch:
    shape = method.shape

    def request(call: Call) -> Attributes:
        found = describe.request_attributes(shape, call.kwargs, _place(call))
        found[semconv.TRANSPORT] = "sdk"
        return found

    def response(call: Call, result: Any) -> Attributes:
        return describe.response_attributes(shape, _answer(call, result))

    def usage(call: Call, result: Any) -> Usage | None:
        answer = _answer(call, result)
        found = describe.usage_of(shape, call.kwargs, answer)
        return usage_of_background(shape, answer) if found is None else found

    def outcome(call: Call, result: Any) -> str | None:
        return describe.error_type(_answer(call, result))

    def content(call: Call, result: Any) -> Content:
        if result is None:
            return describe.input_content(shape, call.kwargs)
        return describe.output_content(shape, _answer(call, result))

    def tools(call: Call, result: Any) -> Iterable[ToolRequest]:
        return describe.requested_tools(shape, _answer(call, result))

    def join(call: Call) -> BodyJoiner:
        return BodyJoiner(shape, content=call.content)

    return Patch(
        target=targets[0],
        moved=tuple(targets[1:]),
        kind="llm",
        operation=shape.operation,
        name=_model,
        request=request,
        response=response,
        failure=_failure,
        salvage=_salvage,
        usage=usage,
        tools=tools if shape.billed else None,
        usage_request=_usage_request if shape in _QUIET_STREAMS else None,
        outcome=outcome,
        content=content,
        join=join,
        lazy=_observed,
        optional=method.optional,
    )


def _rows() -> Iterator[Patch]:
    for method in _METHODS:
        for prefix in ("", "Async"):
            path = f"{prefix}{method.owner}.{method.name}"
            yield _row([f"{module}:{path}" for module in method.modules], method)


INTEGRATION: Final = Integration("openai", "openai>=1.40", tuple(_rows()))
