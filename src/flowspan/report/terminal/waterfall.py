"""A run as a tree beside a common time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from flowspan.report import amounts
from flowspan.report.outline import Fold, Line
from flowspan.report.terminal import colours, facts, stories
from flowspan.report.terminal.bar import Axis, bar
from flowspan.report.terminal.layout import fit
from flowspan.report.terminal.surface import Surface
from flowspan.report.title import title
from flowspan.report.totals import Totals
from flowspan.report.tree import Tree, TreeNode

_HOT: Final = 0.1
"""Share of the run from which on a self time is worth a bold face."""

_GUIDE: Final = 2
"""Columns of one level of the tree."""

_LEAST_TITLE: Final = 16
"""Columns that a name keeps, however deep it is."""


class Waterfall:
    """Renders the lines of one tree."""

    def __init__(
        self, tree: Tree, lines: Sequence[Line], surface: Surface, *, events: bool = False
    ) -> None:
        """Lay the tree out.

        Args:
            tree: The tree.
            lines: What of it is shown.
            surface: Where.
            events: Print every event of a span below it.
        """
        self._surface = surface
        self._glyphs = surface.glyphs
        self._lines = lines
        self._events = events
        self._whole_ns = max(tree.interval.end - tree.interval.start, 1)
        longest = max((self._natural_width(line) for line in lines), default=0)
        self._layout = fit(surface.width, longest, tree.totals)
        self._rest = " " * len(facts.UNKNOWN_REST) if tree.totals.unpriced_calls else ""
        self._axis = Axis(tree.interval, self._layout.bar)

    def lines(self) -> Iterator[Text]:
        """The head of the columns, then the tree."""
        yield self._head()
        for line in self._lines:
            if isinstance(line.content, Fold):
                yield self._folded(line, line.content)
                continue
            yield self._row(line, line.content)
            yield from self._below(line, line.content)

    def _natural_width(self, line: Line) -> int:
        if isinstance(line.content, Fold):
            return 0
        words = [word for word in title(line.content.span) if word]
        return _GUIDE * line.depth + 2 + cell_len(" ".join(words))

    def _head(self) -> Text:
        layout = self._layout
        words = Text(style=colours.QUIET, no_wrap=True, end="")
        words.append("span".ljust(layout.name))
        end = self._surface.own(amounts.duration(self._whole_ns)).plain
        words.append(" 0" + end.rjust(layout.bar - 1))
        columns = (
            (layout.time, "time"),
            (layout.own, "self"),
            (layout.tokens, f"tokens in{self._glyphs.arrow}out"),
            (layout.cost, "cost" + self._rest),
        )
        for width, word in columns:
            if width:
                words.append(" " + word.rjust(width))
        words.rstrip()
        return words

    def _row(self, line: Line, node: TreeNode) -> Text:
        layout = self._layout
        row = self._name(line, node)
        colour = colours.FAILED if stories.began_here(node) else colours.of_role(node.span.kind)
        row.append(" ")
        row.append(bar(node, self._axis, self._glyphs), colour)
        row.append(" " + self._duration(node.duration_ns, layout.time))
        if layout.own:
            style = "bold" if node.self_ns >= _HOT * self._whole_ns else colours.QUIET
            row.append(" " + self._duration(node.self_ns, layout.own), style)
        self._append_sums(row, node.totals, is_sum=node.span.kind != "llm")
        row.rstrip()
        return row

    def _duration(self, nanoseconds: int, width: int) -> str:
        return self._surface.own(amounts.duration(nanoseconds)).plain.rjust(width)

    def _append_sums(self, row: Text, totals: Totals, *, is_sum: bool) -> None:
        layout = self._layout
        spent = facts.tokens(totals, self._glyphs)
        mark = self._glyphs.total if is_sum and spent else " "
        if layout.tokens:
            row.append(f" {mark}", colours.QUIET)
            row.append(spent.rjust(layout.tokens - 1), colours.QUIET if is_sum else "")
        if layout.cost:
            price = facts.cost(facts.known_cost(totals), totals.unpriced_calls)
            row.append(" ")
            row.append((price if price.endswith("?") else price + self._rest).rjust(layout.cost))

    def _name(self, line: Line, node: TreeNode) -> Text:
        room = self._layout.name
        words = title(node.span)
        name = self._guides(line)
        self._append(name, self._mark(node), room)
        if words.role not in {"internal", "span"}:
            self._append(name, (words.role + " ", colours.of_role(words.role)), room)
        weight = "bold" if words.role in {"run", "node", "agent"} else ""
        self._append(name, (words.name or "(no name)", weight), room)
        if words.remark:
            self._append(name, (" " + words.remark, colours.QUIET), room)
        name.pad_right(room - name.cell_len)
        return name

    def _append(self, text: Text, piece: tuple[str, str], room: int) -> None:
        words, style = piece
        text.append(self._surface.cut(self._surface.plain(words), room - text.cell_len), style)

    def _mark(self, node: TreeNode) -> tuple[str, str]:
        if node.span.state == "open":
            return f"{self._glyphs.running} ", colours.COLOUR_OF_STATUS["running"]
        if node.span.state == "interrupted":
            return f"{self._glyphs.interrupted} ", colours.WARNING
        if node.span.status == "error":
            return f"{self._glyphs.failed} ", colours.FAILED
        return "", ""

    def _guides(self, line: Line, *, below: bool | None = None) -> Text:
        """The lines that lead to a span; with ``below`` those of the text under it."""
        glyphs = self._glyphs
        fits = max(1, (self._layout.name - _LEAST_TITLE) // _GUIDE)
        path = line.path[-fits:]
        guides = [glyphs.trunk if follows else glyphs.blank for follows in path]
        if guides and below is None:
            guides[-1] = glyphs.branch if path[-1] else glyphs.corner
        if below is not None:
            guides.append(glyphs.trunk if below else glyphs.blank)
        if line.depth > len(path):
            guides[0] = glyphs.ellipsis + guides[0][1:]
        return self._surface.own("".join(guides), colours.QUIET)

    def _folded(self, line: Line, fold: Fold) -> Text:
        words = f"{self._glyphs.ellipsis} {fold.spans:,} more"
        if fold.totals.failures:
            words += f", {fold.totals.failures:,} failed"
        row = self._guides(line)
        self._append(row, (words, "italic dim"), self._layout.name)
        row.pad_right(self._layout.name - row.cell_len)
        for width in (self._layout.bar, self._layout.time, self._layout.own):
            row.append(" " * (width + 1) if width else "")
        self._append_sums(row, fold.totals, is_sum=True)
        row.rstrip()
        return row

    def _below(self, line: Line, node: TreeNode) -> Iterator[Text]:
        under = self._guides(line, below=bool(node.children))
        for words in stories.lines(node, self._surface):
            yield self._joined(under, words)
        if self._events:
            for words in stories.events(node.span, self._surface):
                yield self._joined(under, words)

    def _joined(self, under: Text, words: Text) -> Text:
        return self._surface.shortened(
            Text(no_wrap=True, end="").append_text(under).append_text(words), self._surface.width
        )
