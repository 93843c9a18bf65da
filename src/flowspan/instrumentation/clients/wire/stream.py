"""Adds up the body of an answer while the program reads it: server-sent events, or JSON.

The bytes of events are searched, not parsed: a few marks tell which events matter, and only those
are parsed, once, at the end.  A chunk with a piece of text costs about a microsecond.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Final, Literal

from flowspan.estimates import needs_texts
from flowspan.instrumentation.clients.wire.failing import error_type_of
from flowspan.instrumentation.clients.wire.reading import parsed
from flowspan.instrumentation.clients.wire.scanner import scanner, size_of_text
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.sse import BYTE_ORDER_MARK, EventSplitter

_DONE: Final = b"[DONE]"
_GZIP: Final = b"\x1f\x8b"
_BEFORE_BODY: Final = b"\r\n\t " + BYTE_ORDER_MARK
_FIELDS: Final = (b"data:", b"event:")
_END_OF_EVENT: Final = b"\n\n"
_MOST_KEPT: Final = 512
"""Events kept for their marks; a server may mark every one."""
_MOST_BYTES: Final = 64_000_000
"""Bytes of a JSON body, or of events kept for their content, that are held."""


class BodyJoiner:
    """The joiner of every answer that is read bit by bit: takes bytes, gives an ``Answer``.

    Attributes:
        complete: True once the stream said itself that it is over, or that it failed.
    """

    __slots__ = (
        "_answer",
        "_every",
        "_held",
        "_inflate",
        "_kept",
        "_latest",
        "_mode",
        "_output_bytes",
        "_pieces",
        "_plain",
        "_scanner",
        "_search",
        "_shape",
        "_split",
        "_under_way",
        "complete",
    )

    def __init__(self, shape: Shape, *, content: bool = False) -> None:
        """Join an answer of ``shape``; with ``content`` every event is kept for its message."""
        content = content or needs_texts()
        self.complete = False
        self._shape = shape
        self._scanner = scanner(shape.marks)
        self._search = self._scanner.search
        self._mode: Literal["fresh", "unknown", "events", "body"] = "fresh"
        self._plain = not content
        self._under_way = False  # from now on nearly all chunks are pieces of text
        self._split = EventSplitter()
        self._inflate: Any = None
        self._every = content
        self._kept: list[bytes] = []
        self._latest: dict[bytes, bytes] = {}
        self._output_bytes = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._answer: Answer | None = None

    def add(self, chunk: bytes | str) -> bool:
        """Take a chunk of the body.

        Returns:
            Whether it completed an event of the answer.  A comment, the beginning of an event and
            a piece of a JSON body do not.
        """
        piece = chunk if type(chunk) is bytes else _bytes(chunk)
        return (self._under_way and self._is_text(piece)) or self._take(piece)

    def result(self) -> Answer:
        """The answer as far as it has come."""
        if self._answer is None:
            body = self._mode == "body"
            self._answer = self._answer_of_body() if body else self._answer_of_events()
        return self._answer

    # --- chunks ---------------------------------------------------------------------------------

    def _is_text(self, chunk: bytes) -> bool:
        """Account for a chunk that is one event with one piece of text, as nearly all are."""
        if self._split.pending or not chunk.startswith(_FIELDS):
            return False
        if chunk.find(_END_OF_EVENT) != len(chunk) - 2:
            return False
        found = self._search(chunk)
        if found is None or self._scanner.role(found) != "text":
            return False
        start = found.end()
        if self._search(chunk, start) is not None:
            return False
        self._output_bytes += size_of_text(chunk, start)
        return True

    def _take(self, chunk: bytes) -> bool:
        if self._mode != "events":
            chunk = self._begin(chunk)
        elif self._inflate is not None:
            chunk = _inflated(self._inflate, chunk)
        counts = False
        for data in self._split.feed(chunk):
            if data and not self.complete:
                self._event(data)
                counts = True
        self._under_way = self._plain and bool(self._kept) and not self.complete
        return counts

    def _begin(self, chunk: bytes) -> bytes:
        """Find out what the body is; gives the bytes that are events, once they are."""
        if self._mode == "fresh" and chunk:
            self._mode = "unknown"
            if chunk.startswith(_GZIP):  # whoever reads below the client's decoding gets this
                self._plain = False
                self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        if self._inflate is not None:
            chunk = _inflated(self._inflate, chunk)
        if self._held < _MOST_BYTES:
            self._pieces.append(chunk)
            self._held += len(chunk)
        if self._mode == "body":
            return b""
        start = b"".join(self._pieces).lstrip(_BEFORE_BODY)
        if start.startswith((b"{", b"[")):
            self._mode = "body"
            return b""
        if start:
            self._mode = "events"
            self._pieces = []
            self._held = 0
        return start

    # --- events ---------------------------------------------------------------------------------

    def _event(self, data: bytes) -> None:
        if data == _DONE:
            self.complete = True
            return
        keep = self._every or not self._kept
        size = 0
        found = self._search(data)
        while found is not None:
            role = self._scanner.role(found)
            if role == "text":
                size = size or size_of_text(data, found.end())
            elif role == "each":
                keep = True
            elif role is not None:
                self._latest[found[0]] = data
            found = self._search(data, found.end())
        self._output_bytes += size
        if any(word in data for word in self._scanner.over) and self._is_over(data):
            self.complete = True
            self._latest[b""] = data
        if keep:
            self._hold(data)

    def _is_over(self, data: bytes) -> bool:
        """Parse an event that seems to end the stream: it has such a type, or an error."""
        event = _loaded(data)
        if not isinstance(event, dict):
            return False
        ends = ("error", *self._shape.marks.over)
        return bool(event.get("error")) or event.get("type") in ends

    def _hold(self, data: bytes) -> None:
        room = self._held < _MOST_BYTES if self._every else len(self._kept) < _MOST_KEPT
        if room:
            self._kept.append(data)
            self._held += len(data)

    # --- the answer -----------------------------------------------------------------------------

    def _answer_of_events(self) -> Answer:
        for data in self._split.flush():
            if data and not self.complete:
                self._event(data)
        held = {id(data) for data in self._kept}
        latest = [data for data in self._latest.values() if id(data) not in held]
        loaded = (_loaded(data) for data in (*self._kept, *latest))
        events = [event for event in loaded if isinstance(event, dict)]
        body = self._shape.fold(events) if events else None
        return Answer(body, output_bytes=self._output_bytes, error=error_type_of(body))

    def _answer_of_body(self) -> Answer:
        data = b"".join(self._pieces).lstrip(_BEFORE_BODY)
        body = parsed(data)
        output = len(data) if body is None else None
        return Answer(body, output_bytes=output, error=error_type_of(body))


def _inflated(inflate: Any, chunk: bytes) -> bytes:
    try:
        return bytes(inflate.decompress(chunk))
    except zlib.error:
        return b""


def _bytes(chunk: Any) -> bytes:
    # Response.iter_content(decode_unicode=True) of requests gives texts.
    return chunk.encode() if isinstance(chunk, str) else bytes(chunk)


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
