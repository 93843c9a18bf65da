"""A model provider on this machine: real wire formats, scripted answers and faults, a ledger."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from flowspan.testing.address import ProviderAddress
from flowspan.testing.answering import decide
from flowspan.testing.connection import Connection, HttpRequest
from flowspan.testing.delivery import deliver
from flowspan.testing.exchange import JSON, Exchange
from flowspan.testing.journal import Journal, JournalView
from flowspan.testing.ledger import Ledger, LedgerEntry
from flowspan.testing.realtime import Conversation
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.reception import parse_body, understand
from flowspan.testing.retrieval import Shelf
from flowspan.testing.script import Fault, Reply
from flowspan.testing.server import LoopbackServer
from flowspan.testing.websocket import WebSocket, is_upgrade
from flowspan.testing.wire import openai_realtime
from flowspan.testing.wire.registry import FORMATS, Route, route

Responder = Callable[[ReceivedRequest], Reply | str]
"""What makes the reply to a request."""


class FakeProvider(ProviderAddress):
    """A local HTTP server that speaks like OpenAI and Anthropic and knows what it charged.

    ::

        with FakeProvider() as provider:
            client = openai.OpenAI(base_url=provider.openai_url, api_key="any")
            provider.reply("Hello there", Reply(tool_calls=(ToolCall("search", {"q": "x"}),)))
            provider.fail(Fault.rate_limited(), times=2)
            client.chat.completions.create(model="gpt-5-mini", messages=[...])
            assert provider.ledger.total().output_tokens == 2

    It serves the paths of all its formats (``testing.wire``), whatever stands before them, OpenAI's
    realtime sockets too, and asks for no key.  What answers a request, first that applies:

    1. a fault of ``fail(...)``; one in the answer's place (a status, a reset) uses up no reply;
    2. the next reply of ``reply(...)``;
    3. what ``respond`` returns, if it is set;
    4. ``Reply()``: an echo.

    Answers are reproducible: ids are counted, times constant, and without a ``usage`` in the
    reply a token is a word (see ``Reply``).

    A request is charged before its client can have seen the end of the answer, so ``ledger`` is
    complete when the client's call has returned; only a stream that the client leaves is charged
    when the provider notices (``ledger.wait_for``).  Then, and where a fault ends a stream, the
    input is charged in full and the output for the content chunks sent.

    Its addresses are ``url``, ``openai_url`` and ``anthropic_url``; ``environment`` has them as the
    variables that SDKs read.

    Attributes:
        respond: A function of the request that makes the reply; called on the connection's thread,
            by several at once.  If it raises, the answer is a 500 that names the exception.
        ledger: What was charged; live, read-only.  Other processes: ``GET /__ledger__``.
        requests: All that arrived; live, read-only.
    """

    def __init__(
        self,
        *,
        respond: Responder | None = None,
        port: int = 0,
    ) -> None:
        """Starts serving at once.

        Args:
            respond: First value of the attribute ``respond``.
            port: Port on 127.0.0.1; 0 takes a free one.
        """
        self.respond = respond
        self._requests = Journal[ReceivedRequest]()
        self._charges = Journal[LedgerEntry]()
        self.requests = JournalView(self._requests)
        self.ledger = Ledger(self._charges)
        self._script_lock = threading.Lock()
        self._replies: deque[Reply] = deque()
        self._faults: deque[Fault] = deque()
        self._shelf = Shelf()
        self._server = LoopbackServer(self._handle, port=port)
        super().__init__(f"http://127.0.0.1:{self._server.port}")

    def reply(self, *replies: Reply | str) -> None:
        """Queues answers for the next requests; a text is short for ``Reply(text)``."""
        with self._script_lock:
            self._replies.extend(_as_reply(reply) for reply in replies)

    def fail(self, fault: Fault, *, times: int = 1) -> None:
        """Makes the next ``times`` requests meet a fault; queued behind earlier ones."""
        with self._script_lock:
            self._faults.extend([fault] * times)

    def clear(self) -> None:
        """Forgets requests, charges, queued replies and faults, and ``respond``."""
        with self._script_lock:
            self._replies.clear()
            self._faults.clear()
            self._shelf.clear()
            self.respond = None
        self._requests.clear()
        self._charges.clear()

    def close(self) -> None:
        """Stops serving and drops what is still open; a second call does nothing."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _handle(self, http: HttpRequest, connection: Connection) -> None:
        if http.path == "/__ledger__":
            connection.send(200, JSON, self.ledger.to_json().encode())
            return
        if is_upgrade(http) and route("POST", http.path).wire is openai_realtime.FORMAT:
            self._converse(http, connection)
            return
        asked, body, fault = route(http.method, http.path), {}, None
        try:
            body = parse_body(http, asked)
        except ValueError as error:
            fault = Fault.http(400, retry_after=None, message=str(error))
        if asked.wire is None:
            fault = _not_found(f"Unknown request URL: {http.method} {http.path}")
        request = self._requests.add(lambda index: understand(http, body, asked, index))
        wire = asked.wire or FORMATS[0]  # in whose form the refusal is
        exchange = Exchange(wire, request, connection, self._requests, self._charges)
        if fault is not None:
            exchange.refuse(fault)
        elif asked.retrieved is not None:
            self._shelf.retrieve(asked.retrieved, exchange)
        else:
            self._answer(exchange)

    def _converse(self, http: HttpRequest, connection: Connection) -> None:
        wire = openai_realtime.FORMAT

        def asked(body: dict[str, Any]) -> Exchange:
            request = self._requests.add(
                lambda index: understand(http, body, Route(wire), index, stream=True)
            )
            return Exchange(wire, request, connection, self._requests, self._charges)

        socket = WebSocket(connection, http, wire.headers("req_socket"))
        Conversation(http, socket, asked, self._next_reply).run()

    def _answer(self, exchange: Exchange) -> None:
        try:
            reply = self._next_reply(exchange.request)
        except Exception as error:  # noqa: BLE001 - a test's function may raise anything
            reply = Reply(fault=Fault.http(500, message=f"respond raised {error!r}"))
        if reply.fault is not None and reply.fault.precedes_answer:
            exchange.refuse(reply.fault)
            return
        answer = decide(reply, exchange.request, exchange.wire)
        if not self._shelf.keep(exchange, reply, answer):
            deliver(exchange, reply, answer)

    def _next_reply(self, request: ReceivedRequest) -> Reply:
        with self._script_lock:
            fault = self._faults.popleft() if self._faults else None
            if fault is not None and fault.precedes_answer:
                return Reply(fault=fault)
            reply = self._replies.popleft() if self._replies else None
            respond = self.respond
        if reply is None:
            reply = _as_reply(respond(request)) if respond is not None else Reply()
        return reply if fault is None else replace(reply, fault=fault)


def _as_reply(reply: Reply | str) -> Reply:
    return Reply(reply) if isinstance(reply, str) else reply


def _not_found(message: str) -> Fault:
    return Fault.http(404, retry_after=None, message=message)
