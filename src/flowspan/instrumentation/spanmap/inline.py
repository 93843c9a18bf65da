"""Tells on which line each key and item inside a TOML value stands: arrays and inline tables.

The value is known to be TOML, so that its strings, comments and brackets are all that there is to
see; what else is in it (numbers, dates) is skipped.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Final

Place = tuple[str | int, ...]

_TOKEN: Final = re.compile(
    r'''
    (?P<text> """(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )
  | (?P<comment> \#[^\n]* )
  | (?P<mark> [\[\]{},=\n] )
  | (?P<space> [ \t\r]+ )
  | (?P<word> [^\[\]{},=\n\#"'\ \t\r]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {"[": "]", "{": "}"}


def places_in(statement: str) -> Iterator[tuple[Place, int]]:
    """The places that a statement speaks of, with their lines counted from 0.

    Args:
        statement: ``key = value`` as it stands in the file, alone.

    Yields:
        The key, then whatever is inside the value.
    """
    tokens = _Tokens(statement)
    key = tokens.key()
    yield key, 0
    yield from _value(tokens, key)


class _Tokens:
    """The tokens of a statement; blanks, comments and line ends are passed over and counted."""

    def __init__(self, text: str) -> None:
        self.line = 0
        self._found = _TOKEN.finditer(text)
        self._height = 0
        self._next: re.Match[str] | None = None
        self.advance()

    @property
    def text(self) -> str:
        """The present token; empty at the end."""
        return "" if self._next is None else self._next[0]

    def advance(self) -> str:
        """The present token; the one after it is the present one now."""
        gone = self.text
        self.line += self._height
        self._height = 0
        self._next = None
        for token in self._found:
            if token[0] == "\n":
                self.line += 1
            elif token.lastgroup not in {"space", "comment"}:
                self._next, self._height = token, token[0].count("\n")
                break
        return gone

    def key(self) -> tuple[str, ...]:
        """The dotted key before an equals sign."""
        written = ""
        while self.text not in {"=", ""}:
            written += self.advance()
        self.advance()
        return _steps(written)


def _steps(written: str) -> tuple[str, ...]:
    steps = []
    inner: object = tomllib.loads(f"{written} = 0")
    while isinstance(inner, dict):
        name, inner = next(iter(inner.items()))
        steps.append(name)
    return tuple(steps)


def _value(tokens: _Tokens, place: Place) -> Iterator[tuple[Place, int]]:
    opening = tokens.advance()
    if opening not in _CLOSING:
        while tokens.text not in {",", "]", "}", ""}:  # a date and its time are two words
            tokens.advance()
        return
    count = 0
    while tokens.text not in {_CLOSING[opening], ""}:
        line = tokens.line
        steps: Place = (count,) if opening == "[" else tokens.key()
        for length in range(1, len(steps) + 1):
            yield (*place, *steps[:length]), line
        yield from _value(tokens, (*place, *steps))
        count += 1
        if tokens.text == ",":
            tokens.advance()
    tokens.advance()
