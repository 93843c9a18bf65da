"""Splits server-sent events off a stream of bytes, wherever the network cut it.

Only the data of events is kept: the formats of model providers repeat an event's name inside its
data, and ids and retry times mean nothing to an observer.
"""

from __future__ import annotations

from typing import Final

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Some servers begin a text with it; it is not part of the text."""


class EventSplitter:
    """Takes bytes as they arrive and gives the data of each event that is complete.

    Lines may end in LF, CRLF or CR; an event may have several data lines, which are joined by LF;
    comments and other fields are skipped (the "event stream" of the HTML standard, section 9.2).

    Attributes:
        pending: Whether part of an event has arrived and its end has not.
    """

    __slots__ = ("_after_return", "_at_start", "_data", "_pieces", "pending")

    def __init__(self) -> None:
        self.pending = False
        self._pieces: list[bytes] = []  # of the line that is not complete yet
        self._data: list[bytes] = []  # of the event that is not complete yet
        self._after_return = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, give the data of the events that they completed."""
        if self._after_return or b"\r" in chunk:
            chunk = self._with_plain_newlines(chunk)
        if b"\n" in chunk:
            events = self._events(self._lines(chunk))
        else:
            events = []
            if chunk:
                self._pieces.append(chunk)
        self.pending = bool(self._pieces or self._data or self._after_return)
        return events

    def flush(self) -> list[bytes]:
        """Give the last event of a stream that ended without the blank line behind it."""
        return self.feed(b"\n\n") if self.pending else []

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that a chunk with a line's end completes; what is behind them is kept."""
        if self._pieces:
            chunk = b"".join((*self._pieces, chunk))
            self._pieces = []
        lines = chunk.split(b"\n")
        if rest := lines.pop():
            self._pieces.append(rest)
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        return lines

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
            elif line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line == b"data":
                data.append(b"")
        return events

    def _with_plain_newlines(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF, also where the chunk begins between the two."""
        if not chunk:
            return chunk
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
