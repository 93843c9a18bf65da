"""What the fake provider charged: the truth that traces are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Literal

from flowspan.testing.journal import Journal, JournalView
from flowspan.usage import Usage

Outcome = Literal["completed", "failed", "cut", "client_closed"]
"""How a charged answer ended.

``completed``: all of it was sent.  ``failed``: an error event ended the stream.  ``cut``: the
provider dropped the connection.  ``client_closed``: the client hung up first.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One charged request.

    Attributes:
        request: Index of the request in ``FakeProvider.requests``.
        format: Wire format: ``openai.chat``, ``openai.responses``, ``openai.embeddings`` or
            ``anthropic.messages``.
        provider: ``openai`` or ``anthropic``.
        operation: ``chat`` or ``embeddings``.
        model: The model that answered, as the response named it.
        usage: The tokens charged, in flowspan's inclusive form, told to the client or not.
        usage_on_wire: True if the final usage was sent to the client.  (Anthropic tells the input
            in a stream's first event already; that alone does not count.)
        stream: True for a streamed answer.
        chunks_sent: Content chunks sent; 0 for an answer that is not streamed.
        outcome: How the answer ended.
        service_tier: The tier that the call was served as, if any was said.
        request_id: Value of ``x-request-id`` (OpenAI) or ``request-id`` (Anthropic).
        response_id: ``id`` in the body, None for embeddings.
    """

    request: int
    format: str
    provider: str
    operation: str
    model: str
    usage: Usage
    usage_on_wire: bool
    stream: bool
    chunks_sent: int
    outcome: Outcome
    service_tier: str | None
    request_id: str
    response_id: str | None


class Ledger(JournalView[LedgerEntry]):
    """Charged requests in the order in which they were charged; a live, read-only sequence."""

    def total(self) -> Usage:
        """The sum of all charges; a part that no entry has stays None.  It names no tier."""
        return _sum(entry.usage for entry in self.snapshot())

    def by_model(self) -> dict[str, Usage]:
        """The sums per model."""
        entries = self.snapshot()
        return {
            model: _sum(entry.usage for entry in entries if entry.model == model)
            for model in dict.fromkeys(entry.model for entry in entries)
        }

    def to_json(self) -> str:
        """The entries as a JSON array of objects, which ``from_json`` reads back."""
        return json.dumps([asdict(entry) for entry in self.snapshot()])

    @classmethod
    def from_json(cls, text: str | bytes) -> Ledger:
        """Reads what ``to_json`` or ``GET /__ledger__`` gave, in another process perhaps."""
        journal = Journal[LedgerEntry]()
        journal.items.extend(
            LedgerEntry(**{**row, "usage": Usage(**row["usage"])}) for row in json.loads(text)
        )
        return cls(journal)


def _sum(usages: Iterable[Usage]) -> Usage:
    return reduce(Usage.plus, usages, Usage())
