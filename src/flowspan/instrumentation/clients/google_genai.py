"""Google's Gen AI SDK (``google-genai``): content, chats and embeddings, of Gemini and Vertex AI.

The rows are on the API client, through which each request of the SDK goes exactly once: below
``models``, ``chats`` and whatever else the SDK has, and inside its loops, so that each turn of
automatic function calling and each continuation is a call of its own.  What arrives there is the
request as it will be sent; what leaves is the answer as it came, before the SDK's own types, which
in older versions lack thoughts and caches.

It also lies above the transports: httpx, httpx2, requests and aiohttp are all the same here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address_in
from flowspan.instrumentation.clients.methods import is_empty, salvaged
from flowspan.instrumentation.clients.plain.attempts import ANSWERED
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.failing import PAGE, error_type_of, is_page
from flowspan.instrumentation.clients.wire.gemini import GENERATE
from flowspan.instrumentation.clients.wire.gemini_embeddings import EMBEDDINGS, PREDICTIONS
from flowspan.instrumentation.clients.wire.gemini_paths import Aim, aim
from flowspan.instrumentation.clients.wire.providers import Place, listed
from flowspan.instrumentation.clients.wire.reading import count, parsed, read, text, word
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

_ANSWER: Final = "google_genai.answer"
"""Where a call notes its answer, which is asked for several times."""

_FAILED: Final = "google_genai.failed"
"""Where a call notes that it ended with an exception."""

_SHAPES: Final[dict[str, Shape]] = {
    path.removeprefix(":"): shape
    for shape in (GENERATE, EMBEDDINGS, PREDICTIONS)
    for path in shape.paths
}
"""The formats by the verb at the end of a path."""


class _Asked(NamedTuple):
    """A request of the SDK that is a model call."""

    shape: Shape
    aim: Aim
    body: Mapping[str, Any]


# --- the request ----------------------------------------------------------------------------


def _asked(call: Call) -> _Asked | None:
    """The model call that a request makes, if it makes one."""
    path, body = call.argument("path", 1), call.argument("request_dict", 2)
    if not isinstance(path, str) or not isinstance(body, Mapping):
        return None
    aimed = aim(path)
    shape = None if aimed is None else _SHAPES.get(aimed.verb)
    if aimed is None or shape is None:
        return None
    return _Asked(shape, aimed, body)


def _is_model_call(call: Call) -> bool:
    asked = _asked(call)
    # An image is asked for with the same verb as a prediction of Vertex AI.
    return asked is not None and (asked.shape is not PREDICTIONS or asked.shape.matches(asked.body))


def _known(call: Call) -> _Asked:
    return cast("_Asked", _asked(call))


def _model(call: Call) -> str | None:
    return word(_known(call).aim.model)


def _operation(call: Call) -> str:
    return _known(call).shape.operation


def _place(call: Call) -> Place:
    url = read(call.argument("http_options", 3), "base_url")
    url = url or read(getattr(call.instance, "_http_options", None), "base_url")
    return address_in(url) if isinstance(url, str) else Place()


def _request(call: Call) -> Attributes:
    asked, place = _known(call), _place(call)
    found = describe.request_attributes(asked.shape, asked.body, place)
    if getattr(call.instance, "vertexai", False) and listed(place.host or "", place.port) is None:
        found[semconv.PROVIDER_NAME] = "gcp.vertex_ai"
    if asked.aim.streams:
        found[semconv.REQUEST_STREAM] = True
    found[semconv.TRANSPORT] = "sdk"
    return found


# --- the answer -------------------------------------------------------------------------------


def _answer(call: Call, result: Any) -> Answer:
    """The answer in a result, or what a stream added up to."""
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        known = notes[_ANSWER] = _read_answer(result)
    return cast("Answer", known)


def _read_answer(result: Any) -> Answer:
    """Parse the body; before version 1.23 the SDK had parsed it already."""
    if isinstance(result, Mapping):
        return Answer(result, error=error_type_of(result))
    data = (text(getattr(result, "body", None)) or "").encode()
    if is_page(data):
        return Answer(output_bytes=0, error=PAGE)
    body = parsed(data)
    return Answer(body, output_bytes=len(data) if body is None else None, error=error_type_of(body))


class _ChunkJoiner(BodyJoiner):
    """Joins the chunks of a stream, each of which has one event's JSON."""

    __slots__ = ()

    def add(self, chunk: Any) -> bool:
        """Take a chunk; one without an event in it is none."""
        body = json.dumps(chunk) if isinstance(chunk, Mapping) else getattr(chunk, "body", None)
        if not body:
            return False
        if self._mode != "events":
            return super().add(f"data: {body}\n\n")
        self._event(body.encode())
        return True


def _response(call: Call, result: Any) -> Attributes:
    return describe.response_attributes(_known(call).shape, _answer(call, result))


def _usage(call: Call, result: Any) -> Usage | None:
    asked, answer = _known(call), _answer(call, result)
    if is_empty(answer) and _failed_unanswered(call):
        return None
    return describe.usage_of(asked.shape, asked.body, answer)


def _failed_unanswered(call: Call) -> bool:
    """Whether a stream failed when it asked: it was refused, or nobody was there."""
    notes = {} if call.frame is None else call.frame.notes
    return _FAILED in notes and notes.get(ANSWERED) is not True


def _tools(call: Call, result: Any) -> Iterable[ToolRequest]:
    return describe.requested_tools(_known(call).shape, _answer(call, result))


def _outcome(call: Call, result: Any) -> str | None:
    return describe.error_type(_answer(call, result))


def _content(call: Call, result: Any) -> Content:
    asked = _known(call)
    if result is None:
        return describe.input_content(asked.shape, asked.body)
    return describe.output_content(asked.shape, _answer(call, result))


def _join(call: Call) -> BodyJoiner:
    return _ChunkJoiner(_known(call).shape, content=call.content)


def _salvage(call: Call, _error: BaseException) -> Answer | None:
    """What arrived all the same: before version 1.23 the SDK parses it inside the call."""
    return salvaged(_known(call).shape, call)


def _failure(call: Call, error: BaseException) -> Attributes:
    if call.frame is not None:
        call.frame.notes[_FAILED] = True
    return {semconv.HTTP_STATUS_CODE: count(getattr(error, "code", None))}


# --- tools that the SDK runs --------------------------------------------------------------------


def _tool(call: Call) -> str | None:
    return word(getattr(call.argument("function_to_invoke", 1), "__name__", None))


# --- rows -----------------------------------------------------------------------------------

_CLIENT: Final = "google.genai._api_client"
_METHODS: Final = (
    ("request", False),
    ("request_streamed", True),
    ("async_request", False),
    ("async_request_streamed", True),
)
_INVOKE: Final = "google.genai._extra_utils:invoke_function_from_dict_args"


def _rows() -> Iterator[Patch]:
    for method, streams in _METHODS:
        yield Patch(
            target=f"{_CLIENT}:BaseApiClient.{method}",
            kind="llm",
            operation=_operation,
            name=_model,
            request=_request,
            response=_response,
            failure=_failure,
            salvage=_salvage,
            usage=_usage,
            tools=_tools,
            outcome=_outcome,
            content=_content,
            join=_join if streams else None,
            when=_is_model_call,
        )
    # Functions that are coroutines are called by another one of these since 1.24.
    yield Patch(target=_INVOKE, kind="tool", name=_tool, optional=True)
    yield Patch(target=f"{_INVOKE}_async", kind="tool", name=_tool, optional=True)


INTEGRATION: Final = Integration("google-genai", "google-genai>=1.24", tuple(_rows()))
