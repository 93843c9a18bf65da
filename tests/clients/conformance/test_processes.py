"""A process that ends in the middle of its streams has their spans in its store."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conformance import charges, leaving
from conformance.asking import charged
from conformance.discovery import PROMISED, clients, driver_of
from conformance.vocabulary import ANSWER, Client, Way
from flowspan.testing import FakeProvider, Gate, Reply

ROOT = Path(__file__).parents[3]
HELD = 3


def stored(store: Path) -> list[dict[str, Any]]:
    """The spans in a store."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM spans ORDER BY start_ns, span_id")
        return [dict(row) for row in rows]


@pytest.mark.parametrize(
    "client",
    [client for client in clients() if any(way.stream for way in client.ways)],
    ids=lambda client: client.name,
)
def test_streams_that_a_process_leaves_open_are_settled(
    client: Client, provider: FakeProvider, tmp_path: Path
) -> None:
    """One span each, ended, with what had arrived."""
    ways: tuple[Way, ...] = leaving.ways(client.name)
    provider.respond = lambda request: Reply(
        chunks=ANSWER,
        usage=charged(ways[0]),
        # Bytes (speech) come at once: they are left before it is seen that there are no more.
        gate=Gate(after_chunks=HELD) if request.stream else None,
    )
    store = tmp_path / "traces.db"
    launcher = Path(sys.executable).parent / "opentelemetry-instrument"

    done = subprocess.run(
        [launcher, sys.executable, "-m", "conformance", "leave", client.name, provider.url],
        cwd=ROOT,
        env={
            **os.environ,
            "FLOWSPAN_STORE": str(store),
            "PYTHONWARNINGS": "ignore",
            PROMISED: driver_of(client),  # the others take long to be imported
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    spans = stored(store)
    calls = [span for span in spans if span["kind"] == "llm"]
    told = charged(ways[0]).input_tokens
    assert len(calls) == len(ways)
    assert [request.format for request in provider.requests] == [way.format for way in ways]
    assert {span["state"] for span in spans} == {"done"}
    assert {span["kind"] for span in spans} <= {"llm", "internal"}  # a chain is around its calls
    for way, call, request in zip(ways, calls, provider.requests, strict=True):
        assert (call["request_model"] or "") == way.model
        if way.text:
            assert call["estimated"] == 1
            assert call["input_tokens"] in {charges.estimate(*request.texts), told}
        else:
            assert not call["estimated"]
