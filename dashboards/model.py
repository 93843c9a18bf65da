"""What a dashboard is made of, before it is anybody's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Look = Literal["stat", "lines", "bars", "shares", "ranking", "heatmap", "table", "matrix"]
"""How a panel shows what it asks.

=========== ===========================================================================
stat        one number for the time shown
lines       a line for each series
bars        stacked bars, each the growth in its own time
shares      stacked bars in percent
ranking     horizontal bars, the largest first
heatmap     how the measurements of a histogram are spread, over time
table       a row for each group of labels, a column for each query
matrix      a table of one query, by one label across and another down
=========== ===========================================================================
"""

Unit = Literal["s", "percentunit", "currencyUSD", "short", "suffix: tokens", "suffix: tokens/s"]
"""Grafana's name of a unit."""

WHOLE: int = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question.

    Attributes:
        expr: In PromQL.
        legend: What its series are called, with labels in double braces.
        exemplars: Whether to show single measurements, each with a link to its trace.
        unit: Of a table's column, where it is not that of the panel.
    """

    expr: str
    legend: str = ""
    exemplars: bool = False
    unit: Unit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A search for traces from a row of a table.

    Attributes:
        title: What it is called.
        tags: Attributes that the spans must have: the attribute, and the column with its value, or
            the value in double quotes.
    """

    title: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture.

    Attributes:
        title: What it shows.
        description: How to read it.
        look: How it shows it.
        unit: Of its numbers.
        queries: What it asks.
        width: In columns of the grid.
        height: In rows of it.
        good: For numbers that are better where they are higher (``high``) or lower (``low``):
            the bound between good and worth a look, and that between this and bad.
        columns: Of a table, the labels that tell rows apart, and what they are called.
        links: Of a table.
    """

    title: str
    description: str
    look: Look
    unit: Unit
    queries: tuple[Query, ...]
    width: int
    height: int = 8
    good: tuple[Literal["high", "low"], float, float] | None = None
    columns: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard.

    Attributes:
        uid: By which links find it; part of addresses that people keep.
        title: What it is called.
        description: The question that it answers.
        variables: What can be chosen, by name (see ``variables``).
        rows: What it shows.
        since: How far back it looks at first.
    """

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    rows: tuple[Row, ...]
    since: str = field(default="now-1h")

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels of all rows."""
        return tuple(panel for row in self.rows for panel in row.panels)
