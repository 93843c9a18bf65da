"""The benchmark of the clients gives a figure for every manner of calling."""

from __future__ import annotations

import pytest

from benchmarks import clients
from benchmarks.result import Report
from conformance.discovery import clients as discovered


def test_calls_and_chunks_of_a_client_have_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call costs something more; how much is for quiet machines to say."""
    one = [client for client in discovered() if client.name == "httpx"]
    monkeypatch.setattr(clients, "clients", lambda: one)
    report = Report()

    clients.measure(report, quick=True)

    traced = [row for row in report.rows if row.added is not None]
    manners = [way for client in one for way in clients.representatives(client)]
    assert len(manners) == 4
    assert len(traced) == len(manners) + sum(way.stream for way in manners)
    assert all(row.value.median > 0 for row in traced)
