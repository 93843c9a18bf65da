"""Splits lines off a stream of bytes, wherever the network cut it; of JSON lines, the values."""

from __future__ import annotations

from typing import Final

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Some servers begin a text with it; it is not part of the text."""

MOST_LINE: Final = 64_000_000
"""Bytes of one line that are held; a longer one is cut there, whatever a server sends."""


class Lines:
    """The part of a line that has arrived and whose end has not."""

    __slots__ = ("_at_start", "_held", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._at_start = True

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def hold(self, piece: bytes) -> None:
        """Keep bytes without a line's end."""
        if piece and self._held < MOST_LINE:
            self._pieces.append(piece)
            self._held += len(piece)

    def completed(self, chunk: bytes) -> list[bytes]:
        """The lines that a chunk with a line's end completes; what is behind them is kept."""
        if self._pieces:
            chunk = b"".join((*self._pieces, chunk))
            self._pieces = []
            self._held = 0
        lines = chunk.split(b"\n")
        if rest := lines.pop():
            self.hold(rest)
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        return lines


class LineSplitter:
    """Takes bytes as they arrive and gives each line that is complete (NDJSON, JSON lines).

    A JSON value holds no raw line's end, so that one line is one value.

    Attributes:
        pending: Whether part of a line has arrived and its end has not.
    """

    __slots__ = ("_rest", "pending")

    def __init__(self) -> None:
        self.pending = False
        self._rest = Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, give the lines that they completed; empty ones are left out."""
        if b"\n" in chunk:
            lines = [line for each in self._rest.completed(chunk) if (line := each.strip())]
        else:
            lines = []
            self._rest.hold(chunk)
        self.pending = bool(self._rest)
        return lines

    def flush(self) -> list[bytes]:
        """Give the last line of a stream that ended without a line's end."""
        return self.feed(b"\n") if self.pending else []
