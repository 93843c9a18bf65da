"""What ``flowspan run`` leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from flowspan.report.summary import invocation
from flowspan.report.terminal import box


def test_one_run(trace: Any, run_row: Any, screen: Any) -> None:
    """One run: what became of it, what it used, what took longest, and how to see more."""
    run = trace.span("run", 0, 10, kind="run")
    trace.span("run_step plan", 0, 4, run, kind="node")
    row = run_row(llm_calls=3, input_tokens=12_345, output_tokens=678, cost_usd=0.0483)
    output = screen(100)

    shown = output.shows(
        box.lines(invocation([row], trace.tree()), output.surface, place=" --store t.db")
    )

    assert shown[0] == "── flowspan " + "─" * 88
    assert shown[1:-1] == [
        " ✓ story ok · 2.00 s",
        " 3 model calls · 12,345 → 678 tokens · $0.0483 · slowest node plan 4.00 s (40%)",
        " flowspan show 4f1c2a9e --store t.db",
    ]
    assert shown[-1] == "─" * 100


def test_a_run_that_waits(run_row: Any, screen: Any) -> None:
    """What waits for somebody says so."""
    output = screen(100)
    row = run_row(status="paused", interruption="GraphInterrupt")

    shown = output.shows(box.lines(invocation([row]), output.surface, place=""))

    assert shown[1] == " ◦ story paused · 2.00 s · waits to be resumed (GraphInterrupt)"


def test_run_without_model_calls(run_row: Any, screen: Any) -> None:
    """A run that called no model has no tokens to tell of."""
    output = screen(100)

    shown = output.shows(box.lines(invocation([run_row()]), output.surface, place=""))

    assert shown[2] == " 0 model calls"


def test_many_runs(run_row: Any, screen: Any) -> None:
    """Of many runs the newest are named and all of them added up."""
    failed = {"status": "error", "error_type": "Boom", "error_message": "no", "errors": 2}
    rows = [
        run_row(llm_calls=1, unpriced_calls=1, estimated_calls=1, input_tokens=5, **failed),
        *(run_row(start=-number) for number in range(1, 5)),
    ]
    output = screen(100)

    shown = output.shows(box.lines(invocation(rows), output.surface, place=""))

    assert shown[1:-1] == [
        " ✗ story error · 2.00 s · Boom: no",
        " ✓ story ok · 2.00 s",
        " ✓ story ok · 2.00 s",
        " … 2 more runs",
        " 5 runs in 6.00 s · 1 model call · ~5 → 0 tokens · 1 unpriced · 2 errors",
        " flowspan show 4f1c2a9e",
        " flowspan runs",
    ]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_width(run_row: Any, screen: Any, width: int) -> None:
    """Nothing is wider than the terminal but what is to be copied."""
    hostile = "\x1b[31m" + "語" * 100
    row = run_row(workflow=hostile, status="error", error_type=hostile, llm_calls=1)
    output = screen(width)

    shown = output.shows(box.lines(invocation([row]), output.surface, place=" --store " + "p" * 50))

    assert max(cell_len(line) for line in shown if "--store" not in line) <= width
    assert all(line.isprintable() for line in shown)


def test_nothing(screen: Any) -> None:
    """No run is said, with the place, the two usual reasons and the remedy."""
    output = screen(100)

    shown = " ".join(output.shows(box.nothing(output.surface, store="/data/t.db")))

    assert shown.startswith("flowspan: no run was recorded in /data/t.db.")
    assert shown.endswith("flowspan doctor -- COMMAND tells")
