"""Adds up the body of an answer while the program reads it: events, JSON lines, JSON.

The bytes of events are searched, not parsed: a few marks tell which events matter, and only those
are parsed, once, at the end.  A chunk with a piece of text costs about a microsecond.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any, Final, Literal

from flowspan.estimates import needs_texts
from flowspan.instrumentation.clients.wire.aws_events import MessageSplitter
from flowspan.instrumentation.clients.wire.failing import PAGE, error_type_of, is_page
from flowspan.instrumentation.clients.wire.lines import BYTE_ORDER_MARK, LineSplitter
from flowspan.instrumentation.clients.wire.reading import parsed
from flowspan.instrumentation.clients.wire.scanner import scanner, size_of_text
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.sse import EventSplitter

_DECODER: Final = json.JSONDecoder()
_NEXT: Final = re.compile(r"[\s,]*[{\[\"]")
_DONE: Final = b"[DONE]"
_GZIP: Final = b"\x1f\x8b"
_DEFLATE: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_AWS_MESSAGE: Final = b"\0"
"""No text begins so, but the length of a message does."""
_HALF_A_SIGN: Final = (b"", b"\x1f", b"\x78")
_MOST_INFLATED: Final = 16_000_000
"""Bytes that one compressed chunk may become; beyond that nothing more is read."""
_BEFORE_BODY: Final = b"\r\n\t " + BYTE_ORDER_MARK
_MOST_KEPT: Final = 512
"""Events kept for their marks; a server may mark every one."""
_MOST_BYTES: Final = 64_000_000
"""Bytes of a JSON body, or of events kept for their content, that are held."""


class BodyJoiner:
    """The joiner of every answer that is read bit by bit: takes bytes, gives an ``Answer``."""

    __slots__ = (
        "_answer",
        "_end",
        "_every",
        "_field",
        "_held",
        "_inflate",
        "_kept",
        "_latest",
        "_mode",
        "_output_bytes",
        "_over",
        "_pieces",
        "_plain",
        "_scanner",
        "_search",
        "_shape",
        "_split",
        "_under_way",
        "_words",
    )

    def __init__(self, shape: Shape, *, content: bool = False) -> None:
        """Join an answer of ``shape``; with ``content`` every event is kept for its message."""
        content = content or needs_texts()
        self._over = False
        self._shape = shape
        self._scanner = scanner(shape.marks)
        self._search = self._scanner.search
        self._words = self._scanner.over
        self._mode: Literal["fresh", "unknown", "line", "events", "body"] = "fresh"
        self._plain = not content
        self._under_way = False  # from now on nearly all chunks are pieces of text
        self._split: EventSplitter | LineSplitter | MessageSplitter = EventSplitter()
        self._field, self._end = b"data:", b"\n\n"
        self._inflate: Any = None
        self._every = content and not shape.marks.bulky
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

    @property
    def complete(self) -> bool:
        """True once the stream said itself that it is over, or that it failed.

        A body of JSON says so by being whole.
        """
        if self._mode not in {"body", "line"}:
            return self._over
        last = next((piece for each in reversed(self._pieces) if (piece := each.rstrip())), b"")
        return last.endswith((b"}", b"]")) and _loaded(b"".join(self._pieces)) is not None

    def result(self) -> Answer:
        """The answer as far as it has come."""
        if self._answer is None:
            body = self._mode in {"body", "line"}
            self._answer = self._answer_of_body() if body else self._answer_of_events()
        return self._answer

    # --- chunks ---------------------------------------------------------------------------------

    def _is_text(self, chunk: bytes) -> bool:
        """Account for a chunk that is one event with one piece of text, as nearly all are."""
        end = self._end
        if self._split.pending or chunk.find(end) != len(chunk) - len(end) or b"\r" in chunk:
            return False
        found = self._search(chunk)
        if found is None or self._scanner.role(found) != "text":
            return False
        if not chunk.startswith(self._field, chunk.rfind(b"\n", 0, found.start()) + 1):
            return False
        start = found.end()
        if self._search(chunk, start) is not None:
            return False
        for word in self._words:
            if word in chunk:
                return False
        self._output_bytes += size_of_text(chunk, start)
        return True

    def _take(self, chunk: bytes) -> bool:
        if self._inflate is not None:
            chunk = self._inflated(chunk)
        if self._mode != "events" and not (chunk := self._begin(chunk)):
            return self._mode == "body" and self._shape.array
        counts = False
        for data in self._split.feed(chunk):
            if data and not self._over:
                self._event(data)
                counts = True
        self._under_way = self._plain and bool(self._kept) and not self._over
        return counts

    # --- what the body is -----------------------------------------------------------------------

    def _begin(self, chunk: bytes) -> bytes:
        """Find out what the body is; gives the bytes that are events, once they are."""
        if self._mode == "fresh":
            chunk = b"".join((*self._pieces, chunk))
            self._pieces = []
            if chunk in _HALF_A_SIGN:
                self._pieces.append(chunk)
                return b""
            self._mode = "unknown"
            chunk = self._unpacked(chunk)
        if self._held < _MOST_BYTES:
            self._pieces.append(chunk)
            self._held += len(chunk)
        if self._mode == "body" or (self._mode == "line" and b"\n" not in chunk):
            return b""
        start = b"".join(self._pieces).lstrip(_BEFORE_BODY)
        if not start:
            return b""
        if start.startswith(_AWS_MESSAGE):
            self._split = MessageSplitter()
            self._plain = False
        if start.startswith((b"{", b"[")):
            return self._begin_json(start)
        if start.startswith(b"<"):
            self._mode = "body"
            return b""
        self._mode = "events"
        return self._without_pieces(start)

    def _begin_json(self, start: bytes) -> bytes:
        """A body, unless the format may have JSON lines and the first line is a value."""
        line, end, _ = start.partition(b"\n")
        if not self._shape.lines or start.startswith(b"["):
            self._mode = "body"
        elif not end:
            self._mode = "line"
        elif _loaded(line) is None:
            self._mode = "body"
        else:
            self._mode = "events"
            self._split = LineSplitter()
            self._field, self._end = b"{", b"\n"
            return self._without_pieces(start)
        return b""

    def _without_pieces(self, start: bytes) -> bytes:
        self._pieces = []
        self._held = 0
        return start

    def _unpacked(self, chunk: bytes) -> bytes:
        """Whoever reads below the client's decoding gets compressed bytes."""
        if chunk.startswith(_GZIP):
            self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        elif chunk.startswith(_DEFLATE):
            self._inflate = zlib.decompressobj()
        else:
            return chunk
        self._plain = False
        return self._inflated(chunk)

    def _inflated(self, chunk: bytes) -> bytes:
        try:
            plain = self._inflate.decompress(chunk, _MOST_INFLATED)
        except zlib.error:
            return b""
        return b"" if self._inflate.unconsumed_tail else bytes(plain)

    # --- events ---------------------------------------------------------------------------------

    def _event(self, data: bytes) -> None:
        if data == _DONE:
            self._over = True
            return
        keep = self._every or not (self._kept or self._shape.marks.bulky)
        size = 0
        found = self._search(data)
        while found is not None:
            role = self._scanner.role(found)
            if role == "text":
                size = size or size_of_text(data, found.end())
            elif role == "each":
                keep = True
            elif role == "flag":
                self._over = keep = self._over or self._is_over(data)
            elif role is not None:
                self._latest[found[0]] = data
            found = self._search(data, found.end())
        self._output_bytes += size
        if any(word in data for word in self._scanner.over) and self._is_over(data):
            self._over = True
            self._latest[b""] = data
        if keep:
            self._hold(data)

    def _is_over(self, data: bytes) -> bool:
        """Parse an event that seems to end the stream: it has such a type, or an error."""
        event = _loaded(data)
        if not isinstance(event, dict):
            return False
        marks = self._shape.marks
        if any(event.get(flag) is True for flag in marks.flags):
            return True
        if event.get("error") or event.get("object") == "error":  # the latter is Mistral's
            return True
        return event.get("type") in ("error", *marks.over)

    def _hold(self, data: bytes) -> None:
        room = self._held < _MOST_BYTES if self._every else len(self._kept) < _MOST_KEPT
        if room:
            self._kept.append(data)
            self._held += len(data)

    # --- the answer -----------------------------------------------------------------------------

    def _answer_of_events(self) -> Answer:
        for data in self._split.flush():
            if data and not self._over:
                self._event(data)
        held = {id(data) for data in self._kept}
        latest = [data for data in self._latest.values() if id(data) not in held]
        loaded = (_loaded(data) for data in (*self._kept, *latest))
        events = [event for event in loaded if isinstance(event, dict)]
        body = self._shape.fold(events) if events else None
        return Answer(body, output_bytes=self._output_bytes, error=error_type_of(body))

    def _answer_of_body(self) -> Answer:
        data = b"".join(self._pieces).lstrip(_BEFORE_BODY)
        if self._shape.array and data.startswith(b"["):
            body: Any = self._shape.fold(_elements(data))
            return Answer(body, error=error_type_of(body))
        if is_page(data):
            return Answer(output_bytes=0, error=PAGE)
        body = parsed(data)
        output = len(data) if body is None else None
        return Answer(body, output_bytes=output, error=error_type_of(body))


def answer_in(shape: Shape, data: Any, *, status: int | None, content: bool = False) -> Answer:
    """The answer in a body that was read at once: JSON, or a whole stream."""
    joiner = BodyJoiner(shape, content=content)
    if isinstance(data, bytes):
        joiner.add(data)
    answer = joiner.result()
    answer.status = status
    return answer


def _elements(data: bytes) -> list[dict[str, Any]]:
    """The objects of a JSON array, as far as it has come."""
    loaded = _loaded(data)
    if loaded is None:
        loaded = []
        written = data.decode("utf-8", "replace")
        at = 1
        while (found := _NEXT.match(written, at)) is not None:
            try:
                element, at = _DECODER.raw_decode(written, found.end() - 1)
            except (ValueError, RecursionError):
                break
            loaded.append(element)
    return [element for element in loaded if isinstance(element, dict)]


def _bytes(chunk: Any) -> bytes:
    # Response.iter_content(decode_unicode=True) of requests gives texts.
    return chunk.encode() if isinstance(chunk, str) else bytes(chunk)


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
