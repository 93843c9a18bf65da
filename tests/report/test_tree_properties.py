"""Self time and sums against a calculation that knows no intervals: counting every tick."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flowspan.report.tree import TreeNode, build
from flowspan.store.records import SpanRow

LAST_TICK = 40


@dataclass(frozen=True)
class Drawn:
    """A span as it was drawn: times are ticks, the parent is an earlier span."""

    start: int
    end: int
    parent: int | None
    cents: int | None
    failed: bool


@st.composite
def _spans(draw: st.DrawFn) -> list[Drawn]:
    spans = []
    for number in range(draw(st.integers(0, 14))):
        start = draw(st.integers(0, LAST_TICK))
        spans.append(
            Drawn(
                start=start,
                end=draw(st.integers(start, LAST_TICK)),
                parent=draw(st.none() | st.integers(0, number - 1)) if number else None,
                cents=draw(st.none() | st.integers(0, 100_000)),
                failed=draw(st.booleans()),
            )
        )
    return spans


def _rows(spans: list[Drawn]) -> list[SpanRow]:
    return [
        SpanRow(
            trace_id="0" * 32,
            span_id=f"{number:016x}",
            parent_id=None if span.parent is None else f"{span.parent:016x}",
            name="x",
            kind="llm" if span.cents is not None else "node",
            start_ns=span.start,
            end_ns=span.end,
            status="error" if span.failed else "ok",
            input_tokens=span.cents,
            output_tokens=1,
            cost_usd=None if span.cents is None else span.cents / 10_000,
        )
        for number, span in enumerate(spans)
    ]


def _below(spans: list[Drawn], number: int) -> set[int]:
    """The span and all that descend from it, by asking every span for its ancestors."""
    found = set()
    for other in range(len(spans)):
        ancestor: int | None = other
        while ancestor is not None:
            if ancestor == number:
                found.add(other)
            ancestor = spans[ancestor].parent
    return found


def _by_number(spans: list[Drawn], order: list[int]) -> dict[int, TreeNode]:
    rows = _rows(spans)
    tree = build([rows[index] for index in order])
    return {int(node.span.span_id, 16): node for node in tree}


@given(spans=_spans(), data=st.data())
def test_self_time_is_the_ticks_without_a_child(spans: list[Drawn], data: st.DataObject) -> None:
    """Self time counts the moments of a span at which none of its children runs."""
    nodes = _by_number(spans, data.draw(st.permutations(range(len(spans)))))

    assert len(nodes) == len(spans)
    for number, span in enumerate(spans):
        children = [other for other in spans if other.parent == number]
        alone = [
            tick
            for tick in range(span.start, span.end)
            if not any(child.start <= tick < child.end for child in children)
        ]
        assert nodes[number].self_ns == len(alone)


@given(spans=_spans(), data=st.data())
def test_sums_are_those_of_all_descendants(spans: list[Drawn], data: st.DataObject) -> None:
    """Each sum is that of the model calls at or below a span, each of them once."""
    nodes = _by_number(spans, data.draw(st.permutations(range(len(spans)))))

    for number in range(len(spans)):
        calls = [spans[other] for other in _below(spans, number) if spans[other].cents is not None]
        totals = nodes[number].totals
        assert totals.llm_calls == len(calls)
        assert totals.input_tokens == sum(call.cents or 0 for call in calls)
        assert totals.output_tokens == len(calls)
        assert totals.cost_usd == sum((Decimal(c.cents or 0) for c in calls), Decimal(0)) / 10_000


@given(spans=_spans())
def test_failures_are_failed_spans_without_failed_descendants(spans: list[Drawn]) -> None:
    """An error counts where it arose."""
    nodes = _by_number(spans, list(range(len(spans))))

    for number in range(len(spans)):
        below = _below(spans, number)
        arose = [
            other
            for other in below
            if spans[other].failed
            and not any(spans[inner].failed for inner in _below(spans, other) - {other})
        ]
        assert nodes[number].totals.failures == len(arose)


@given(
    parents=st.lists(st.integers(0, 12), max_size=12),
    starts=st.lists(st.integers(0, 9), min_size=12, max_size=12),
)
def test_no_span_is_lost_in_any_tangle(parents: list[int], starts: list[int]) -> None:
    """Whatever spans name as their parents, each is shown once, below its parent or as a root."""
    rows = [
        SpanRow(
            trace_id="0" * 32,
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}",
            name="x",
            start_ns=starts[number],
            end_ns=9,
        )
        for number, parent in enumerate(parents)
    ]

    tree = build(rows)

    assert sorted(node.span.span_id for node in tree) == [row.span_id for row in rows]
    assert all(node.mark is not None for node in tree.roots)
    for node in tree:
        assert (node.parent is None) == (node in tree.roots)
        assert node.parent is None or node.parent.span.span_id == node.span.parent_id
