"""The bar of one span."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.report.intervals import Interval
from flowspan.report.terminal.bar import Axis, bar
from flowspan.report.terminal.glyphs import ASCII, UNICODE
from flowspan.report.tree import build
from flowspan.store.records import SpanRow


def _bar(trace: Any, span_id: str, width: int = 10, *, glyphs: Any = UNICODE) -> str:
    node = trace.node(span_id)
    return bar(node, Axis(trace.tree().interval, width), glyphs)


@pytest.mark.parametrize(
    ("start", "end", "drawn"),
    [
        (0, 10, "██████████"),
        (2, 4, "  ██      "),
        (0, 0.5, "▌         "),
        (0.5, 1, "▐         "),
        (0.1, 1, "█         "),
        (0.8, 1, "▕         "),
        (2.6, 4.3, "  ▐█▎     "),
        (5.2, 5.4, "     ▏    "),
        (5.6, 5.8, "     ▕    "),
        (3, 3, "   ▏      "),
        (10, 10, "         ▕"),
    ],
)
def test_own_work(trace: Any, start: float, end: float, drawn: str) -> None:
    """Own work is thick, begins and ends within parts of a column, and is always visible."""
    trace.span("run", 0, 10)
    span = trace.span("a", start, end)

    assert drawn == _bar(trace, span)


def test_waiting(trace: Any) -> None:
    """Where a span waited for its children there is a thin line."""
    run = trace.span("run", 0, 10)
    trace.span("a", 1, 4, run)
    trace.span("b", 6, 7.2, run)

    assert _bar(trace, run) == "█━━━██━███"


def test_line_with_half_columns(trace: Any) -> None:
    """A line may begin and end in the middle of a column."""
    trace.span("run", 0, 10)
    outer = trace.span("outer", 2.6, 6.4)
    trace.span("inner", 2.6, 6.4, outer)

    assert _bar(trace, outer) == "  ╺━━━╸   "


def test_ends(trace: Any) -> None:
    """What has no end yet, and what was cut off, show it at their ends."""
    trace.span("run", 0, 10)
    opened = trace.span("open", 0, None)
    cut = trace.span("cut", 5, None, state="interrupted")

    assert _bar(trace, opened) == "█████████▶"
    assert _bar(trace, cut) == "     ████✗"


def test_ascii(trace: Any) -> None:
    """Without Unicode there are two signs, and columns are full or empty."""
    run = trace.span("run", 0, 10)
    trace.span("a", 2, 8, run)

    assert _bar(trace, run, glyphs=ASCII) == "##------##"


def test_no_time_at_all(trace: Any) -> None:
    """A run that took no time has a bar."""
    run = trace.span("run", 0, 0)

    assert _bar(trace, run) == "▏         "


@given(
    width=st.integers(1, 120),
    whole=st.integers(0, 10**12),
    data=st.data(),
)
def test_width_is_exact(width: int, whole: int, data: st.DataObject) -> None:
    """Whatever the times, a bar has as many columns as the axis, and is not empty."""
    start = data.draw(st.integers(0, whole))
    end = data.draw(st.integers(start, whole))
    rows = [
        SpanRow(trace_id="0" * 32, span_id="a", name="x", start_ns=start, end_ns=end),
        SpanRow(
            trace_id="0" * 32,
            span_id="b",
            parent_id="a",
            name="x",
            start_ns=data.draw(st.integers(0, whole)),
            end_ns=whole,
        ),
    ]
    node = next(node for node in build(rows) if node.span.span_id == "a")

    drawn = bar(node, Axis(Interval(0, whole), width), UNICODE)

    assert len(drawn) == width
    assert drawn.strip()
