"""What is not written yet: spans wait here while the store cannot take them, up to a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from flowspan import background
from flowspan.store.rows import SpanEntry

MOST_SPANS: Final = 20_000
MOST_CHARACTERS: Final = 32 << 20


class Backlog:
    """A queue of rows in order of arrival; the oldest give way where there are too many.

    Attributes:
        dropped: How many gave way so far.
    """

    def __init__(
        self, most_spans: int = MOST_SPANS, most_characters: int = MOST_CHARACTERS
    ) -> None:
        self._lock = background.Lock()
        self._entries: deque[SpanEntry] = deque()
        self._most_spans = most_spans
        self._most_characters = most_characters
        self._characters = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entries: Iterable[SpanEntry]) -> int:
        """Put rows at the end.

        Returns:
            How many rows at the front had to give way.
        """
        with self._lock:
            for entry in entries:
                self._entries.append(entry)
                self._characters += entry.size
            return self._shrink()

    def take(self, count: int) -> list[SpanEntry]:
        """Up to ``count`` rows from the front; give them back if they cannot be written."""
        with self._lock:
            taken = [self._entries.popleft() for _ in range(min(count, len(self._entries)))]
            self._characters -= sum(entry.size for entry in taken)
            return taken

    def give_back(self, entries: list[SpanEntry]) -> int:
        """Put rows back at the front.

        Returns:
            How many rows had to give way.
        """
        with self._lock:
            self._entries.extendleft(reversed(entries))
            self._characters += sum(entry.size for entry in entries)
            return self._shrink()

    def _shrink(self) -> int:
        count = 0
        while len(self._entries) > self._most_spans or (
            self._characters > self._most_characters and len(self._entries) > 1
        ):
            self._characters -= self._entries.popleft().size
            count += 1
        self.dropped += count
        return count
