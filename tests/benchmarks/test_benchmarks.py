"""What flowspan costs, as far as it does not depend on the load of the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MOST_INSTRUCTIONS = 1.5
"""Times the hand-written code's; the aim is 1, and this catches what makes it much worse."""


def _benchmark(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _rows(report: dict[str, Any], side: str = "flowspan") -> dict[str, dict[str, Any]]:
    return {row["subject"]: row for row in report["rows"] if row["side"] == side}


@pytest.fixture(scope="module")
def tracing() -> dict[str, Any]:
    return _benchmark("--only", "tracing")


def test_both_sides_emit_the_same(tracing: dict[str, Any]) -> None:
    """The hand-written code emits the spans, attributes, events and metrics that flowspan does."""
    assert tracing["differences"] == []


def test_calls_steps_and_nodes_stay_near_hand_written_code(tracing: dict[str, Any]) -> None:
    """A model call, a step and a node cost about as many instructions as code written by hand."""
    if tracing["remarks"]:
        pytest.skip(tracing["remarks"][0])

    rows = _rows(tracing)

    ratios = {
        subject: rows[subject]["instruction_ratio"]
        for subject in ("model call", "step of 4 spans", "node, 2 transitions")
    }
    assert {name: ratio for name, ratio in ratios.items() if ratio > MOST_INSTRUCTIONS} == {}


def test_a_span_map_emits_what_rows_in_python_emit() -> None:
    """Its figures are then those of the same spans, and of the same order."""
    found = _benchmark("--only", "maps")

    rows = _rows(found, "flowspan, span map")
    assert found["differences"] == []
    assert [name for name, row in rows.items() if row["ratio"] > 3] == []


def test_a_node_costs_the_same_whatever_its_state_holds() -> None:
    """Between 100 bytes and 10 megabytes of state the price of a node does not change."""
    rows = _rows(_benchmark("--only", "state"))

    sizes = {name: row["ratio"] for name, row in rows.items() if "keys" not in name}
    assert len(sizes) == 6
    assert max(sizes.values()) < 2


def test_nodes_cost_the_same_however_they_are_seen_and_whatever_their_state_holds() -> None:
    """Decorators, blocks, rows and engines: ten megabytes, or ten thousand keys, are no dearer."""
    rows = _rows(_benchmark("--only", "nodes"))

    ways = {
        name: row["ratio"]
        for name, row in rows.items()
        if row.get("ratio") and "langgraph" not in name and "pocketflow" not in name
    }
    assert len(ways) >= 12
    assert {name: ratio for name, ratio in ways.items() if ratio > 2.5} == {}


def test_starting_imports_no_target() -> None:
    """An empty program under flowspan imports neither a target nor what only readers need."""
    report = _benchmark("--only", "startup")

    assert report["facts"]["unwanted_modules"] == []


def test_nothing_is_left_of_a_run() -> None:
    """Once its spans are delivered, a run leaves no memory behind."""
    rows = _rows(_benchmark("--only", "memory"))

    left = next(row for name, row in rows.items() if name.startswith("memory"))
    assert left["value"]["median"] < 0.5
