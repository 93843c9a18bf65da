"""Adds up a stream that reaches the program as an SDK's own chunks, through a generator.

Some SDKs hand out a plain generator, behind which the HTTP response cannot be observed: dropping or
closing the generator is the end of the call, and its chunks are all that is seen of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from flowspan.estimates import needs_texts, utf8_length
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.shape import Answer, Shape

Meaning = Literal["text", "kept", "newest", "last"]
Look = Callable[[Any], tuple[str | None, Meaning]]
"""The text that a chunk brings, and whether it matters for more than its text.

``kept`` chunks are folded into the answer at the end, and so is the ``newest`` of those that say
the tokens so far, and the ``last`` one, with which the stream says that it is over.
"""

_MOST_KEPT: Final = 512
_MOST_KEPT_WITH_CONTENT: Final = 100_000


class ChunkJoiner:
    """The joiner of a generator's chunks; of most of them only the length of their text stays.

    Attributes:
        complete: True once the stream said itself that it is over.
    """

    __slots__ = (
        "_every",
        "_kept",
        "_look",
        "_most",
        "_newest",
        "_output_bytes",
        "_shape",
        "complete",
    )

    def __init__(self, shape: Shape, look: Look, *, content: bool = False) -> None:
        """Join chunks of ``shape``; with ``content`` every one is kept for its message."""
        content = content or needs_texts()
        self.complete = False
        self._shape = shape
        self._look = look
        self._every = content
        self._most = _MOST_KEPT_WITH_CONTENT if content else _MOST_KEPT
        self._kept: list[Any] = []
        self._newest: Any = None
        self._output_bytes = 0

    def add(self, chunk: Any) -> None:
        """Take one chunk."""
        text, meaning = self._look(chunk)
        if text:
            self._output_bytes += utf8_length(text)
        self._newest = None
        if meaning == "last":
            self.complete = True
        elif meaning == "newest" and not self._every and self._kept:
            self._newest = chunk
            return
        elif meaning == "text" and not self._every and self._kept:
            return
        if len(self._kept) < self._most or meaning == "last":
            self._kept.append(chunk)

    def result(self) -> Answer:
        """The answer as far as it has come; without a body where no chunk came."""
        chunks = self._kept if self._newest is None else [*self._kept, self._newest]
        body = self._shape.fold(chunks) if chunks else None
        return Answer(body, output_bytes=self._output_bytes, error=error_type_of(body))
