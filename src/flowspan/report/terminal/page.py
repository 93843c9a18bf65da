"""The whole page of ``flowspan show``: header, tree and what is to be noted below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from flowspan.report.outline import Fold, outline
from flowspan.report.summary import models
from flowspan.report.terminal import colours, facts, header
from flowspan.report.terminal.surface import Surface
from flowspan.report.terminal.waterfall import Waterfall
from flowspan.report.tree import Tree
from flowspan.store.records import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How much of a run is shown.

    Attributes:
        depth: Levels below the root; as many as fit comfortably unless given.
        everything: Fold nothing.
        events: Show every event under its span.
        now_ns: The present, since the epoch.
    """

    depth: int | None = None
    everything: bool = False
    events: bool = False
    now_ns: int


def lines(run: RunRow, tree: Tree, view: View, surface: Surface) -> Iterator[Text]:
    """The page, line by line."""
    yield from header.lines(run, tree, models(tree), surface, now_ns=view.now_ns)
    yield Text("", end="")
    shown = list(outline(tree, depth=view.depth, everything=view.everything))
    yield from Waterfall(tree, shown, surface, events=view.events).lines()
    notes = []
    if tree.totals.unpriced_calls:
        notes.append(facts.UNKNOWN_PRICE_NOTE)
    if any(isinstance(line.content, Fold) for line in shown):
        notes.append("folded lines open with --depth N or --all")
    if notes:
        yield Text("", end="")
    for note in notes:
        yield from surface.paragraph(note, colours.QUIET)
