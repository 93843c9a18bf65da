"""The bar of one span on the common time axis.

Thick where the span itself was at work, a thin line where it waited for its children: so the thick
parts are where the time went, with colours and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flowspan.report.intervals import Interval
from flowspan.report.terminal.glyphs import Glyphs
from flowspan.report.tree import TreeNode

_PARTS: Final = 8
"""Positions told apart inside one column."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that all bars share.

    Attributes:
        interval: First and last moment.
        width: Columns.
    """

    interval: Interval
    width: int

    def place(self, moment_ns: int) -> int:
        """The position of a moment, in parts of a column."""
        span = max(self.interval.end - self.interval.start, 1)
        return round((moment_ns - self.interval.start) * self.width * _PARTS / span)


def bar(node: TreeNode, axis: Axis, glyphs: Glyphs) -> str:
    """Exactly as many columns as the axis has."""
    start = min(axis.place(node.span.start_ns), axis.width * _PARTS - 1)
    end = max(axis.place(node.end_ns), start + 1)
    covered = [(axis.place(part.start), axis.place(part.end)) for part in node.covered]
    columns = "".join(_columns(start, end, covered, axis.width, glyphs))
    return _with_end(columns, node, (end - 1) // _PARTS, glyphs)


def _columns(
    start: int, end: int, covered: Sequence[tuple[int, int]], width: int, glyphs: Glyphs
) -> Iterator[str]:
    position = 0
    for column in range(width):
        left = column * _PARTS
        right = left + _PARTS
        while position < len(covered) and covered[position][1] <= left:
            position += 1
        begin, stop = max(start, left), min(end, right)
        if begin >= stop:
            yield " "
            continue
        waited = _overlap(covered, position, begin, stop)
        own = stop - begin - waited
        # Beside a line, half a column of own work is the least that is worth a break in it.
        is_thick = own >= waited and (own >= _PARTS // 2 or not covered)
        yield (_thick if is_thick else _thin)(begin - left, stop - left, glyphs)


def _overlap(covered: Sequence[tuple[int, int]], position: int, begin: int, stop: int) -> int:
    overlap = 0
    while position < len(covered) and covered[position][0] < stop:
        overlap += max(0, min(stop, covered[position][1]) - max(begin, covered[position][0]))
        position += 1
    return overlap


def _thick(begin: int, stop: int, glyphs: Glyphs) -> str:
    if begin == 0:
        return glyphs.left[stop - 1]
    if stop == _PARTS:
        return glyphs.right[0 if begin > 5 else 1 if begin > 1 else 2]  # noqa: PLR2004 - nearest of three fills
    return glyphs.left[0] if begin < _PARTS // 2 else glyphs.right[0]


def _thin(begin: int, stop: int, glyphs: Glyphs) -> str:
    if begin >= _PARTS // 2:
        return glyphs.line_right
    return glyphs.line_left if stop <= _PARTS // 2 else glyphs.line


def _with_end(columns: str, node: TreeNode, last: int, glyphs: Glyphs) -> str:
    ends = {"open": glyphs.going_on, "interrupted": glyphs.cut_off}
    sign = ends.get(node.span.state)
    return columns if sign is None else columns[:last] + sign + columns[last + 1 :]
