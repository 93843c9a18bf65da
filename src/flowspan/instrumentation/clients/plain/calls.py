"""A request by plain HTTP as a model call: what its row tells, whichever library sent it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

from flowspan import semconv
from flowspan.instrumentation.clients.plain.library import Library, Reader, answers, status, told
from flowspan.instrumentation.clients.wire import describe, recognise
from flowspan.instrumentation.clients.wire.reading import word
from flowspan.instrumentation.clients.wire.recognise import Sighting
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.instrumentation.integration import Attributes, Call, Content, Patch, ToolRequest
from flowspan.usage import Usage

_ANSWER: Final = "http.answer"


class _Seen(NamedTuple):
    """What ``when`` found out of a request; kept as the call's snapshot."""

    library: Library
    sighting: Sighting


def row(library: Library, target: str, reader: Reader) -> Patch:
    """The row of a method that sends: its span, where the request is a model call."""

    def when(call: Call) -> bool:
        return _sight(call, library, reader)

    return Patch(
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
        glance=reader.glance,
        when=when,
    )


def is_owned(call: Call) -> bool:
    """Whether a model call around this one owns it."""
    return call.enclosing is not None and call.enclosing.kind == "llm"


def _sight(call: Call, library: Library, reader: Reader) -> bool:
    around = call.enclosing
    if around is not None and around.kind == "llm" and not around.defers:
        return False
    request = reader.request(call)
    sighting = None if request is None else recognise.recognise(request)
    if sighting is None:
        return False
    call.snapshot = _Seen(library, sighting)
    return True


def _sighting(call: Call) -> Sighting:
    return cast("_Seen", call.snapshot).sighting


# --- the request ----------------------------------------------------------------------------------


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


def _observed(call: Call, result: Any) -> Any:
    """What to observe while the body is yet to be read."""
    if call.frame is not None:
        call.frame.describe(told(result))
    library = cast("_Seen", call.snapshot).library
    if not answers(result) or library.body(result) is not None:
        return None
    return library.observed(call, result)


def _answer(call: Call, result: Any) -> Answer:
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        library, sighting = cast("_Seen", call.snapshot)
        data = library.body(result)
        known = answer_in(sighting.shape, data, status=status(result), content=call.content)
        notes[_ANSWER] = known
    return cast("Answer", known)


def _response(call: Call, result: Any) -> Attributes:
    return describe.response_attributes(_sighting(call).shape, _answer(call, result))


def _usage(call: Call, result: Any) -> Usage | None:
    if not (isinstance(result, Answer) or answers(result)):
        return None
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
