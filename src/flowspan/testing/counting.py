"""The token rule of the fake provider: one word is one chunk is one token."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CHUNK = re.compile(r"\S+\s*|\s+")


def split_chunks(text: str) -> tuple[str, ...]:
    """Splits a text into the chunks in which it is streamed.

    A chunk is a word with the white space after it; white space at the very beginning is a chunk
    of its own.  The chunks joined are the text again.
    """
    return tuple(_CHUNK.findall(text))


def count_tokens(texts: Iterable[str]) -> int:
    """Counts tokens: as many as the texts have chunks."""
    return sum(len(_CHUNK.findall(text)) for text in texts)
