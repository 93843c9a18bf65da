"""One request and what becomes of it: its refusal, its status, its charge."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowspan.testing.connection import Connection
from flowspan.testing.journal import Journal
from flowspan.testing.ledger import LedgerEntry, Outcome
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.script import Fault
from flowspan.testing.wire.format import Answer, WireFormat, encode
from flowspan.usage import Usage

_MESSAGES = {
    429: "Rate limit reached for requests",
    500: "The server had an error while processing your request",
    529: "Overloaded",
}
JSON = {"content-type": "application/json"}
_PAGE = b"<!DOCTYPE html>\n<html><body><h1>Please sign in</h1></body></html>\n"


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
        if fault.kind == "page":
            self.answered(fault.status)
            self.connection.send(fault.status, {"content-type": "text/html"}, _PAGE)
            return
        message = fault.message or _MESSAGES.get(fault.status, f"Status {fault.status}")
        headers = {**self.headers(), **JSON, **self.wire.error_headers(fault.status)}
        if fault.retry_after is not None:
            headers["retry-after"] = str(round(fault.retry_after))
            headers["retry-after-ms"] = f"{fault.retry_after * 1000:g}"
        body = encode(self.wire.error(fault.status, message, self.request.request_id))
        self.answered(fault.status)
        self.connection.send(fault.status, headers, body)

    def charge(
        self, answer: Answer, usage: Usage, *, outcome: Outcome, told: bool, sent: int = 0
    ) -> LedgerEntry:
        """Writes into the ledger what an answer is charged with, and whether the client knows."""
        entry = LedgerEntry(
            request=self.request.index,
            format=self.wire.name,
            provider=self.wire.provider,
            operation=self.wire.operation,
            model=answer.model,
            usage=usage,
            usage_on_wire=told,
            stream=self.request.stream,
            chunks_sent=sent,
            outcome=outcome,
            service_tier=usage.service_tier,
            request_id=self.request.request_id,
            response_id=self.wire.response_id(answer),
        )
        return self.charges.add(lambda _: entry) if self.wire.billed else entry

    def amend(self, entry: LedgerEntry, *, told: bool) -> None:
        """Corrects an entry: the client had hung up before the last bytes could be sent."""
        if not self.wire.billed:
            return
        self.charges.replace(entry, replace(entry, outcome="client_closed", usage_on_wire=told))

    def tell(self, entry: LedgerEntry) -> None:
        """Corrects an entry: the client has been told what it was charged with."""
        self.charges.replace(entry, replace(entry, usage_on_wire=True))

    def answered(self, status: int) -> None:
        """Notes the status in the record of requests."""
        self.request = self.requests.replace(self.request, replace(self.request, status=status))

    def headers(self) -> dict[str, str]:
        """The headers that every answer of the provider has."""
        return self.wire.headers(self.request.request_id)
