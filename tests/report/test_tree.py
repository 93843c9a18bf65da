"""The tree of one trace, from rows as bad as they come."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any

import pytest

from flowspan.report.intervals import Interval
from flowspan.report.tree import build

SECOND = 1_000_000_000


def _shape(tree: Any) -> list[tuple[int, str]]:
    return [(node.depth, node.span.name) for node in tree]


def test_order_of_rows_does_not_matter(trace: Any) -> None:
    """Rows come in any order; readers see parents first and siblings by their begin."""
    run = trace.span("run", 0, 10)
    late = trace.span("late", 5, 9, run)
    trace.span("early", 1, 4, run)
    trace.span("inner", 6, 7, late)
    trace.rows.reverse()

    tree = trace.tree()

    assert _shape(tree) == [(0, "run"), (1, "early"), (1, "late"), (2, "inner")]
    assert [root.span.name for root in tree.roots] == ["run"]
    assert [node.parent and node.parent.span.name for node in tree] == [None, "run", "run", "late"]
    assert [node.spans for node in tree] == [4, 1, 2, 1]


def test_self_time(trace: Any) -> None:
    """Self time is the time in which no child ran, however many of them ran at once."""
    run = trace.span("run", 0, 10)
    trace.span("a", 1, 5, run)
    trace.span("b", 3, 6, run)
    trace.span("outlives its parent", 9, 20, run)

    node = trace.node(run)

    assert node.duration_ns == 10 * SECOND
    assert node.self_ns == 4 * SECOND
    assert len(node.covered) == 2


def test_sums(trace: Any) -> None:
    """Sums are those of the model calls below, exact to the last digit."""
    run = trace.span("run", 0, 10, kind="run")
    node = trace.span("node", 0, 5, run, kind="node")
    trace.llm(0, 1, parent=node, input_tokens=10, output_tokens=5, cost_usd=0.1)
    trace.llm(1, 2, parent=node, input_tokens=20, output_tokens=7, cost_usd=0.2, estimated=True)
    trace.llm(6, 7, parent=run, input_tokens=1, output_tokens=1, cost_status="unpriced")
    trace.llm(7, 8, parent=run, input_tokens=1, output_tokens=1, cost_usd=0.0)

    tree = trace.tree()

    inner = trace.node(node).totals
    assert (inner.llm_calls, inner.input_tokens, inner.output_tokens) == (2, 30, 12)
    assert inner.cost_usd == Decimal("0.3")
    assert inner.estimated
    assert (tree.totals.llm_calls, tree.totals.unpriced_calls, tree.totals.free_calls) == (4, 1, 1)
    assert tree.totals == trace.node(run).totals


def test_errors_are_counted_where_they_arose(trace: Any) -> None:
    """An error that passed through three spans is one error."""
    run = trace.span("run", 0, 10, status="error")
    node = trace.span("node", 0, 5, run, status="error")
    trace.llm(0, 1, parent=node, status="error")
    trace.span("other", 6, 7, run, status="error")

    assert trace.tree().totals.failures == 2


def test_orphans_are_roots(trace: Any) -> None:
    """A span whose parent is not there is a root with a mark; so is one called from elsewhere."""
    trace.span("run", 1, 2)
    trace.span("lost", 0, 1, "00000000000000ff")
    trace.span("called", 2, 3, "00000000000000fe", parent_is_remote=True)

    marks = {root.span.name: root.mark for root in trace.tree().roots}

    assert marks == {"lost": "orphan", "run": None, "called": "remote"}


def test_circles_are_opened(trace: Any) -> None:
    """Spans that are each other's parents are shown, each once."""
    trace.span("run", 0, 9)
    trace.span("hangs on", 0.5, 2, "0000000000000004")
    trace.span("first", 1, 2, "0000000000000004")
    trace.span("second", 3, 4, "0000000000000003")
    trace.span("own parent", 5, 6, "0000000000000005")

    tree = trace.tree()

    assert {root.span.name: root.mark for root in tree.roots} == {
        "run": None,
        "first": "cycle",
        "own parent": "cycle",
    }
    assert _shape(tree) == [
        (0, "run"),
        (0, "first"),
        (1, "second"),
        (2, "hangs on"),
        (0, "own parent"),
    ]


def test_duplicates(trace: Any) -> None:
    """Of rows with one id the ended one counts."""
    trace.span("open", 0, None, span_id="000000000000000a")
    trace.span("ended", 0, 2, span_id="000000000000000a")
    trace.span("again", 0, 3, span_id="000000000000000a")

    tree = trace.tree()

    assert _shape(tree) == [(0, "ended")]


def test_open_spans_last_until_now(trace: Any) -> None:
    """What is still open lasts up to the present, and counts as open."""
    run = trace.span("run", 0, None)
    trace.span("done", 1, 2, run)

    node = trace.node(run, now=7)

    assert node.duration_ns == 7 * SECOND
    assert node.self_ns == 6 * SECOND
    assert node.totals.open_spans == 1


def test_interrupted_spans_last_until_the_last_sign(trace: Any) -> None:
    """What was cut off lasts up to the last thing that the trace knows, an event included."""
    run = trace.span("run", 0, None, state="interrupted", events=[("sign", 4, {})])
    trace.span("done", 1, 3, run)

    assert trace.node(run, now=1000).duration_ns == 4 * SECOND


def test_clock_set_back(trace: Any) -> None:
    """A span that ended before it began took no time."""
    span = trace.span("odd", 5, 3)

    assert trace.node(span).duration_ns == 0
    assert trace.node(span).self_ns == 0


def test_empty() -> None:
    """No rows make an empty tree."""
    tree = build([])

    assert list(tree) == []
    assert tree.interval == Interval(0, 0)
    assert tree.totals.llm_calls == 0


@pytest.mark.parametrize("shape", ["chain", "flat", "bushy"])
def test_large(trace: Any, shape: str) -> None:
    """25,000 spans are put in order within seconds, however deep or wide."""
    chance = random.Random(1)  # noqa: S311 - shapes, not secrets
    ids: list[str] = []
    for number in range(25_000):
        parents = {"chain": ids[-1:], "flat": ids[:1], "bushy": ids[-40:]}[shape]
        parent = chance.choice(parents) if parents else None
        ids.append(trace.span("x", number / 1000, 100, parent))
    chance.shuffle(trace.rows)
    began = time.process_time()

    tree = trace.tree()

    assert time.process_time() - began < 5
    assert len(tree.order) == 25_000
    assert {"chain": 24_999, "flat": 1}.get(shape, tree.order[-1].depth) == tree.order[-1].depth
