"""Where a report is printed: how wide it is, which characters and colours it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import IO, Final, NoReturn

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from flowspan.report.plain import one_line
from flowspan.report.terminal.glyphs import Glyphs, for_encoding, spell

_WIDTH_OF_PIPES: Final = 100
_NARROWEST: Final = 40
_WIDEST: Final = 180


@dataclass(frozen=True, slots=True)
class Surface:
    """A console, and what can be shown on it.

    Attributes:
        console: Prints; it interprets neither markup nor emoji codes.
        glyphs: The signs that it knows.
        width: Columns to be used.
    """

    console: Console
    glyphs: Glyphs
    width: int

    def plain(self, text: object) -> str:
        """Text of strangers as one line that this surface can show."""
        return one_line(text, self.console.encoding)

    def text(self, text: object, style: str | Style = "") -> Text:
        """Text of strangers, safe to be printed."""
        return self.own(self.plain(text), style)

    def own(self, text: str, style: str | Style = "") -> Text:
        """Words of ours, with the signs replaced that the surface does not know."""
        # Not the style of the Text itself: what is appended to it would inherit that one.
        return Text(no_wrap=True, end="").append(spell(text, self.glyphs), style)

    def cut(self, text: str, width: int) -> str:
        """At most ``width`` columns of a text; an ellipsis tells that there was more."""
        if cell_len(text) <= width:
            return text
        if width <= 1:
            return self.glyphs.ellipsis[:width]
        return set_cell_size(text, width - 1) + self.glyphs.ellipsis

    def shortened(self, text: Text, width: int) -> Text:
        """A text cut to a width like :meth:`cut` does, with its styles kept."""
        if text.cell_len <= width:
            return text
        short = text.copy()
        short.truncate(max(width - 1, 0), overflow="crop")
        return short.append(self.glyphs.ellipsis[: max(width, 0)])

    def facts(self, known: Iterable[Text], *, indent: int = 0) -> Iterator[Text]:
        """Facts beside each other, on as many lines as they need."""
        separator = Text(f" {self.glyphs.dot} ", "dim", end="")
        line = None
        for fact in known:
            if line is None:
                line = Text(" " * indent, no_wrap=True, end="").append_text(fact)
            elif line.cell_len + separator.cell_len + fact.cell_len <= self.width:
                line.append_text(separator).append_text(fact)
            else:
                yield line
                line = Text(" " * indent, no_wrap=True, end="").append_text(fact)
        if line is not None:
            yield line

    def paragraph(self, words: str, style: str = "", *, indent: int = 0) -> Iterator[Text]:
        """Words on as many lines as they need."""
        for line in wrap(words, self.width - indent):
            yield Text(" " * indent, no_wrap=True, end="").append_text(self.own(line, style))

    def print(self, *lines: Text) -> None:
        """Print lines as they are: what is longer than the surface is left to the terminal."""
        for line in lines:
            self.console.print(line, soft_wrap=True, end="\n")


class _Console(Console):
    """A console that leaves it to its caller what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the error is being handled: let it go on."""
        raise  # noqa: PLE0704 - rich calls this from its own handler


def surface(
    file: IO[str], *, width: int | None = None, environ: Mapping[str, str] | None = None
) -> Surface:
    """The surface of an output.

    Args:
        file: Where it is printed to.
        width: Columns; unless given the terminal's own within reason, 100 for files and pipes.
        environ: Read for ``COLUMNS``, ``TERM``, ``NO_COLOR`` and their like.
    """
    environ = os.environ if environ is None else environ
    console = _Console(
        file=file, markup=False, emoji=False, highlight=False, _environ=environ, width=width
    )
    if width is None:
        fits = console.width
        if not console.is_terminal and "COLUMNS" not in environ:
            fits = _WIDTH_OF_PIPES
        width = max(_NARROWEST, min(fits, _WIDEST))
        console.width = width
    return Surface(console, for_encoding(console.encoding), width)
