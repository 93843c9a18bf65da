"""The vocabulary of wire formats: how requests and answers of one API are read.

A format is a :class:`Shape`, a table of pure functions.  An SDK's keywords and a JSON body have the
same members, so that one shape serves both; answers are JSON bodies, typed objects of an SDK, or
what a stream added up to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

Body = Mapping[str, Any]
Converter = Callable[[Any], AttributeValue | None]
Rules = Mapping[str, tuple[tuple[str, Converter], ...]]
"""By a request's member: the attributes that it gives, each with what makes its value."""


def no_tools(_body: Any) -> Iterable[ToolRequest]:
    """A format in which a model cannot ask for tools."""
    return ()


def nothing_charged(_body: Body) -> Usage | None:
    """Nothing can be told from the request alone."""
    return None


def newest(events: Sequence[Body]) -> dict[str, Any]:
    """The body of formats whose answer comes whole, also where it is asked for as a stream."""
    return dict(events[-1])


def never(_body: Any) -> bool:
    """Not in this format."""
    return False


def model_in_body(_path: str, body: Body) -> str | None:
    """The model where most formats name it."""
    model = body.get("model")
    return model if isinstance(model, str) else None


def streams_if_asked(_path: str, body: Body) -> bool:
    """Whether a stream is asked for where most formats ask for it."""
    return body.get("stream") is True


@dataclass(slots=True)
class Answer:
    """What came back from a model call, complete or not.

    Attributes:
        body: The answer in the form that it has when it is not streamed: a parsed JSON body, an
            SDK's object, or ``None`` if nothing arrived that could be read.
        output_bytes: How much text a stream has brought, in UTF-8 bytes; ``None`` if the answer
            was no stream, so that its text is in ``body``.
        status: HTTP status, where it is known.
        error: ``error.type`` of an error inside the answer.
    """

    body: Any = None
    output_bytes: int | None = None
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What to look for in the bytes of a stream's events, so that most are never parsed.

    An event that reports an error is always found, and ends the stream.

    Attributes:
        text: Members whose text is output; of an event, the first that is not empty is measured.
        each: Every event where one of these members is a text is kept, and parsed at the end.
        latest: Of the events where such a member is an object only the newest is kept.
        over: Types of events that say that the stream is over.
        flags: Members that are ``true`` in the event with which the stream is over.
        bulky: Events hold data (images, audio): only those that are marked are kept.
    """

    text: tuple[str, ...]
    each: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    bulky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One API of one provider, as many others may speak it too.

    Attributes:
        name: ``openai.chat``, …
        provider: Whose format it is: ``gen_ai.provider.name`` where the address says nothing.
        operation: ``gen_ai.operation.name``.
        paths: How the paths of its requests end.
        matches: Whether a JSON body is a request of this format.
        request: Members of a request that are attributes.
        response: Attributes of an answer's body.
        usage: Token counts of an answer's body, where it has any.
        prompt: The members of a request that hold its prompt.
        output: The text of an answer's body, in any nesting.
        generates: False for operations without output tokens.
        billed: False where nothing is charged: the call fetches an answer that was paid for before.
        estimated: Whether tokens that nobody said are estimated; those of images and audio are not.
        charged: What a request alone tells of what is charged, where the answer says nothing.
        output_type: ``gen_ai.output.type``, where it is always the same.
        marks: What matters in the events of a stream.
        fold: Makes a body of those events of a stream that were kept.  With ``lines`` or ``array``
            it may be given a whole body as the only event, and gives that back.
        input: System instructions and input messages, in the conventions' format.
        messages: Output messages of an answer's body.
        tools: Tools that an answer's body asks the program to run; of a stream their names are
            kept by the marks.
        unfinished: Whether an answer is only a promise of one, whose tokens nobody knows yet.
        model: The model that a request's path and body ask for.
        streams: Whether a request's path and body ask for a stream.
        lines: A stream may be JSON values, one on each line, instead of server-sent events.
        array: A stream may be one JSON array of its events that comes piece by piece.
        own: Whether path and body are nobody else's.  Else a request by plain HTTP is taken for one
            of this format only at hosts of model providers and those that the user names.
        header: A header of the request that tells whose format it is as well as the host does.
        port: A port that does.
    """

    name: str
    provider: str
    operation: str
    paths: tuple[str, ...]
    matches: Callable[[Body], bool]
    request: Rules
    response: Callable[[Any], dict[str, AttributeValue | None]]
    usage: Callable[[Any], Usage | None]
    prompt: tuple[str, ...]
    output: Callable[[Any], Any]
    marks: Marks
    fold: Callable[[Sequence[Body]], dict[str, Any]]
    input: Callable[[Body], tuple[Any, Any]]
    messages: Callable[[Any], Any]
    generates: bool = True
    billed: bool = True
    estimated: bool = True
    charged: Callable[[Body], Usage | None] = nothing_charged
    output_type: str | None = None
    tools: Callable[[Any], Iterable[ToolRequest]] = no_tools
    unfinished: Callable[[Any], bool] = never
    model: Callable[[str, Body], str | None] = model_in_body
    streams: Callable[[str, Body], bool] = streams_if_asked
    lines: bool = False
    array: bool = False
    own: bool = True
    header: str = ""
    port: int = 0
