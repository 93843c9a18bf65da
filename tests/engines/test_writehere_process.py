"""WriteHERE's stand-in in processes of its own, started as users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from writehere_kit.answers import GOALS
from writehere_kit.program import STANDIN, MakeJob

from flowspan.store.queries import open_store
from flowspan.testing import FakeProvider

SCRIPT = str(STANDIN / "recursive" / "engine.py")
INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")
BACKEND = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"


@pytest.mark.parametrize(
    "started_by", [[], [sys.executable, "-c", BACKEND]], ids=["a shell", "a backend"]
)
def test_engine_py_under_opentelemetry_instrument(
    started_by: list[str], job: MakeJob, provider: FakeProvider, tmp_path: Path
) -> None:
    """A script that is patched as it starts gives one trace per item, priced, without orphans.

    So it is where a program that is itself started under ``opentelemetry-instrument`` starts it.
    """
    one = job("report", GOALS["report"], GOALS["broken"])
    store = tmp_path / "store.db"
    prices = tmp_path / "prices.json"  # no market's, which come as soon as the machine is quick
    prices.write_text('{"prices": [{"model": "gpt-4o*", "input": 2.5, "output": 10}]}')

    subprocess.run(
        [INSTRUMENT, *started_by, sys.executable, SCRIPT, *one.options()],
        check=True,
        env={
            **os.environ,
            "FLOWSPAN_STORE": str(store),
            "FLOWSPAN_PRICES": str(prices),
            "PYTHONPATH": str(STANDIN),
        },
        stdout=subprocess.DEVNULL,
    )

    with open_store(store) as opened:
        traces = [opened.trace(run.trace_id) for run in reversed(opened.runs())]
    assert [trace[0].name for trace in traces] == ["Engine.Run", "Engine.Run"]
    spans = [span for trace in traces for span in trace]
    assert not any(span.orphan for span in spans)
    assert Counter(span.name for span in spans if span.kind == "run") == {"Engine.Run": 2}
    calls = [span for span in spans if span.kind == "llm"]
    assert len(calls) == len(provider.requests)
    assert sum(call.input_tokens or 0 for call in calls) == provider.ledger.total().input_tokens
    assert {call.cost_status for call in calls} == {"priced"}
    assert traces[0][0].attrs["engine.mode"] == "report"
