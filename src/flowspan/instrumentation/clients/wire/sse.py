"""Splits server-sent events off a stream of bytes, wherever the network cut it.

Only the data of events is kept: the formats of model providers repeat an event's name inside its
data, and ids and retry times mean nothing to an observer.
"""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.clients.wire.lines import Lines

_MOST_DATA: Final = 10_000
"""Data lines of one event that are held; a server may never end it."""


class EventSplitter:
    """Takes bytes as they arrive and gives the data of each event that is complete.

    Lines may end in LF, CRLF or CR; an event may have several data lines, which are joined by LF;
    comments and other fields are skipped (the "event stream" of the HTML standard, section 9.2).
    Google ends a stream with an error that is no event, but bare JSON: it is given as one.

    Attributes:
        pending: Whether part of an event has arrived and its end has not.
    """

    __slots__ = ("_after_return", "_bare", "_data", "_rest", "pending")

    def __init__(self) -> None:
        self.pending = False
        self._rest = Lines()
        self._data: list[bytes] = []  # of the event that is not complete yet
        self._after_return = False
        self._bare = False  # inside JSON that stands in the stream without being an event

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, give the data of the events that they completed."""
        if self._after_return or b"\r" in chunk:
            chunk = self._with_plain_newlines(chunk)
        if b"\n" in chunk:
            events = self._events(self._rest.completed(chunk))
        else:
            events = []
            self._rest.hold(chunk)
        self.pending = bool(self._rest or self._data or self._after_return)
        return events

    def flush(self) -> list[bytes]:
        """Give the last event of a stream that ended without the blank line behind it."""
        return self.feed(b"\n\n") if self.pending else []

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        del data[_MOST_DATA:]
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                    self._bare = False
            elif line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line == b"data":
                data.append(b"")
            elif self._bare or line.startswith(b"{"):
                self._bare = True
                data.append(line)
        return events

    def _with_plain_newlines(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF, also where the chunk begins between the two."""
        if not chunk:
            return chunk
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
