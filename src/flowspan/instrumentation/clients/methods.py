"""Rows for the methods of SDKs whose calls and answers have the members of a wire format.

What a method is given and what it returns are read as the request's and the answer's body would be;
so a row is a target and a :class:`~.wire.shape.Shape`, and where the SDK is peculiar, a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.plain.attempts import (
    ANSWERED,
    LATEST_HEADERS,
    LATEST_RESPONSE,
)
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.chunks import ChunkJoiner, Look
from flowspan.instrumentation.clients.wire.failing import PAGE, error_type_of, is_page_by
from flowspan.instrumentation.clients.wire.headers import told_by
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count, word
from flowspan.instrumentation.clients.wire.shape import Answer, Body, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Joiner,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage

_OK: Final = 200
_RESPONSES: Final = ("response", "raw_response")


def model_named(_call: Call, members: Body) -> str | None:
    """The model where most methods take it."""
    return word(members.get("model"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method that makes a model call.

    Attributes:
        targets: Where it is; where it was in other versions follows.
        shape: Its wire format.
        place: Where its calls go.
        positional: Names of the arguments that may be given without a name.
        fixed: Members of the request that the method stands for (``stream``).
        model: The model that a call asks for.
        members: More about the request than its arguments say, or other names for them.
        body: The answer's body in a result.
        look: How the chunks of a generator are read, where the method may return one.
        response: The HTTP response below a streamed result, where that can be observed instead.
        provider: Whose model it is, where the client knows better than the address.
        told: Tokens that stand in the headers of the response.
        usage_request: What makes a stream say its usage (see ``Patch``).
        optional: Some supported versions do not have it.
    """

    targets: tuple[str, ...]
    shape: Shape
    place: Callable[[Call], Place]
    positional: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    model: Callable[[Call, Body], str | None] = model_named
    members: Callable[[Body], Body] | None = None
    body: Callable[[Any], Any] | None = None
    look: Look | None = None
    response: Callable[[Call, Any], Any] | None = None
    provider: Callable[[Call], str | None] | None = None
    told: Callable[[Any], Usage | None] | None = None
    usage_request: Callable[[Call], Mapping[str, Any]] | None = None
    optional: bool = False

    def request(self, call: Call) -> Body:
        """The members of a request, whichever way its arguments were given."""
        found: Body = call.kwargs
        if call.args or self.fixed:
            found = {**dict(zip(self.positional, call.args, strict=False)), **found, **self.fixed}
        return found if self.members is None else self.members(found)

    def answer(self, result: Any) -> Answer:
        """What a stream added up to, or the typed answer of a method."""
        if isinstance(result, Answer):
            return result
        body = result if self.body is None else self.body(result)
        return Answer(body, error=error_type_of(body))


class _Reader:
    """The extractors of a method's row."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._shape = method.shape

    def name(self, call: Call) -> str | None:
        return self._method.model(call, self._method.request(call))

    def request(self, call: Call) -> Attributes:
        method = self._method
        found = describe.request_attributes(self._shape, method.request(call), method.place(call))
        found[semconv.TRANSPORT] = "sdk"
        if method.provider is not None and (named := method.provider(call)) is not None:
            found[semconv.PROVIDER_NAME] = named
        return found

    def response(self, _call: Call, result: Any) -> Attributes:
        return describe.response_attributes(self._shape, self._method.answer(result))

    def usage(self, call: Call, result: Any) -> Usage | None:
        answer = self._method.answer(result)
        if is_empty(answer):
            return _usage_of_nothing(call, self._method, answer)
        found = describe.usage_of(self._shape, self._method.request(call), answer)
        if found is None or not found.estimated or self._method.told is None:
            return found
        notes = {} if call.frame is None else call.frame.notes
        return self._method.told(notes.get(LATEST_HEADERS)) or found

    def tools(self, _call: Call, result: Any) -> Iterable[ToolRequest]:
        return describe.requested_tools(self._shape, self._method.answer(result))

    def outcome(self, call: Call, result: Any) -> str | None:
        answer = self._method.answer(result)
        return describe.error_type(answer) or (
            PAGE if is_empty(answer) and _is_page(call) else None
        )

    def content(self, call: Call, result: Any) -> Content:
        if result is None:
            return describe.input_content(self._shape, self._method.request(call))
        return describe.output_content(self._shape, self._method.answer(result))

    def join(self, call: Call) -> Joiner:
        if self._method.look is not None:
            return ChunkJoiner(self._shape, self._method.look, content=call.content)
        return BodyJoiner(self._shape, content=call.content)

    def salvage(self, call: Call, _error: BaseException) -> Answer | None:
        return salvaged(self._shape, call)


def row(method: Method) -> Patch:
    """The row of a method."""
    reader = _Reader(method)
    streams = method.look is not None or method.response is not None
    return Patch(
        target=method.targets[0],
        moved=method.targets[1:],
        kind="llm",
        operation=method.shape.operation,
        name=reader.name,
        request=reader.request,
        response=reader.response,
        failure=failure,
        salvage=reader.salvage,
        usage=reader.usage,
        usage_request=method.usage_request,
        tools=reader.tools,
        outcome=reader.outcome,
        content=reader.content,
        join=reader.join if streams else None,
        lazy=method.response,
        optional=method.optional,
    )


def is_empty(answer: Answer) -> bool:
    """Whether a stream brought no chunk."""
    return answer.body is None and answer.output_bytes == 0


def _is_page(call: Call) -> bool:
    """Whether what came was a page of HTML: some SDKs see a stream without chunks in it."""
    return call.frame is not None and is_page_by(call.frame.notes.get(LATEST_HEADERS))


def _usage_of_nothing(call: Call, method: Method, answer: Answer) -> Usage | None:
    """A generator sends its request when its first chunk is wanted: before, nothing is charged.

    Neither is a request that was refused; one that was answered is.
    """
    answered = None if call.frame is None else call.frame.notes.get(ANSWERED)
    if answered is None:
        return Usage(input_tokens=0, output_tokens=0)
    return describe.usage_of(method.shape, method.request(call), answer) if answered else None


# --- failures -------------------------------------------------------------------------------------


def failure(_call: Call, error: BaseException) -> Attributes:
    """What an exception of an SDK says: the HTTP status, and what the headers tell.

    Some are raised from that of the HTTP library, which says more.
    """
    found = _told(error)
    cause = error.__cause__
    return found if cause is None or found[semconv.HTTP_STATUS_CODE] is not None else _told(cause)


def _told(error: BaseException) -> dict[str, Any]:
    found = (getattr(error, name, None) for name in _RESPONSES)
    response = next((each for each in found if each is not None), None)
    status = count(getattr(error, "status_code", None))
    if status is None:
        status = count(getattr(response, "status_code", None))
    headers = getattr(error, "headers", None) or getattr(response, "headers", None)
    return {semconv.HTTP_STATUS_CODE: status, **told_by(status, headers)}


def salvaged(shape: Shape, call: Call) -> Answer | None:
    """The answer that arrived and of which the SDK could make nothing: it was paid for.

    What it said is not known where the response is gone or was cut.
    """
    notes: Mapping[Any, Any] = {} if call.frame is None else call.frame.notes
    if notes.get(ANSWERED) is not True:
        return None
    response = notes[LATEST_RESPONSE]()
    # requests keeps False in _content until the body is read; httpx has no _content until then.
    data = getattr(response, "_content", False)
    if not isinstance(data, bytes):
        return Answer(status=_OK)
    answer = answer_in(shape, data, status=_OK)
    if answer.body is None and answer.error is None:
        answer.output_bytes = len(data)
    return answer
