"""A table that drops its least important columns until it fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from flowspan.report.terminal import colours
from flowspan.report.terminal.surface import Surface

_GAP = 2
_LEAST_FLEXIBLE = 12


@dataclass(slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        title: Its head.
        cells: One for each row.
        right: True where cells end at the same column, as numbers do.
        dropped: When it goes, as the others of lower numbers have gone; ``None`` for never.
        flexible: True for the column that is cut before another one is dropped.
    """

    title: str
    cells: list[Text] = field(default_factory=list)
    right: bool = False
    dropped: int | None = None
    flexible: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that the widest cell takes."""
        return max([len(self.title), *(cell.cell_len for cell in self.cells)])

    @property
    def is_empty(self) -> bool:
        """Whether no row has anything to say here."""
        return not any(cell.plain for cell in self.cells)


def lines(columns: Sequence[Column], surface: Surface) -> Iterator[list[Text]]:
    """The head, then each row; columns without any content are left out.

    Yields:
        The line of a row, as a list to which a caller may add lines of its own.
    """
    shown, widths = _fitted([column for column in columns if not column.is_empty], surface.width)
    yield [_line([surface.own(c.title, colours.QUIET) for c in shown], shown, widths, surface)]
    for row in range(len(columns[0].cells)):
        yield [_line([column.cells[row] for column in shown], shown, widths, surface)]


def _fitted(columns: Sequence[Column], width: int) -> tuple[list[Column], list[int]]:
    shown = list(columns)
    candidates = sorted((c for c in columns if c.dropped is not None), key=lambda c: c.dropped or 0)
    for candidate in candidates:
        if _least(shown) <= width:
            break
        shown.remove(candidate)
    excess = max(0, _full(shown) - width)
    return shown, [c.width - excess if c.flexible else c.width for c in shown]


def _full(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def _least(columns: Sequence[Column]) -> int:
    spare = sum(max(0, c.width - _LEAST_FLEXIBLE) for c in columns if c.flexible)
    return _full(columns) - spare


def _line(
    cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], surface: Surface
) -> Text:
    line = Text(no_wrap=True, end="")
    for cell, column, width in zip(cells, columns, widths, strict=True):
        words = surface.shortened(cell, max(width, 1))
        space = " " * (width - words.cell_len)
        gap = " " * _GAP if line.plain else ""
        line.append(gap + space if column.right else gap)
        line.append_text(words)
        line.append("" if column.right else space)
    line.rstrip()
    return line
