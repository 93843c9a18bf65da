"""Text of strangers, made safe to print: one line, no control characters, no longer than it may be.

Names, errors and prompts come from programs and models.  A terminal obeys escape sequences, a table
breaks at line ends, and bidirectional marks reorder what is beside them: all of these are shown as
the escapes that Python would write.
"""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 4000


def one_line(text: object, encoding: str = "utf-8") -> str:
    r"""The text on one line, as a terminal of that encoding can show it.

    Args:
        text: Anything; ``str`` is asked for what is not text.
        encoding: Of the output. What it cannot write becomes an escape, as ``\u2713``.

    Returns:
        At most 4,000 characters of the text, with everything escaped that is not printable.
    """
    line = str(text)[:_LONGEST]
    if not line.isprintable():
        line = "".join(map(_visible, line))
    if line.isascii():
        return line
    return line.encode(encoding, "backslashreplace").decode(encoding)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\u00a0\u2007\u202f\u3000":
        return " "
    return character.encode("unicode_escape").decode("ascii")
