"""One request and its answer: the fault or the reply, the bytes, and the charge."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowspan.testing.answering import share
from flowspan.testing.connection import ClientClosedError
from flowspan.testing.ledger import LedgerEntry, Outcome
from flowspan.testing.streaming import StreamedAnswer
from flowspan.testing.wire.format import encode

if TYPE_CHECKING:
    from flowspan.testing.connection import Connection
    from flowspan.testing.journal import Journal
    from flowspan.testing.received import ReceivedRequest
    from flowspan.testing.script import Fault, Reply
    from flowspan.testing.wire.format import Answer, WireFormat

_MESSAGES = {
    429: "Rate limit reached for requests",
    500: "The server had an error while processing your request",
    529: "Overloaded",
}
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


@dataclass(slots=True)
class Exchange:
    """Where one request stands: everything that sending and charging its answer needs."""

    wire: WireFormat
    request: ReceivedRequest
    connection: Connection
    requests: Journal[ReceivedRequest]
    charges: Journal[LedgerEntry]

    def refuse(self, fault: Fault) -> None:
        """Answers with a fault that stands in the answer's place; nothing is charged."""
        if fault.kind == "reset":
            self.connection.reset()
            return
        message = fault.message or _MESSAGES.get(fault.status, f"Status {fault.status}")
        headers = {**self._headers(), **_JSON}
        if fault.retry_after is not None:
            headers["retry-after"] = str(round(fault.retry_after))
            headers["retry-after-ms"] = f"{fault.retry_after * 1000:g}"
        body = encode(self.wire.error(fault.status, message, self.request.request_id))
        self.answered(fault.status)
        self.connection.send(fault.status, headers, body)

    def send(self, reply: Reply, answer: Answer) -> None:
        """Sends an answer, and charges it before the client can have seen its end."""
        headers = {**self._headers(), **reply.headers}
        self.connection.pause(reply.delay)
        if self.request.stream:
            StreamedAnswer(self, reply, answer).send({**headers, **_EVENTS})
        else:
            self._send_body(reply, answer, {**headers, **_JSON})

    def _send_body(self, reply: Reply, answer: Answer, headers: dict[str, str]) -> None:
        fault = reply.fault
        if fault is not None and fault.kind == "error_event":
            self.refuse(replace(fault, kind="status"))
            return
        body = encode(self.wire.body(answer))
        if fault is not None and fault.kind == "malformed":
            body = body[: len(body) // 2]
        if reply.gzip:
            body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
        cut = fault is not None and fault.kind == "cut"
        try:
            if reply.gate is not None:
                self.connection.wait_at(reply.gate)
        except ClientClosedError:
            self.charge(answer, outcome="client_closed", usage_on_wire=False)
            raise
        self.answered(200)
        self.charge(answer, outcome="cut" if cut else "completed", usage_on_wire=fault is None)
        self.connection.send(200, headers, body, upto=len(body) // 2 if cut else None)
        if cut:
            self.connection.shut()

    def charge(
        self, answer: Answer, *, outcome: Outcome, usage_on_wire: bool, sent: int = 0
    ) -> LedgerEntry:
        """Writes an answer into the ledger."""
        usage = answer.usage
        if self.request.stream and outcome != "completed":
            usage = share(usage, sent, sum(choice.chunk_count for choice in answer.choices))
        entry = LedgerEntry(
            request=self.request.index,
            format=self.wire.name,
            provider=self.wire.provider,
            operation=self.wire.operation,
            model=answer.model,
            usage=usage,
            usage_on_wire=usage_on_wire,
            stream=self.request.stream,
            chunks_sent=sent,
            outcome=outcome,
            service_tier=usage.service_tier,
            request_id=self.request.request_id,
            response_id=self.wire.response_id(answer),
        )
        return self.charges.add(lambda _: entry)

    def amend(self, entry: LedgerEntry, *, outcome: Outcome, usage_on_wire: bool) -> None:
        """Corrects an entry: the client turned out to have hung up before the last bytes."""
        amended = replace(entry, outcome=outcome, usage_on_wire=usage_on_wire)
        self.charges.replace(entry, amended)

    def answered(self, status: int) -> None:
        """Notes the status in the record of requests."""
        self.request = self.requests.replace(self.request, replace(self.request, status=status))

    def _headers(self) -> dict[str, str]:
        return self.wire.headers(self.request.request_id)
