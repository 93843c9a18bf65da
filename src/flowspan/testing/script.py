"""What a test tells the fake provider to do: replies, tool calls, faults and gates."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from flowspan.usage import Usage

FaultKind = Literal["status", "page", "reset", "cut", "error_event", "malformed"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for.

    Attributes:
        name: Name of the tool.
        arguments: Its arguments; a text is sent as it is, broken JSON included.
        id: The call's id; None gives a counted one.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    _: KW_ONLY
    id: str | None = None

    @property
    def arguments_text(self) -> str:
        """The arguments as the JSON text that goes over the wire."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class Gate:
    """Holds an answer until the test opens it, so that nobody has to sleep.

    A stream is held before its content chunk number ``after_chunks`` (from 0), so that exactly
    that many chunks have been sent; an answer that is not streamed is held before its first byte.
    A client that hangs up at a closed gate is noticed at once.

    ::

        gate = Gate(after_chunks=2)
        provider.reply(Reply("one two three", gate=gate))
        ...                       # read two chunks
        gate.wait_until_reached()  # the provider has sent two and waits
        gate.open()
    """

    def __init__(self, *, after_chunks: int = 0, opened: threading.Event | None = None) -> None:
        self.after_chunks = after_chunks
        self.reached = threading.Event()
        self.opened = opened or threading.Event()

    def open(self) -> None:
        """Lets the answer go on; a gate stays open."""
        self.opened.set()

    def wait_until_reached(self, *, timeout: float = 5.0) -> None:
        """Waits until an answer stands at the gate.

        Raises:
            TimeoutError: None came within ``timeout`` seconds.
        """
        if not self.reached.wait(timeout):
            raise TimeoutError(f"no answer has reached the gate within {timeout} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with an answer.  Use the class methods.

    ========================== =========================================== ====================
    fault                      what the client sees                        charged
    ========================== =========================================== ====================
    ``rate_limited()``         429, retry-after and rate-limit headers     nothing
    ``server_error()``         500                                         nothing
    ``overloaded()``           529 (Anthropic's "overloaded")              nothing
    ``http(status)``           any status with an error body               nothing
    ``page()``                 200 with a page of HTML, as of a proxy      nothing
    ``reset()``                connection reset before the first byte      nothing
    ``cut(after_chunks=k)``    stream ends without its end; an answer      input, and output for
                               that is not streamed ends in the middle     what was sent
                               of its body                                 (all if not a stream)
    ``error_event(...)``       an error event in mid-stream; 500 for an    as ``cut``; nothing
                               answer that is not streamed                 if not a stream
    ``malformed(...)``         broken JSON: the body, or the content       everything
                               chunk number ``after_chunks``
    ========================== =========================================== ====================

    A fault of a stream strikes when exactly ``after_chunks`` content chunks were sent (or all, if
    there are fewer); what precedes the first content chunk has been sent then.

    Attributes:
        kind: What goes wrong.
        status: HTTP status of a ``status`` fault.
        retry_after: Seconds that the answer asks the client to wait, None for not a word.  Goes
            out as ``retry-after`` (whole seconds) and ``retry-after-ms``; both SDKs obey the
            latter.  The default is one millisecond, so that retries in tests take no time.
        after_chunks: Content chunks sent before a stream's fault strikes.
        message: The error message; None for the usual one.
    """

    kind: FaultKind
    status: int = 500
    retry_after: float | None = 0.001
    after_chunks: int = 0
    message: str | None = None

    @classmethod
    def http(
        cls, status: int, *, retry_after: float | None = 0.001, message: str | None = None
    ) -> Fault:
        """Any HTTP status with the error body of the provider."""
        return cls(kind="status", status=status, retry_after=retry_after, message=message)

    @classmethod
    def rate_limited(cls, *, retry_after: float | None = 0.001) -> Fault:
        """Status 429 with retry-after and rate-limit headers."""
        return cls(kind="status", status=429, retry_after=retry_after)

    @classmethod
    def server_error(cls, *, retry_after: float | None = 0.001) -> Fault:
        """Status 500."""
        return cls(kind="status", status=500, retry_after=retry_after)

    @classmethod
    def overloaded(cls, *, retry_after: float | None = 0.001) -> Fault:
        """Status 529."""
        return cls(kind="status", status=529, retry_after=retry_after)

    @classmethod
    def page(cls) -> Fault:
        """Status 200 with a page of HTML, as a proxy or a login in between may give."""
        return cls(kind="page", status=200)

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset after the request was read, before any byte of the answer."""
        return cls(kind="reset")

    @classmethod
    def cut(cls, *, after_chunks: int = 1) -> Fault:
        """The connection is closed in the middle of the answer."""
        return cls(kind="cut", after_chunks=after_chunks)

    @classmethod
    def error_event(cls, *, after_chunks: int = 1, message: str | None = None) -> Fault:
        """The stream ends with an error event."""
        return cls(kind="error_event", after_chunks=after_chunks, message=message)

    @classmethod
    def malformed(cls, *, after_chunks: int = 1) -> Fault:
        """The answer, or one event of it, is not JSON; the stream goes on after that event."""
        return cls(kind="malformed", after_chunks=after_chunks)

    @property
    def precedes_answer(self) -> bool:
        """True where the fault takes the answer's place, so that no reply is used up by it."""
        return self.kind in {"status", "page", "reset"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the fake provider.  What is left out follows the rules below.

    Attributes:
        text: The answer.  None with nothing else said: ``Echo: `` and the prompt's last text, or an
            instance of the JSON schema that the request asks for.
        choices: Texts of several choices, first one included; without it a request for ``n``
            choices gets the same text ``n`` times.
        chunks: The pieces in which ``text`` is streamed, which may be given in its place; None
            for its words.
        tool_calls: Tools that the first choice asks for.
        refusal: What the model says instead of an answer.
        reasoning: Reasoning that is shown: a thinking block (Anthropic), a reasoning item with a
            summary (OpenAI responses); nothing in OpenAI chat.
        usage: What is charged.  Parts that are None follow the rule: a token of input for each
            word of the prompt's texts, a token of output for each chunk of the answer, that is
            for each word of its texts, shown reasoning and arguments of tool calls.
        finish_reason: The provider's own word, sent as it is; None for what the answer implies.
        model: The model named in the response; None for the one asked for.
        polls: How often an answer that is made in the background is asked for before it is there.
        delay: Seconds before the first byte.
        chunk_delay: Seconds before each content chunk.
        gate: Holds the answer until it is opened.
        fault: What goes wrong with this answer.
        gzip: True to compress an answer that is not streamed.
        headers: More response headers.
    """

    text: str | None = None
    _: KW_ONLY
    choices: tuple[str, ...] = ()
    chunks: tuple[str, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    model: str | None = None
    polls: int = 0
    delay: float = 0.0
    chunk_delay: float = 0.0
    gate: Gate | None = None
    fault: Fault | None = None
    gzip: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.chunks is not None and self.text not in {None, "".join(self.chunks)}:
            raise ValueError(
                f"Reply: the chunks join to {''.join(self.chunks)!r}, the text is {self.text!r}; "
                "give one of them, or make them agree"
            )
