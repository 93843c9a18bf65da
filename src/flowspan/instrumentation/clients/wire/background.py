"""Answers that are made in the background: charged to the fetch that first finds them complete.

When such an answer is asked for, nobody knows its tokens yet; when it is fetched, it looks like an
answer that was paid before.  So the ids of those that were asked for here are remembered.
"""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.clients.wire.reading import read, word
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.usage import Usage

_MOST: Final = 1024
"""Answers that are waited for at once; the oldest is forgotten."""

_awaited: Final[dict[str, bool]] = {}


def usage_of_background(shape: Shape, answer: Answer) -> Usage | None:
    """Tokens of a background answer, once; ``None`` for every other answer."""
    identity = word(read(answer.body, "id"))
    if identity is None:
        return None
    if shape.unfinished(answer.body):
        if shape.billed:
            _await(identity)
        return None
    return shape.usage(answer.body) if _awaited.pop(identity, False) else None


def _await(identity: str) -> None:
    _awaited[identity] = True
    while len(_awaited) > _MOST:
        _awaited.pop(next(iter(_awaited)), None)
