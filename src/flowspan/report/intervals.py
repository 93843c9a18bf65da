"""Time that is covered by intervals: what self time and bars are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Interval(NamedTuple):
    """From ``start`` up to, and without, ``end``, in nanoseconds."""

    start: int
    end: int


def union(intervals: Iterable[Interval], within: Interval) -> list[Interval]:
    """What the intervals cover together inside ``within``: disjoint, in order, none empty."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        start, end = max(start, within.start), min(end, within.end)  # noqa: PLW2901 - clipped
        if start >= end:
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Interval(start, end))
    return merged


def length(intervals: Iterable[Interval]) -> int:
    """Summed length of intervals that do not overlap."""
    return sum(end - start for start, end in intervals)
