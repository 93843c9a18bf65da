"""How a client is driven: every way of calling a model through it, told as data.

A driver is written the way a user of the client would write it, and knows nothing of flowspan but
the integrations that see it.  Whoever asks (the tests, the benchmarks, the documentation) walks
over ``Client.ways``, scripts the provider, runs the way, and compares with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from flowspan.instrumentation.integration import Integration
from flowspan.testing import FakeProvider

Ability = Literal["cache", "reasoning", "tools", "choices", "refusal"]
"""What an answer may have that not every format can say."""

QUESTION = "Tell me a story please"
"""What every way asks."""

ANSWER = ("Once ", "upon ", "a ", "tide ", "there ", "was.")
"""What the provider says, in the pieces in which it is streamed."""

RAW = frozenset({"raw", "streaming response"})
"""Variants of SDKs where the call gives an HTTP response, which the program parses later."""

PATIENCE_SECONDS = 0.05
"""How long an impatient client waits for the next bytes."""


class Opened(NamedTuple):
    """A streamed answer that is open.

    Attributes:
        subject: What the program holds; the stream is dropped when it is.
        items: Begins to iterate over it, synchronously or asynchronously.
        close: Closes it as the client's users do (may return an awaitable); ``None`` where the
            client has no such thing.
    """

    subject: Any
    items: Callable[[], Any]
    close: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of calling a model through a client.

    Attributes:
        call: As a user of the client would name it: ``chat.completions.create``.
        format: The wire format in the provider's ledger: ``openai.chat``.
        operation: ``gen_ai.operation.name`` of its span.
        model: The model asked for; one that the price lists know, unless the provider is free.
            Empty where a call names none.
        connect: Makes a client that talks to the provider.
        run: Makes the call with :data:`QUESTION`; a function, or a coroutine function if
            ``asynchronous``.  Returns the result, or an ``Opened`` if ``stream``.
        disconnect: Gives the client's connections back; may return an awaitable.
        asynchronous: Whether ``run`` is a coroutine function and streams are asynchronous.
        stream: Whether the answer is streamed.
        reports: Whether an answer that was read to its end says its tokens.
        text: False for images, audio and moderations: nothing is estimated there and there is no
            finish reason; what was not told is not known.
        can: What its answers can have.
        tries: Requests that the client makes when the provider is overloaded (503) once: 2 where
            it tries again by itself.
        lazy: Whether nothing is asked of the provider before the stream is read.
        ahead: Whether the client reads of a stream before the program does.
        keeps: What the client holds of a stream that was left until it is closed itself: its
            connection, or the stream as well.
        plain: Whether the bytes that the provider sends reach the client as they are; it gets
            messages of protocol buffers otherwise, which are never broken.
        identified: Whether the client lets the ids of answers through.
        reasoned: Whether it says why an answer ended.
        provider: ``gen_ai.provider.name``, where it is not that of the format.
        answer: What the provider must say, for a call that does not take any text.
        impatient: Makes a client that gives an answer up after ``PATIENCE_SECONDS``, and does not
            try again; ``None`` where the client cannot be told to.
        shows: Makes the same call with a picture beside the question; ``None`` where the API takes
            none, or another way of the same format does it.
        variant: Told apart from another way with the same call: ``helper``, ``with``, or one of
            :data:`RAW`.
    """

    call: str
    format: str
    operation: str
    model: str
    connect: Callable[[FakeProvider], Any]
    run: Callable[[Any], Any]
    disconnect: Callable[[Any], Any] | None = None
    asynchronous: bool = False
    stream: bool = False
    reports: bool = True
    text: bool = True
    can: frozenset[Ability] = frozenset()
    tries: int = 1
    lazy: bool = False
    ahead: bool = False
    keeps: Literal["nothing", "connection", "stream"] = "nothing"
    plain: bool = True
    identified: bool = True
    reasoned: bool = True
    provider: str | None = None
    answer: tuple[str, ...] = ANSWER
    impatient: Callable[[FakeProvider], Any] | None = None
    shows: Callable[[Any], Any] | None = None
    variant: str = ""

    @property
    def name(self) -> str:
        """``chat.completions.create, async, stream``: unique within the client."""
        marks = ("async" if self.asynchronous else "", "stream" if self.stream else "")
        return ", ".join(filter(None, (self.call, *marks, self.variant)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client and the ways of calling a model through it.

    Attributes:
        name: As users know it; the name of its integration and of its file.
        module: What is imported to know whether it is installed.
        integrations: What sees it, the HTTP libraries below it included.
        ways: Every call x sync or async x whole or streamed.
        transport: Where its calls are seen: ``flowspan.transport`` of their spans.
        parses: Whether the calls that are seen end with the answer parsed; where a layer above
            parses it, broken JSON is found after them.
        closes_broken: Whether it closes a stream with an event that it cannot read while its
            exception passes.  Earlier versions leave it open: then it is a stream that was left.
    """

    name: str
    module: str
    integrations: tuple[Integration, ...]
    ways: tuple[Way, ...]
    transport: Literal["sdk", "http"] = "sdk"
    parses: bool = True
    closes_broken: bool = True
