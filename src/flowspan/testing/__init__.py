"""The public test kit: a fake provider with a ledger, recorded runs, counted ids and clock."""

from flowspan.testing.fake_provider import FakeProvider
from flowspan.testing.ledger import Ledger, LedgerEntry
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.script import Fault, Gate, Reply, ToolCall

__all__ = [
    "FakeProvider",
    "Fault",
    "Gate",
    "Ledger",
    "LedgerEntry",
    "ReceivedRequest",
    "Reply",
    "ToolCall",
]
