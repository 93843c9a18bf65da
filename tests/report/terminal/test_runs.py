"""The list of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from flowspan.report.terminal import runs

NOW = 1_795_151_574_000_000_000


def _rows(run_row: Any) -> list[Any]:
    return [
        run_row(status="running", ended_ns=None, llm_calls=5, input_tokens=12_345, output_tokens=9),
        run_row(
            llm_calls=2, input_tokens=5, output_tokens=5, cost_usd=0.1, unpriced_calls=1, steps=3
        ),
        run_row(
            status="error",
            error_type="RateLimit\x1b[2JError",
            error_message="429 [red]slow down[/red] " + "x" * 200,
            workflow=None,
            llm_calls=1,
            unpriced_calls=1,
            estimated_calls=1,
            input_tokens=7,
        ),
        run_row(status="interrupted", workflow="語" * 80, engine=None, cost_usd=1234.5),
    ]


def test_runs(run_row: Any, screen: Any) -> None:
    """Each run has its id, status, time, tokens and cost, the failed one its error below."""
    output = screen(120)

    shown = output.shows(runs.lines(_rows(run_row), output.surface, now_ns=NOW))

    assert " ".join(shown[0].split()) == (
        "run started workflow engine status time steps calls tokens in→out cost"
    )
    assert "▶ running" in shown[1]
    assert " 10.0 s " in shown[1]
    assert shown[2].endswith("3      2            5→5      $0.10 +?")
    assert "invoke_workflow story" in shown[3]
    assert shown[3].endswith("1           ~7→0             ?")
    assert shown[4].startswith(r"          └╴RateLimit\x1b[2JError: 429 [red]slow down[/red] xxx")
    assert "! interrupted" in shown[5]
    assert "…" in shown[5]
    assert shown[5].endswith("$1,234.50")
    assert shown[7].startswith("? marks model calls without a price")


def test_runs_that_wait_and_go_on(run_row: Any, screen: Any) -> None:
    """Below a run stands what it goes on with, and what went on with it."""
    one, two = "1" * 32, "2" * 32
    rows = [
        run_row(status="paused", resumed=True, resumes=one, interruption="GraphInterrupt"),
        run_row(status="error", error_type="Boom", resumed=True),
        run_row(interruption="GraphInterrupt", resumed_by=two),
        run_row(interruption="KeyboardInterrupt"),
        run_row(),
    ]
    output = screen(100)

    shown = output.shows(runs.lines(rows, output.surface, now_ns=NOW))

    assert "◦ paused" in shown[1]
    assert shown[2].endswith("└╴goes on with 11111111 · waits to be resumed (GraphInterrupt)")
    assert shown[4].endswith("└╴goes on with an earlier run · Boom")
    assert shown[6].endswith("└╴resumed by 22222222")
    assert shown[8].endswith("└╴ended by KeyboardInterrupt")
    assert len(shown) == 10


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 100, 120, 180])
def test_width(run_row: Any, screen: Any, width: int) -> None:
    """The narrower it is the fewer columns there are; what became of a run stays."""
    output = screen(width)

    shown = output.shows(runs.lines(_rows(run_row), output.surface, now_ns=NOW))

    assert max(map(cell_len, shown)) <= width
    assert all("4f1c2a9e" in line for line in (shown[1], shown[2], shown[3], shown[5]))
    assert "running" in shown[1]


def test_columns_without_content(run_row: Any, screen: Any) -> None:
    """What no run has anything to say of has no column; without unknown prices there is no note."""
    output = screen(120)

    shown = output.shows(runs.lines([run_row(engine=None)], output.surface, now_ns=NOW))

    assert shown[0].split() == ["run", "started", "workflow", "status", "time"]
    assert len(shown) == 2


def test_nothing(screen: Any) -> None:
    """An empty store says what to do next; one where nothing matches says so."""
    output = screen(100)
    empty = output.shows(runs.nothing(output.surface, store=Path("t.db"), filtered=False))
    other = screen(100)
    filtered = other.shows(runs.nothing(other.surface, store=Path("t.db"), filtered=True))

    assert empty[0] == "No run is recorded yet in t.db."
    assert "    flowspan run python your_program.py" in empty
    assert "flowspan doctor" in empty[-1]
    assert filtered == ["No run in t.db matches."]
