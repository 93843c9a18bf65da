"""Reports for machines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowspan.report import as_json
from flowspan.report.findings import Finding, Section


def _read(document: Any) -> Any:
    return json.loads(as_json.text(document))


def test_runs(run_row: Any) -> None:
    """A list of runs: times in nanoseconds, money with how much of it is known."""
    row = run_row(llm_calls=2, input_tokens=5, output_tokens=6, cost_usd=0.1, unpriced_calls=1)

    document = _read(as_json.runs([row]))

    assert document["version"] == 1
    assert document["runs"] == [
        {
            "trace_id": "4f1c2a9e" * 4,
            "run_id": "run-1",
            "name": "invoke_workflow story",
            "workflow": "story",
            "engine": "writer",
            "service": "app",
            "status": "ok",
            "error": None,
            "interruption": None,
            "conversation_id": None,
            "resumed": False,
            "resumes": None,
            "resumed_by": None,
            "started": "2026-11-20T05:12:44.000000Z",
            "start_ns": 1_795_151_564_000_000_000,
            "end_ns": 1_795_151_566_000_000_000,
            "duration_ns": 2_000_000_000,
            "spans": 0,
            "open_spans": 0,
            "steps": 0,
            "nodes": 0,
            "llm_calls": 2,
            "errors": 0,
            "tokens": {"input": 5, "output": 6, "estimated": False},
            "cost": {"usd": 0.1, "status": "partial", "unpriced_calls": 1},
        }
    ]


@pytest.mark.parametrize(
    ("columns", "cost"),
    [
        ({}, {"usd": None, "status": "none", "unpriced_calls": 0}),
        (
            {"llm_calls": 1, "unpriced_calls": 1},
            {"usd": None, "status": "unpriced", "unpriced_calls": 1},
        ),
        (
            {"llm_calls": 1, "cost_usd": 0.0},
            {"usd": 0.0, "status": "free", "unpriced_calls": 0},
        ),
        (
            {"llm_calls": 1, "cost_usd": 0.5},
            {"usd": 0.5, "status": "priced", "unpriced_calls": 0},
        ),
    ],
)
def test_cost(run_row: Any, columns: dict[str, Any], cost: dict[str, Any]) -> None:
    """Unknown money is null, never zero."""
    assert as_json.run(run_row(**columns))["cost"] == cost


def test_error(run_row: Any) -> None:
    """A failed run says why."""
    row = run_row(status="error", error_type="Boom", error_message="no")

    assert as_json.run(row)["error"] == {"type": "Boom", "message": "no"}


def test_show(trace: Any, run_row: Any) -> None:
    """A run: spans from top to bottom with their depth, times, sums and story."""
    run = trace.span("invoke_workflow story", 0, 10, kind="run", operation="invoke_workflow")
    node = trace.span(
        "run_step plan",
        1,
        5,
        run,
        kind="node",
        node_id="n1",
        events=[
            (
                "flowspan.state.transition",
                1,
                {"flowspan.state.from": "ready", "flowspan.state.to": "done"},
            ),
            ("flowspan.route.taken", 1, {"flowspan.route.to": "end"}),
        ],
    )
    trace.llm(1, 3, parent=node, input_tokens=5, output_tokens=6, cost_usd=0.1, prompt_name="plan")

    document = _read(as_json.show(run_row(), trace.tree()))

    assert [span["depth"] for span in document["spans"]] == [0, 1, 2]
    assert document["totals"]["cost"] == {"usd": 0.1, "status": "priced", "unpriced_calls": 0}
    assert document["models"][0]["model"] == "gpt-5.4-mini"
    assert document["slowest"] == {
        "role": "node",
        "name": "plan",
        "own_ns": 4_000_000_000,
        "share": 0.4,
    }
    shown = document["spans"][1]
    assert shown["self_ns"] == 2_000_000_000
    assert shown["subtree"]["spans"] == 2
    assert shown["subtree"]["tokens"] == {"input": 5, "output": 6, "estimated": False}
    assert shown["states"] == [{"node_id": "n1", "path": ["ready", "done"]}]
    assert shown["routes"] == [{"to": "end", "action": None}]
    assert shown["events"][1] == {
        "name": "flowspan.route.taken",
        "time_ns": 1_795_151_565_000_000_000,
        "attributes": {"flowspan.route.to": "end"},
    }
    assert document["spans"][2]["prompts"] == [{"name": "plan", "version": None, "reason": None}]


def test_show_without_nodes_or_prices(trace: Any, run_row: Any) -> None:
    """What is not known is null."""
    trace.span("run", 0, 10, kind="run")

    document = _read(as_json.show(run_row(), trace.tree()))

    assert document["slowest"] is None
    assert document["totals"]["cost"]["usd"] is None


def test_odd_values(trace: Any, run_row: Any) -> None:
    """Whatever attributes hold, the document is strict JSON, in ASCII."""
    odd = {"nan": float("nan"), "list": (1, float("inf")), "bytes": b"x", "map": {1: "\ud800語"}}
    trace.span("run", 0, 10, attrs=odd)

    text = as_json.text(as_json.show(run_row(), trace.tree()))

    assert text.isascii()
    assert json.loads(text, parse_constant=pytest.fail)["spans"][0]["attributes"] == {
        "nan": "nan",
        "list": [1, "inf"],
        "bytes": "b'x'",
        "map": {"1": "\ud800語"},
    }


def test_findings() -> None:
    """The doctor's findings with their level, remedy and data."""
    sections = [
        Section(
            "store",
            [
                Finding("problem", "store", "cannot be read", "move it", {"path": "t.db"}),
                Finding("ok", "x", "y"),
            ],
        )
    ]

    document = _read(as_json.findings(sections))

    assert document == {
        "version": 1,
        "problems": 1,
        "sections": [
            {
                "name": "store",
                "findings": [
                    {
                        "level": "problem",
                        "subject": "store",
                        "text": "cannot be read",
                        "remedy": "move it",
                        "data": {"path": "t.db"},
                    },
                    {"level": "ok", "subject": "x", "text": "y", "remedy": None, "data": {}},
                ],
            }
        ],
    }


def test_deep_trace(trace: Any, run_row: Any) -> None:
    """A trace of any depth can be written and read."""
    parent = None
    for number in range(3000):
        parent = trace.span("x", number / 1000, 10, parent)

    document = _read(as_json.show(run_row(), trace.tree()))

    assert document["spans"][-1]["depth"] == 2999
