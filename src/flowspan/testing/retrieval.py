"""Answers that can be asked for again by their id, and those that are made in the background."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from flowspan.testing.exchange import Exchange
from flowspan.testing.ledger import LedgerEntry
from flowspan.testing.script import Fault, Reply
from flowspan.testing.wire.format import Answer, encode


@dataclass(slots=True)
class _Kept:
    """An answer, and how often it is still not there.

    Attributes:
        answer: All of it.
        polls: Times that it is asked for in vain.
        entry: Its charge, if nobody has been told of it.
    """

    answer: Answer
    polls: int = 0
    entry: LedgerEntry | None = None


class Shelf:
    """Where answers are kept that may be asked for again."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def clear(self) -> None:
        """Forgets all of them."""
        self._kept.clear()

    def keep(self, exchange: Exchange, reply: Reply, answer: Answer) -> bool:
        """Keeps an answer, if its format and its request allow.

        Returns:
            Whether it is made in the background, so that only a promise of it has been sent.  The
            whole answer is charged then, whoever asks for it.
        """
        wire, request = exchange.wire, answer.request
        identifier = wire.response_id(answer)
        if not wire.retrievable or request.body.get("store") is False or identifier is None:
            return False
        kept = self._kept[identifier] = _Kept(answer)
        if request.stream or wire.promise is None or not answer.in_background:
            return False
        kept.polls = reply.polls
        kept.entry = exchange.charge(answer, answer.usage, outcome="completed", told=False)
        _send(exchange, encode(wire.promise(answer, "queued")))
        return True

    def retrieve(self, identifier: str, exchange: Exchange) -> None:
        """Sends an answer once more, or says that it is still being made."""
        kept = self._kept.get(identifier)
        if kept is None:
            message = f"Response with id '{identifier}' not found."
            exchange.refuse(Fault.http(404, retry_after=None, message=message))
        elif kept.polls and exchange.wire.promise is not None:
            kept.polls -= 1
            _send(exchange, encode(exchange.wire.promise(kept.answer, "in_progress")))
        else:
            if kept.entry is not None:
                exchange.tell(kept.entry)
                kept.entry = None
            _send_again(exchange, kept.answer)


def _send(exchange: Exchange, body: bytes) -> None:
    exchange.answered(200)
    headers = {**exchange.headers(), "content-type": exchange.wire.media_type_of(exchange.request)}
    exchange.connection.send(200, headers, body)


def _send_again(exchange: Exchange, answer: Answer) -> None:
    query = parse_qs(urlsplit(exchange.request.path).query)
    events = exchange.wire.events
    if events is None or query.get("stream") != ["true"]:
        _send(exchange, encode(exchange.wire.body(answer)))
        return
    after = int(query.get("starting_after", ["-1"])[0])
    frames = list(events.frames(answer))[after + 1 :]
    exchange.answered(200)
    exchange.connection.begin_stream(200, {**exchange.headers(), "content-type": events.media_type})
    for frame in frames:
        exchange.connection.send_chunk(frame.data, last=frame is frames[-1])
