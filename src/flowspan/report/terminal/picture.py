"""A report as an SVG picture of a terminal, which needs nothing from any network."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from flowspan.report.terminal.glyphs import UNICODE
from flowspan.report.terminal.surface import Surface

_NIGHT: Final = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (72, 79, 88),
        (229, 72, 77),
        (52, 168, 83),
        (217, 165, 20),
        (91, 141, 239),
        (166, 111, 224),
        (31, 168, 181),
        (201, 209, 217),
    ],
)

_ASPECT: Final = 0.6
"""Width of a character over its height: that of most fonts of equal width."""

_FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, "DejaVu Sans Mono", "JetBrains Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""

_BAR: Final = re.compile(
    r'<text class="(?P<style>[^"]*)" x="(?P<x>[^"]*)" y="(?P<y>[^"]*)"[^>]*>'
    r"(?P<signs>(?:[▏▎▍▌▋▊▉█▕▐━╺╸]|&#160;)+)</text>"
)
_FILLS: Final = {
    **{sign: (0.0, (part + 1) / 8) for part, sign in enumerate(UNICODE.left)},
    **dict(zip(UNICODE.right[:2], ((0.875, 1.0), (0.5, 1.0)), strict=True)),
    UNICODE.line: (0.0, 1.0),
    UNICODE.line_right: (0.5, 1.0),
    UNICODE.line_left: (0.0, 0.5),
}
"""Which part of its column each sign of a bar fills, from left to right."""

_THIN_SIGNS: Final = UNICODE.line + UNICODE.line_right + UNICODE.line_left

_COLUMN: Final = 20 * _ASPECT
"""Width of a column in the picture, as are the following in its units."""

_FEET: Final = 2.5
_THICK: Final = 17.0
_THIN: Final = 3.0


def picture(draw: Callable[[Surface], Iterable[Text]], *, width: int, title: str) -> str:
    """An SVG of what would be printed.

    Args:
        draw: Gives the lines for a surface.
        width: Columns of the terminal in the picture.
        title: Stands in the frame, above.
    """
    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    canvas = Surface(console, UNICODE, width)
    canvas.print(*draw(canvas), Text(""))  # the last line is cut at its feet
    svg = console.export_svg(
        title=canvas.plain(title),
        theme=_NIGHT,
        code_format=_FRAME,
        font_aspect_ratio=_ASPECT,
        unique_id="flowspan",
    )
    return _BAR.sub(_drawn, svg)


def _drawn(text: re.Match[str]) -> str:
    """A bar as rectangles: between the characters of a text most viewers leave gaps."""
    x, y = float(text["x"]), float(text["y"])
    signs = text["signs"].replace("&#160;", " ")
    rectangles = []
    for is_thin, begin, end in _strokes(signs):
        height = _THIN if is_thin else _THICK
        top = y + _FEET - (_THICK + height) / 2
        rectangles.append(
            f'<rect class="{text["style"]}" x="{x + begin * _COLUMN:g}" y="{top:g}" '
            f'width="{(end - begin) * _COLUMN:g}" height="{height:g}"/>'
        )
    return "".join(rectangles)


def _strokes(signs: str) -> list[tuple[bool, float, float]]:
    """Whether each stroke is thin, and its begin and end in columns; neighbours are joined."""
    strokes: list[tuple[bool, float, float]] = []
    for column, sign in enumerate(signs):
        if sign == " ":
            continue
        is_thin = sign in _THIN_SIGNS
        begin, end = (column + part for part in _FILLS[sign])
        if strokes and strokes[-1][0] == is_thin and strokes[-1][2] == begin:
            begin = strokes.pop()[1]
        strokes.append((is_thin, begin, end))
    return strokes
