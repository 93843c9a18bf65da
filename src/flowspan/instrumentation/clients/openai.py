"""OpenAI's SDK: everything that it calls a model for, called in any way.

The rows are on the methods of the resource classes, because everything leads through them: raw
and streaming responses wrap the bound method, Azure's clients, copies of clients and the
module-level client use the same classes, and the ``stream`` helpers call ``create`` (so they have
no rows of their own).  Where one such method calls another, the outer one owns the call.

Streams are observed at the HTTP response below them (see :mod:`.bodies`), because the SDK's helpers
close that one and not the stream object.  Retries are counted by the rows of :mod:`.http`.
Conversations over a socket have a file of their own: :mod:`.openai_realtime`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from flowspan import semconv
from flowspan.instrumentation.clients import azure_openai, openai_realtime, stainless
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.background import usage_of_background
from flowspan.instrumentation.clients.wire.openai_audio import AUDIO_TEXT, SPEECH
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT, usage_request
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_images import IMAGES
from flowspan.instrumentation.clients.wire.openai_moderations import MODERATIONS
from flowspan.instrumentation.clients.wire.openai_responses import FETCHED, RESPONSES
from flowspan.instrumentation.clients.wire.reading import word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Integration,
    Joiner,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage

_ANSWER: Final = "openai.answer"
"""Where a call notes its answer, which is asked for several times."""

_CHAT: Final = "openai.resources.chat.completions.completions", "openai.resources.chat.completions"
_BETA_CHAT: Final = ("openai.resources.beta.chat.completions",)
_RESPONSES: Final = "openai.resources.responses.responses", "openai.resources.responses"
_BETA_RESPONSES: Final = (
    "openai.resources.beta.responses.responses",
    "openai.resources.beta.responses",
)
_IMAGES: Final = ("openai.resources.images",)


class _Method(NamedTuple):
    """A method that makes a model call: modules that define its class, newest version first."""

    modules: tuple[str, ...]
    owner: str
    name: str
    shape: Shape
    optional: bool = False
    when: Callable[[Call], bool] | None = None


def _asks_itself(call: Call) -> bool:
    """Whether ``parse`` makes the request; in the oldest versions it calls ``create``, which does.

    There ``create`` owns the call: it has the answer still when nothing could be made of it.
    """
    code = getattr(inspect.unwrap(call.function), "__code__", None) if call.function else None
    return "create" not in getattr(code, "co_names", ())


_METHODS: Final[tuple[_Method, ...]] = (
    _Method(_CHAT, "Completions", "create", CHAT),
    _Method(_CHAT, "Completions", "parse", CHAT, optional=True),
    _Method(_BETA_CHAT, "Completions", "parse", CHAT, optional=True, when=_asks_itself),
    _Method(_RESPONSES, "Responses", "create", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "parse", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "compact", RESPONSES, optional=True),
    _Method(_RESPONSES, "Responses", "retrieve", FETCHED, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "create", RESPONSES, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "compact", RESPONSES, optional=True),
    _Method(_BETA_RESPONSES, "Responses", "retrieve", FETCHED, optional=True),
    _Method(("openai.resources.embeddings",), "Embeddings", "create", EMBEDDINGS),
    _Method(("openai.resources.completions",), "Completions", "create", TEXT),
    _Method(_IMAGES, "Images", "generate", IMAGES),
    _Method(_IMAGES, "Images", "edit", IMAGES),
    _Method(_IMAGES, "Images", "create_variation", IMAGES),
    _Method(("openai.resources.audio.transcriptions",), "Transcriptions", "create", AUDIO_TEXT),
    _Method(("openai.resources.audio.translations",), "Translations", "create", AUDIO_TEXT),
    _Method(("openai.resources.audio.speech",), "Speech", "create", SPEECH),
    _Method(("openai.resources.moderations",), "Moderations", "create", MODERATIONS),
)
_QUIET_STREAMS: Final = (CHAT, TEXT)
"""Formats whose streams say their tokens only to those who ask for it."""

_DEPLOYED: Final = (CHAT, TEXT, EMBEDDINGS, IMAGES, AUDIO_TEXT, SPEECH)
"""Formats for which Azure has the deployment in the path."""


# --- the request --------------------------------------------------------------------------------


def _client(call: Call) -> Any:
    return getattr(call.instance, "_client", None)


def _returns_raw(call: Call) -> bool:
    return stainless.returns_raw(call.kwargs.get("extra_headers"))


def _asks_for_events(call: Call) -> bool:
    """Whether speech is asked for as events, which say the tokens, instead of as mere bytes."""
    more = call.kwargs.get("extra_body")
    asked = (call.kwargs, more if isinstance(more, Mapping) else {})
    return any(members.get("stream_format") == "sse" for members in asked)


# --- the answer -----------------------------------------------------------------------------------


def _observed(call: Call, result: Any) -> Any:
    """The HTTP response whose body is yet to be read, if there is one."""
    stream = call.kwargs.get("stream") is True
    return stainless.observed(result, raw=_returns_raw(call), stream=stream)


def _answer(shape: Shape, call: Call, result: Any) -> Answer:
    """The answer in a result: what a stream added up to, a raw response, or a typed object."""
    if isinstance(result, Answer):
        return result
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        known = notes[_ANSWER] = _read_answer(shape, call, result)
    return cast("Answer", known)


def _read_answer(shape: Shape, call: Call, result: Any) -> Answer:
    if shape is not SPEECH:
        return stainless.answer(result, shape, raw=_returns_raw(call))
    # What the SDK returns has the bytes, and the HTTP response below it.
    response = getattr(result, "http_response", None) or getattr(result, "response", None)
    if not _asks_for_events(call):
        return Answer(output_bytes=0)
    return answer_in(shape, getattr(response, "content", None), status=None)


class _Bytes:
    """The joiner of bytes in which there is nothing to be found: audio."""

    def add(self, _chunk: bytes) -> bool:
        """A piece of audio is a piece of the answer."""
        return True

    def result(self) -> Answer:
        """Nothing that could be counted."""
        return Answer(output_bytes=0)


# --- rows ---------------------------------------------------------------------------------------


def _row(targets: Sequence[str], method: _Method) -> Patch:  # noqa: C901 - a table of one-liners
    shape = method.shape

    def model(call: Call) -> str | None:
        deployed = azure_openai.deployment(_client(call)) if shape in _DEPLOYED else None
        return deployed or word(call.kwargs.get("model"))

    def request(call: Call) -> Attributes:
        client = _client(call)
        place = stainless.place(client)
        found = describe.request_attributes(shape, call.kwargs, place)
        found[semconv.TRANSPORT] = "sdk"
        if azure_openai.is_azure(client, place):
            found[semconv.PROVIDER_NAME] = azure_openai.PROVIDER
        return found

    def response(call: Call, result: Any) -> Attributes:
        return describe.response_attributes(shape, _answer(shape, call, result))

    def usage(call: Call, result: Any) -> Usage | None:
        answer = _answer(shape, call, result)
        found = describe.usage_of(shape, call.kwargs, answer)
        return usage_of_background(shape, answer) if found is None else found

    def outcome(call: Call, result: Any) -> str | None:
        return describe.error_type(_answer(shape, call, result))

    def content(call: Call, result: Any) -> Content:
        if result is None:
            return describe.input_content(shape, call.kwargs)
        return describe.output_content(shape, _answer(shape, call, result))

    def tools(call: Call, result: Any) -> Iterable[ToolRequest]:
        return describe.requested_tools(shape, _answer(shape, call, result))

    def join(call: Call) -> Joiner:
        if shape is SPEECH and not _asks_for_events(call):
            return _Bytes()
        return BodyJoiner(shape, content=call.content)

    def salvage(call: Call, _error: BaseException) -> Answer | None:
        return stainless.salvage(call, shape)

    return Patch(
        target=targets[0],
        moved=tuple(targets[1:]),
        kind="llm",
        operation=shape.operation,
        name=model,
        request=request,
        response=response,
        failure=stainless.failure,
        salvage=salvage,
        usage=usage,
        tools=tools if shape.billed else None,
        usage_request=usage_request if shape in _QUIET_STREAMS else None,
        outcome=outcome,
        content=content,
        join=join,
        lazy=_observed,
        when=method.when,
        optional=method.optional,
    )


def _rows() -> Iterator[Patch]:
    for method in _METHODS:
        for prefix in ("", "Async"):
            path = f"{prefix}{method.owner}.{method.name}"
            yield _row([f"{module}:{path}" for module in method.modules], method)


INTEGRATION: Final = Integration("openai", "openai>=1.40", (*_rows(), *openai_realtime.ROWS))
