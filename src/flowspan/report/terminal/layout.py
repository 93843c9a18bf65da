"""How the columns of the waterfall share the width that there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from flowspan.report.terminal.facts import UNKNOWN_REST
from flowspan.report.totals import Totals

_GAP: Final = 1
_LEAST_NAME: Final = 24
_LEAST_BAR: Final = 12
_MOST_BAR: Final = 80
_NAMES_SHARE: Final = 0.62


@dataclass(frozen=True, slots=True)
class Layout:
    """Widths of the columns; 0 for those that there is no room for, or nothing to say.

    Attributes:
        name: The tree.
        bar: The time axis.
        time: Durations.
        own: Self times.
        tokens: Input and output tokens, with the mark of sums before them.
        cost: Money.
    """

    name: int = 0
    bar: int = 0
    time: int = 7
    own: int = 7
    tokens: int = 13
    cost: int = 9

    @property
    def fixed(self) -> int:
        """Columns taken by all but tree and axis, gaps included."""
        widths = (self.time, self.own, self.tokens, self.cost)
        return sum(width + _GAP for width in widths if width)


def fit(width: int, longest_name: int, totals: Totals) -> Layout:
    """The layout for a width.

    Args:
        width: Columns that there are; at least 40.
        longest_name: Columns that the longest line of the tree would take.
        totals: Of the whole tree: without model calls there is nothing to say of tokens and money.
    """
    layout = Layout() if totals.llm_calls else Layout(tokens=0, cost=0)
    if totals.unpriced_calls:
        layout = replace(layout, cost=layout.cost + len(UNKNOWN_REST))
    for dropped in ("own", "tokens", "cost"):
        if width - layout.fixed >= _LEAST_NAME + _GAP + _LEAST_BAR:
            break
        layout = replace(layout, **{dropped: 0})
    room = width - layout.fixed - _GAP
    most_name = max(_LEAST_NAME, round(room * _NAMES_SHARE), room - _MOST_BAR)
    name = min(max(longest_name, _LEAST_NAME), most_name)
    return replace(layout, name=name, bar=min(room - name, _MOST_BAR))
