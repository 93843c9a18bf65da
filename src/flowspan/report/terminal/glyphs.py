"""The signs that reports are drawn with, for outputs with Unicode and for those without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """Signs, each one column wide unless said.

    Attributes:
        branch: To a span with siblings after it; two columns, as are the next three.
        corner: To the last of its siblings.
        trunk: Past a span whose siblings follow.
        blank: Past a span that was the last.
        left: Parts of a column filled from the left, from one eighth up to all of it.
        right: A column filled from the right: a little, half, all.
        line: A column in which only children ran, and its right and left half.
        going_on: The end of a bar that has no end yet.
        cut_off: The end of a bar that was interrupted.
        ok: Beside what succeeded.
        failed: Beside what failed.
        running: Beside what goes on.
        paused: Beside what waits for somebody.
        interrupted: Beside what was cut off.
        warning: Beside what is good to know.
        arrow: From one to the next.
        total: Before sums.
        dot: Between facts.
        ellipsis: For what was left out.
        retry: Before a number of retries.
        rule: Of horizontal lines.
        times: Before how often something happened.
    """

    branch: str = "├╴"
    corner: str = "└╴"
    trunk: str = "│ "
    blank: str = "  "
    left: str = "▏▎▍▌▋▊▉█"
    right: str = "▕▐█"
    line: str = "━"
    line_right: str = "╺"
    line_left: str = "╸"
    going_on: str = "▶"
    cut_off: str = "✗"
    ok: str = "✓"
    failed: str = "✗"
    running: str = "▶"
    paused: str = "◦"
    interrupted: str = "!"
    warning: str = "!"
    arrow: str = "→"
    total: str = "Σ"
    dot: str = "·"
    ellipsis: str = "…"
    retry: str = "↻"
    rule: str = "─"
    times: str = "×"  # noqa: RUF001 - it is a multiplication sign


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    branch="|-",
    corner="`-",
    trunk="| ",
    left="########",
    right="###",
    line="-",
    line_right="-",
    line_left="-",
    going_on=">",
    cut_off="x",
    ok="+",
    failed="x",
    running=">",
    paused="o",
    arrow=">",
    total="=",
    dot="|",
    ellipsis="~",
    retry="retries ",
    rule="-",
    times="x",
)


_ASCII_OF_OURS: Final = str.maketrans({"µ": "u", "→": ">", "…": "~"})


def spell(words: str, glyphs: Glyphs) -> str:
    """Words of ours with those signs that the glyphs can be printed beside."""
    return words if glyphs is UNICODE else words.translate(_ASCII_OF_OURS)


def for_encoding(encoding: str) -> Glyphs:
    """The signs that an output of that encoding can show."""
    return UNICODE if encoding.lower().replace("-", "").startswith("utf") else ASCII
