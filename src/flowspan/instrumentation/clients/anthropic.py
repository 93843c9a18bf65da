"""Anthropic's SDK: messages, called in any way and through any of its clients.

The rows are on the method by which every call of a client makes its request, retries included:
``messages.create`` and ``parse``, the ``stream`` helpers (which ask for nothing before they are
entered), everything under ``beta``, each turn of a tool runner or a thread, raw and streaming
responses, and the clients for Bedrock, Vertex, Foundry and the like.  Batches are not model calls
of the moment, and counting tokens is none at all: both are left alone.

Streams are observed at the HTTP response below them (see :mod:`.bodies`), because the SDK's helpers
close that one and not the stream object.  Retries are counted by the rows of :mod:`.http`.

From version 2 on the SDK makes a span with usage for each call, beside ours: two owners of the same
tokens.  So its tracing is switched off unless ``ANTHROPIC_OPEN_TELEMETRY`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from flowspan import semconv
from flowspan.instrumentation.clients import stainless
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.anthropic_complete import COMPLETE
from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.providers import listed
from flowspan.instrumentation.clients.wire.reading import word
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

_SHAPES: Final[dict[str, Shape]] = {"/v1/messages": MESSAGES, "/v1/complete": COMPLETE}
"""What is asked for at each address of the API; the clients of platforms change it on the way."""

_PLATFORMS: Final = (
    ("Bedrock", "aws.bedrock"),
    ("Vertex", "gcp.vertex_ai"),
    ("Foundry", "azure.ai.inference"),
)
"""Providers by what a client's class is called, for addresses that are nobody's."""

_ANSWER: Final = "anthropic.answer"
"""Where a call notes its answer, which is asked for several times."""


# --- the request --------------------------------------------------------------------------------


def _options(call: Call) -> Any:
    return call.argument("options", 1)


def _shape_of(call: Call) -> Shape | None:
    options = _options(call)
    path = getattr(options, "url", None)
    if not isinstance(path, str) or str(getattr(options, "method", "")).lower() != "post":
        return None
    return _SHAPES.get(path.partition("?")[0])


def _shape(call: Call) -> Shape:
    return _shape_of(call) or MESSAGES


def _is_model_call(call: Call) -> bool:
    # A client's middleware may ask several models in one call, or none.  There each request is a
    # call of its own, seen by its HTTP library, so that what was charged is counted, and no more.
    return _shape_of(call) is not None and not getattr(call.instance, "_middleware", ())


def _body(call: Call) -> Mapping[str, Any]:
    options = _options(call)
    body, more = getattr(options, "json_data", None), getattr(options, "extra_json", None)
    body = body if isinstance(body, Mapping) else {}
    return {**body, **more} if isinstance(more, Mapping) else body


def _model(call: Call) -> str | None:
    return word(_body(call).get("model"))


def _operation(call: Call) -> str:
    return _shape(call).operation


def _request(call: Call) -> Attributes:
    place = stainless.place(call.instance)
    found = describe.request_attributes(_shape(call), _body(call), place)
    found[semconv.TRANSPORT] = "sdk"
    if listed(place.host or "", place.port) is None:
        client = type(call.instance).__name__
        for part, provider in _PLATFORMS:
            if part in client:
                found[semconv.PROVIDER_NAME] = provider
    return found


def _returns_raw(call: Call) -> bool:
    return stainless.returns_raw(getattr(_options(call), "headers", None))


# --- the answer -----------------------------------------------------------------------------------


def _observed(call: Call, result: Any) -> Any:
    stream = call.kwargs.get("stream") is True
    return stainless.observed(result, raw=_returns_raw(call), stream=stream)


def _answer(call: Call, result: Any) -> Answer:
    """The answer in a result: what a stream added up to, a raw response, or a typed object."""
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        known = notes[_ANSWER] = stainless.answer(result, _shape(call), raw=_returns_raw(call))
    return cast("Answer", known)


def _salvage(call: Call, _error: BaseException) -> Answer | None:
    return stainless.salvage(call, _shape(call))


def _response(call: Call, result: Any) -> Attributes:
    return describe.response_attributes(_shape(call), _answer(call, result))


def _usage(call: Call, result: Any) -> Usage | None:
    return describe.usage_of(_shape(call), _body(call), _answer(call, result))


def _tools(call: Call, result: Any) -> Iterable[ToolRequest]:
    return describe.requested_tools(_shape(call), _answer(call, result))


def _outcome(call: Call, result: Any) -> str | None:
    return describe.error_type(_answer(call, result))


def _content(call: Call, result: Any) -> Content:
    if result is None:
        return describe.input_content(_shape(call), _body(call))
    return describe.output_content(_shape(call), _answer(call, result))


def _join(call: Call) -> BodyJoiner:
    return BodyJoiner(_shape(call), content=call.content)


# --- rows ---------------------------------------------------------------------------------------


def _rows() -> Iterator[Patch]:
    for prefix in ("Sync", "Async"):
        yield Patch(
            target=f"anthropic._base_client:{prefix}APIClient.request",
            kind="llm",
            operation=_operation,
            name=_model,
            request=_request,
            response=_response,
            failure=stainless.failure,
            salvage=_salvage,
            usage=_usage,
            tools=_tools,
            outcome=_outcome,
            content=_content,
            join=_join,
            lazy=_observed,
            when=_is_model_call,
        )


INTEGRATION: Final = Integration(
    "anthropic",
    "anthropic>=0.40",
    tuple(_rows()),
    environment={"ANTHROPIC_OPEN_TELEMETRY": "false"},
)
