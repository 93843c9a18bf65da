"""Embeddings of the fake provider: vectors that depend on nothing but the text."""

from __future__ import annotations

import hashlib
from itertools import cycle, islice

DIMENSIONS = 8
"""Length of a vector where a request asks for none."""


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The vector of a text; its numbers are exact in 32 bits."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(byte - 128) / 128 for byte in islice(cycle(digest), dimensions)]
