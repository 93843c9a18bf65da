"""The vocabulary of a wire format: what it is told (an answer) and what it gives (frames)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flowspan.testing.counting import split_chunks
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.script import ToolCall
from flowspan.usage import Usage

Json = dict[str, Any]
Stop = Literal["stop", "length", "tool_calls", "refusal"]

CREATED = 1_790_000_000
"""The time that every answer says it was made at, so that answers are reproducible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One alternative of an answer, in the pieces in which it is streamed."""

    chunks: tuple[str, ...]
    refusal: bool = False
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """The chunks, joined."""
        return "".join(self.chunks)

    @property
    def chunk_count(self) -> int:
        """All pieces of content: reasoning, text and arguments of tool calls."""
        arguments = sum(len(split_chunks(call.arguments_text)) for call in self.tool_calls)
        return len(self.reasoning) + len(self.chunks) + arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply with everything decided; a wire format has only to spell it out."""

    request: ReceivedRequest
    model: str
    choices: tuple[Choice, ...]
    usage: Usage
    stop: Stop
    finish_reason: str | None

    @property
    def number(self) -> str:
        """The digits that all ids of this answer share."""
        return f"{self.request.index + 1:06d}"

    @property
    def in_background(self) -> bool:
        """True if the answer is made whoever waits for it, and so charged in full."""
        return self.request.body.get("background") is True

    def call_id(self, position: int, prefix: str) -> str:
        """The id of a tool call of the first choice."""
        return self.choices[0].tool_calls[position].id or f"{prefix}_{self.number}_{position}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event.

    Attributes:
        data: The bytes of the event.
        content: True if it carries a content chunk.
        usage: True if it carries the final usage.
    """

    data: bytes
    content: bool = False
    usage: bool = False


def _half_an_event(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFormat:
    """How one API spells a streamed answer.

    Attributes:
        frames: All events of an answer; the last one never carries content.
        error: The event of an error, from message and number of events sent before it.
        media_type: Content type of the stream.
        malformed: What is left of an event that is not well-formed.
    """

    frames: Callable[[Answer], Iterator[Frame]]
    error: Callable[[str, int], Frame]
    media_type: str = "text/event-stream; charset=utf-8"
    malformed: Callable[[bytes], bytes] = _half_an_event


def _no_schema(_body: Mapping[str, Any]) -> Json | None:
    return None


def _no_id(_answer: Answer) -> str | None:
    return None


def _no_headers(_about: object) -> dict[str, str]:
    return {}


def _any_path(_path: str) -> bool:
    return True


def model_in_body(_path: str, body: Mapping[str, Any]) -> str | None:
    """The model where most formats name it."""
    model = body.get("model")
    return model if isinstance(model, str) else None


def streams_if_asked(_path: str, body: Mapping[str, Any]) -> bool:
    """Whether a stream is asked for where most formats ask for it."""
    return body.get("stream") is True


def as_ruled(_given: Usage, ruled: Usage, _request: ReceivedRequest) -> Usage:
    """What most formats charge: what the reply says, and the token rule for the rest."""
    return ruled


def parse_json(_headers: Mapping[str, str], body: bytes) -> Json:
    """The JSON object of a body, empty where there is no body.

    Raises:
        ValueError: It is something else; the message is fit for an error answer.
    """
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from None
    if isinstance(value, dict):
        return value
    raise ValueError("The body of your request must be a JSON object")


def member(body: Mapping[str, Any], path: str) -> Any:
    """What a body has at a dotted path; None where it ends early."""
    found: Any = body
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """How one API of one provider spells requests and answers.

    Attributes:
        name: ``openai.chat``, …
        provider: ``openai``, ``anthropic``, …
        operation: Value of ``gen_ai.operation.name``.
        path_endings: Paths that end so are requests of this format; the longest ending wins.
        texts: The texts of the prompt in a request body.
        body: The body of an answer: JSON, or bytes of the media type.
        headers: Headers of every answer, from the request id.
        answer_headers: Further headers, from what the answer is.
        error: The JSON body of an error, from status, message and request id.
        error_headers: Further headers of an error, from its status.
        output_limit: Members of the body (dotted), one of which may limit the output tokens.
        choice_count: Member of the body (dotted) that asks for several choices.
        tiers: The service tier that is served for each one that a request may ask for.
        default_tier: The tier served where none of these was asked for.
        schema: The JSON schema that a request body asks its answer to follow.
        events: How an answer is streamed; None where the API does not stream.
        events_of: The same from a request's path, where the path tells.
        response_id: The id in the body.
        retrievable: True if an answer can be asked for again by its id.
        promise: The body that stands for an answer which is still being made in the background,
            from the answer and its status; None where the API makes none there.
        model: The model that a path and a body ask for.
        streams: Whether a path and a body ask for a stream.
        parse: The members of a request, from its headers and its bytes.
        media_type: Content type of an answer that is not streamed; a function where it depends on
            the request.
        billed: False where asking costs nothing (counting tokens): the ledger has no entry.
        serves: Whether a path with such an ending is a request of this format, where others have
            the same ending.
        meter: What is charged, from what the reply says of it, what the token rule makes of that,
            and the request.
    """

    name: str
    provider: str
    operation: str
    path_endings: tuple[str, ...]
    texts: Callable[[Mapping[str, Any]], Iterable[str]]
    body: Callable[[Answer], Json | bytes]
    headers: Callable[[str], dict[str, str]]
    error: Callable[[int, str, str], Json]
    output_limit: tuple[str, ...] = ()
    choice_count: str = "n"
    tiers: Mapping[str, str] = field(default_factory=dict)
    default_tier: str | None = None
    schema: Callable[[Mapping[str, Any]], Json | None] = _no_schema
    events: EventFormat | None = None
    response_id: Callable[[Answer], str | None] = _no_id
    retrievable: bool = False
    promise: Callable[[Answer, str], Json] | None = None
    model: Callable[[str, Mapping[str, Any]], str | None] = model_in_body
    streams: Callable[[str, Mapping[str, Any]], bool] = streams_if_asked
    parse: Callable[[Mapping[str, str], bytes], Json] = parse_json
    media_type: str | Callable[[ReceivedRequest], str] = "application/json"
    billed: bool = True
    answer_headers: Callable[[Answer], dict[str, str]] = _no_headers
    error_headers: Callable[[int], dict[str, str]] = _no_headers
    serves: Callable[[str], bool] = _any_path
    meter: Callable[[Usage, Usage, ReceivedRequest], Usage] = as_ruled
    events_of: Callable[[str], EventFormat | None] | None = None

    def media_type_of(self, request: ReceivedRequest) -> str:
        """Content type of the answer to a request that asks for no stream."""
        return self.media_type if isinstance(self.media_type, str) else self.media_type(request)


def encode(value: Json | bytes) -> bytes:
    """JSON without spaces, as the providers send it; bytes as they are."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def texts_in(content: object) -> Iterator[str]:
    """The texts of a message's content: a string, or a list of parts with ``text``."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping):
                yield from texts_in(part.get("text", part.get("content")))


def message_texts(messages: object) -> Iterator[str]:
    """The texts of all messages of a list."""
    if isinstance(messages, list):
        for message in messages:
            if isinstance(message, Mapping):
                yield from texts_in(message.get("content"))
