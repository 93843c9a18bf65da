"""A realtime conversation on a socket: what the client says, and what the provider answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flowspan.testing.answering import decide, share
from flowspan.testing.connection import ClientClosedError, HttpRequest
from flowspan.testing.exchange import Exchange
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.script import Reply
from flowspan.testing.websocket import WebSocket
from flowspan.testing.wire import openai_realtime
from flowspan.testing.wire.format import Answer, Json

Asked = Callable[[Json], Exchange]
"""What notes a request with that body, as if it had come by itself."""


@dataclass(slots=True)
class Conversation:
    """One socket, from ``session.created`` until it is closed.

    Each ``response.create`` is a request of its own, with a reply and a charge of its own.  What
    the client says in between is put into the conversation and acknowledged.

    Attributes:
        http: The request that opened the socket.
        socket: The socket.
        asked: Notes a request.
        reply: The next reply for a request.
    """

    http: HttpRequest
    socket: WebSocket
    asked: Asked
    reply: Callable[[ReceivedRequest], Reply]
    session: Json = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    events: int = 0

    def run(self) -> None:
        """Answers until the client closes the socket."""
        query = parse_qs(urlsplit(self.http.path).query)
        named = query.get("model") or query.get("deployment") or [""]
        self.session = {"type": "realtime", "object": "realtime.session", "model": named[0]}
        self._say({"type": "session.created", "session": self.session})
        while (event := self.socket.receive()) is not None:
            handle = _HANDLERS.get(str(event.get("type")))
            if handle is not None:
                handle(self, event)

    def _say(self, event: Json) -> None:
        self.events += 1
        kind = event.pop("type")
        self.socket.send({"type": kind, "event_id": f"event_{self.events:06d}", **event})

    def _update(self, event: Json) -> None:
        self.session = {**self.session, **event.get("session", {})}
        self._say({"type": "session.updated", "session": self.session})

    def _create_item(self, event: Json) -> None:
        item = event.get("item", {})
        self.items.append(item)
        self._say({"type": "conversation.item.added", "item": item})
        heard = self.session.get("audio", {}).get("input", {}).get("transcription")
        if heard and _has_audio(item):
            usage = {"type": "duration", "seconds": 1.5}
            kind = "conversation.item.input_audio_transcription.completed"
            said = {"item_id": "item_heard", "content_index": 0, "transcript": "Tell me"}
            self._say({"type": kind, **said, "usage": usage})

    def _respond(self, event: Json) -> None:
        body = {**self.session, "input": self.items, **event.get("response", {})}
        exchange = self.asked(body)
        reply = self.reply(exchange.request)
        answer = decide(reply, exchange.request, exchange.wire)
        exchange.answered(200)
        self._stream(exchange, reply, answer)
        self.items.extend(openai_realtime.response(answer, done=True)["output"])

    def _stream(self, exchange: Exchange, reply: Reply, answer: Answer) -> None:
        """Send the events of a response; it is charged before its last one is sent."""
        events = list(openai_realtime.events(answer))
        sent, total = 0, sum(content for _, content in events)
        try:
            for event, content in events:
                if reply.gate is not None and content and sent == reply.gate.after_chunks:
                    exchange.connection.wait_at(reply.gate, check=self.socket.check)
                if event is events[-1][0]:
                    exchange.charge(answer, answer.usage, outcome="completed", told=True, sent=sent)
                self._say(event)
                sent += content
        except ClientClosedError:
            usage = share(answer.usage, sent, total)
            exchange.charge(answer, usage, outcome="client_closed", told=False, sent=sent)
            raise


def _has_audio(item: Json) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(part.get("type") == "input_audio" for part in content)


_HANDLERS: dict[str, Callable[[Conversation, Json], None]] = {
    "session.update": Conversation._update,  # noqa: SLF001 - the table of this class
    "conversation.item.create": Conversation._create_item,  # noqa: SLF001
    "response.create": Conversation._respond,  # noqa: SLF001
}
"""What is done with each message of the client; others are taken and not answered."""
