"""Model calls over OpenAI's sockets: realtime conversations, and responses on a connection.

Both kinds of connection, and whoever reads their raw messages, make events of them by one method;
its rows see the few that matter.  The call is seen when it is done: its span begins where the
server said that the response began.  A message that is never made an event is not seen, and
neither is what an event that never comes would have said: a connection that breaks.
"""

from __future__ import annotations

import json
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from flowspan import semconv
from flowspan.instrumentation.clients import azure_openai
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.openai_realtime import HEARD, REALTIME
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count, read, text, word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.integration import Attributes, Call, Content, Patch, ToolRequest
from flowspan.usage import Usage

_HEAD: Final = 512
"""Bytes of an event within which its type stands."""
_TYPE: Final = re.compile(rb'"type" *: *"([a-z_.]+)"')
_NEWS: Final = frozenset({"session.created", "session.updated", "response.created"})
_EVENT: Final = "openai.event"
_MOST_BEGUN: Final = 64


class _End(NamedTuple):
    """What an event that ends a call is about: its format, and the member that has the answer."""

    shape: Shape
    member: str = ""


_HEARD: Final = "conversation.item.input_audio_transcription.completed"
_REALTIME: Final = {"response.done": _End(REALTIME, "response"), _HEARD: _End(HEARD)}
_RESPONSES: Final = dict.fromkeys(
    ("response.completed", "response.incomplete", "response.failed"), _End(RESPONSES, "response")
)


@dataclass(slots=True)
class _Session:
    """What is known of a connection.

    Attributes:
        model: The model that answers.
        listener: The model that writes down what was said.
        begun: When responses began, by id, in nanoseconds of the monotonic clock.
    """

    model: str | None = None
    listener: str | None = None
    begun: dict[str, int] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        """Learn from an event."""
        session, response = read(event, "session"), read(event, "response")
        if session is not None:
            self.model = word(read(session, "model")) or self.model
            heard = read(read(read(session, "audio"), "input"), "transcription")
            heard = heard or read(session, "input_audio_transcription")
            self.listener = word(read(heard, "model")) or self.listener
        if (identity := word(read(response, "id"))) is not None:
            self.begun[identity] = time.perf_counter_ns()
            while len(self.begun) > _MOST_BEGUN:
                self.begun.pop(next(iter(self.begun)))


_sessions: Final[weakref.WeakKeyDictionary[Any, _Session]] = weakref.WeakKeyDictionary()


def _session(call: Call) -> _Session:
    return _sessions.setdefault(call.instance, _Session())


# --- events ---------------------------------------------------------------------------------------


def _data(call: Call) -> Any:
    return call.argument("data", 0)


def _type_in(data: Any) -> str:
    head = data[:_HEAD].encode() if isinstance(data, str) else bytes(data[:_HEAD])
    found = _TYPE.search(head)
    return "" if found is None else found[1].decode()


def _type(call: Call) -> str:
    return _type_in(_data(call))


