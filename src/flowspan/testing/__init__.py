"""The public test kit: a fake provider with a ledger, recorded runs, and assertions about them."""

from flowspan.testing.assertions import assert_run
from flowspan.testing.fake_provider import FakeProvider
from flowspan.testing.integrations import all_integrations
from flowspan.testing.ledger import Ledger, LedgerEntry
from flowspan.testing.process import ProviderProcess, provider_process
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.recording import CountingIds, Recording, record
from flowspan.testing.script import Fault, Gate, Reply, ToolCall
from flowspan.testing.seenruns import SeenRun, SeenSpan
from flowspan.testing.spans import RecordedSpans

__all__ = [
    "CountingIds",
    "FakeProvider",
    "Fault",
    "Gate",
    "Ledger",
    "LedgerEntry",
    "ProviderProcess",
    "ReceivedRequest",
    "RecordedSpans",
    "Recording",
    "Reply",
    "SeenRun",
    "SeenSpan",
    "ToolCall",
    "all_integrations",
    "assert_run",
    "provider_process",
    "record",
]
