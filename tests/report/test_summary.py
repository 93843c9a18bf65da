"""The facts of whole runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flowspan.report.summary import Slowest, invocation, known_cost, longest, models, slowest

SECOND = 1_000_000_000


def test_models(trace: Any) -> None:
    """The dearest model comes first; one that nobody named is called unknown."""
    trace.llm(model="cheap", cost_usd=0.1, input_tokens=1)
    trace.llm(model="cheap", cost_usd=0.1, input_tokens=1)
    trace.llm(model="dear", cost_usd=5.0)
    trace.llm(model="", cost_status="unpriced")
    trace.span("node", kind="node")

    uses = models(trace.tree())

    assert [(use.model, use.totals.llm_calls) for use in uses] == [
        ("dear", 1),
        ("cheap", 2),
        ("unknown", 1),
    ]
    assert uses[1].totals.cost_usd == Decimal("0.2")


def test_slowest_node_without_the_nodes_inside_it(trace: Any) -> None:
    """A node that waited for other nodes is not slow by itself."""
    run = trace.span("invoke_workflow w", 0, 10, kind="run", operation="invoke_workflow")
    outer = trace.span("run_step outer", 0, 10, run, kind="node")
    agent = trace.span("agent", 1, 9, outer, kind="agent")
    trace.span("run_step a", 1, 6, agent, kind="node")
    trace.span("run_step b", 5, 8, agent, kind="node")

    assert slowest(trace.tree()) == Slowest("node", "a", 5 * SECOND, 0.5)


def test_slowest_without_nodes(trace: Any) -> None:
    """Without nodes it is an agent, then a tool or a model call, then nothing."""
    run = trace.span("run", 0, 10, kind="run")
    assert slowest(trace.tree()) is None

    trace.llm(0, 4, parent=run)
    assert slowest(trace.tree()) == Slowest("llm", "gpt-5.4-mini", 4 * SECOND, 0.4)

    trace.span("invoke_agent a", 0, 2, run, kind="agent")
    assert slowest(trace.tree()) == Slowest("agent", "a", 2 * SECOND, 0.2)


def test_invocation(trace: Any, run_row: Any) -> None:
    """The runs of one command are added up, money exactly, from first begin to last end."""
    trace.span("run_step a", 0, 1, kind="node")
    runs = [
        run_row(start=8.0, llm_calls=2, input_tokens=5, output_tokens=6, cost_usd=0.1, errors=1),
        run_row(start=1.0, llm_calls=1, input_tokens=1, output_tokens=1, cost_usd=0.2),
        run_row(start=0.0, llm_calls=1, unpriced_calls=1, estimated_calls=1),
    ]

    recorded = invocation(runs, trace.tree())

    assert recorded.duration_ns == 10 * SECOND
    assert (recorded.llm_calls, recorded.input_tokens, recorded.output_tokens) == (4, 6, 7)
    assert recorded.cost_usd == Decimal("0.3")
    assert (recorded.unpriced_calls, recorded.estimated_calls, recorded.errors) == (1, 1, 1)
    assert recorded.slowest == Slowest("node", "a", SECOND, 1.0)
    assert invocation(runs).slowest is None


def test_longest(run_row: Any) -> None:
    """The longest run is the one worth reading."""
    short, long = run_row(), run_row(ended_ns=run_row().started_ns + 99 * SECOND)

    assert longest([short, long]) is long


def test_no_known_cost(run_row: Any) -> None:
    """Where no price is known the sum is not known either."""
    assert known_cost([run_row(unpriced_calls=1)]) is None