def _glance(ends: dict[str, _End]) -> Callable[[Any, tuple[Any, ...], Mapping[str, Any]], bool]:
    """Lets nearly all events pass: pieces of text and audio."""
    telling = _NEWS | ends.keys()

    def tells(_connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        return _type_in(args[0] if args else kwargs.get("data", b"")) in telling

    return tells


def _loaded(call: Call) -> Any:
    try:
        return json.loads(_data(call))
    except (ValueError, RecursionError):
        return None


def _ends(ends: dict[str, _End]) -> Callable[[Call], bool]:
    """Whether an event ends a call; what it tells for later calls is learnt."""

    def ends_a_call(call: Call) -> bool:
        kind = _type(call)
        if kind in _NEWS:
            _session(call).take(_loaded(call))
        return kind in ends

    return ends_a_call


def _event(call: Call) -> Any:
    notes = {} if call.frame is None else call.frame.notes
    if _EVENT not in notes:
        notes[_EVENT] = _loaded(call)
    return notes[_EVENT]


# --- where it goes --------------------------------------------------------------------------------


def _uri(call: Call) -> Any:
    """The address of the socket, as the library below the SDK has it."""
    protocol = read(read(call.instance, "_connection"), "protocol")
    return read(protocol, "uri") or read(protocol, "wsuri")


def _place(call: Call) -> Place:
    uri = _uri(call)
    return Place(text(read(uri, "host")), count(read(uri, "port")))


def _asked(call: Call, name: str) -> str | None:
    query = parse_qs(text(read(_uri(call), "query")) or "")
    return word(next(iter(query.get(name, ())), None))


# --- rows -----------------------------------------------------------------------------------------


class _Connection(NamedTuple):
    """A class of connections: where it is, and the events that end calls on it."""

    modules: tuple[str, ...]
    owner: str
    ends: dict[str, _End]


_CONNECTIONS: Final = (
    _Connection(("openai.resources.realtime.realtime",), "RealtimeConnection", _REALTIME),
    _Connection(("openai.resources.beta.realtime.realtime",), "RealtimeConnection", _REALTIME),
    _Connection(("openai.resources.responses.responses",), "ResponsesConnection", _RESPONSES),
    _Connection(("openai.resources.beta.responses.responses",), "ResponsesConnection", _RESPONSES),
)


class _Reader:
    """The extractors of a row."""

    def __init__(self, ends: dict[str, _End]) -> None:
        self._ends = ends

    def _shape(self, call: Call) -> Shape:
        return self._ends[_type(call)].shape

    def _answer(self, call: Call) -> Answer:
        member = self._ends[_type(call)].member
        event = _event(call)
        body = read(event, member) if member else event
        failed = error_type_of(read(body, "status_details")) or error_type_of(body)
        return Answer(body, error=failed)

    def operation(self, call: Call) -> str:
        return self._shape(call).operation

    def name(self, call: Call) -> str | None:
        session = _session(call)
        shape = self._shape(call)
        if shape is HEARD:
            return session.listener
        if shape is RESPONSES:
            return word(read(read(_loaded(call), "response"), "model"))
        return session.model or _asked(call, "model") or _asked(call, "deployment")

    def began(self, call: Call) -> int | None:
        identity = word(read(read(_loaded(call), "response"), "id"))
        begun = _session(call).begun.pop(identity or "", None)
        return None if begun is None else time.perf_counter_ns() - begun

    def request(self, call: Call) -> Attributes:
        place = _place(call)
        found = describe.request_attributes(self._shape(call), {}, place)
        found[semconv.TRANSPORT] = "sdk"
        found[semconv.REQUEST_STREAM] = True
        if _asked(call, "deployment") is not None:
            found[semconv.PROVIDER_NAME] = azure_openai.PROVIDER
        return found

    def response(self, call: Call, _result: Any) -> Attributes:
        return describe.response_attributes(self._shape(call), self._answer(call))

    def usage(self, call: Call, _result: Any) -> Usage | None:
        return describe.usage_of(self._shape(call), {}, self._answer(call))

    def outcome(self, call: Call, _result: Any) -> str | None:
        return describe.error_type(self._answer(call))

    def tools(self, call: Call, _result: Any) -> Iterable[ToolRequest]:
        return describe.requested_tools(self._shape(call), self._answer(call))

    def content(self, call: Call, result: Any) -> Content:
        if result is None:
            return Content()
        return describe.output_content(self._shape(call), self._answer(call))


def _rows() -> Iterator[Patch]:
    for modules, owner, ends in _CONNECTIONS:
        reader = _Reader(ends)
        for prefix in ("", "Async"):
            targets = [f"{module}:{prefix}{owner}.parse_event" for module in modules]
            yield Patch(
                target=targets[0],
                moved=tuple(targets[1:]),
                kind="llm",
                operation=reader.operation,
                name=reader.name,
                glance=_glance(ends),
                when=_ends(ends),
                began=reader.began,
                request=reader.request,
                response=reader.response,
                usage=reader.usage,
                outcome=reader.outcome,
                tools=reader.tools,
                content=reader.content,
                optional=True,
            )


ROWS: Final = tuple(_rows())
