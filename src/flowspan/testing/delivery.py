"""An answer on its way to the client, whole or streamed, charged before its end can be seen."""

from __future__ import annotations

import gzip
from dataclasses import replace

from flowspan.testing.connection import ClientClosedError
from flowspan.testing.exchange import Exchange
from flowspan.testing.ledger import Outcome
from flowspan.testing.script import Reply
from flowspan.testing.streaming import StreamedAnswer
from flowspan.testing.wire.format import Answer, encode


def deliver(exchange: Exchange, reply: Reply, answer: Answer) -> None:
    """Sends an answer as the request asked for it."""
    headers = {**exchange.headers(), **exchange.wire.answer_headers(answer), **reply.headers}
    wire, path = exchange.wire, exchange.request.path
    events = wire.events if wire.events_of is None else wire.events_of(path)
    if exchange.request.stream and events is not None:
        headers |= {"content-type": events.media_type, "cache-control": "no-cache"}
        StreamedAnswer(exchange, events, reply, answer).send(headers)
    elif reply.fault is not None and reply.fault.kind == "error_event":
        exchange.refuse(replace(reply.fault, kind="status"))
    else:
        media_type = exchange.wire.media_type_of(exchange.request)
        _send_whole(exchange, reply, answer, {"content-type": media_type, **headers})


def _send_whole(exchange: Exchange, reply: Reply, answer: Answer, headers: dict[str, str]) -> None:
    kind = None if reply.fault is None else reply.fault.kind
    body = encode(exchange.wire.body(answer))
    if kind == "malformed":
        body = body[: len(body) // 2]
    if reply.gzip:
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    try:
        exchange.connection.pause(reply.delay)
        if reply.gate is not None:
            exchange.connection.wait_at(reply.gate)
    except ClientClosedError:
        exchange.charge(answer, answer.usage, outcome="client_closed", told=False)
        raise
    cut = kind == "cut"
    exchange.answered(200)
    outcome: Outcome = "cut" if cut else "completed"
    entry = exchange.charge(answer, answer.usage, outcome=outcome, told=kind is None)
    try:
        exchange.connection.send(200, headers, body, upto=len(body) // 2 if cut else None)
    except ClientClosedError:
        exchange.amend(entry, told=False)
        raise
    if cut:
        exchange.connection.shut()
