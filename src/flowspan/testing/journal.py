"""An append-only record that many threads write and tests read, compare and wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")


class Journal(Generic[Item]):
    """The writer's side: entries are added, and replaced when more is known about them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: list[Item] = []

    def add(self, make: Callable[[int], Item]) -> Item:
        """Adds what ``make`` returns for the position that it will have (from 0)."""
        with self.changed:
            item = make(len(self.items))
            self.items.append(item)
            self.changed.notify_all()
            return item

    def replace(self, old: Item, new: Item) -> Item:
        """Puts ``new`` where ``old`` is; does nothing if ``old`` has been cleared away."""
        with self.changed:
            for position in range(len(self.items) - 1, -1, -1):
                if self.items[position] is old:
                    self.items[position] = new
                    self.changed.notify_all()
                    break
            return new

    def clear(self) -> None:
        """Forgets everything."""
        with self.changed:
            self.items.clear()
            self.changed.notify_all()


class JournalView(Sequence[Item]):
    """The reader's side: a live sequence that cannot be changed through it.

    It compares equal to any sequence with the same entries.
    """

    def __init__(self, journal: Journal[Item]) -> None:
        self._journal = journal

    def snapshot(self) -> tuple[Item, ...]:
        """The entries of this moment."""
        with self._journal.changed:
            return tuple(self._journal.items)

    def wait_for(
        self, condition: int | Callable[[tuple[Item, ...]], bool], *, timeout: float = 5.0
    ) -> tuple[Item, ...]:
        """Waits until there are enough entries, or until the condition holds for them.

        Needed only for what the client cannot know of, a stream that it hung up on; everything
        else is recorded before the client can have seen the end of the answer.

        Args:
            condition: The least number of entries, or a function of them.
            timeout: The longest to wait, in seconds.

        Returns:
            The entries for which the condition held.

        Raises:
            TimeoutError: The condition did not come true in time; the message shows the entries.
        """
        holds: Callable[[tuple[Item, ...]], bool] = (
            condition if callable(condition) else lambda items: len(items) >= condition
        )
        with self._journal.changed:
            if self._journal.changed.wait_for(lambda: holds(tuple(self._journal.items)), timeout):
                return tuple(self._journal.items)
            entries = tuple(self._journal.items)
        raise TimeoutError(f"not what was waited for after {timeout} s; entries: {entries!r}")

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...

    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        return self.snapshot()[index]

    def __len__(self) -> int:
        return len(self._journal.items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self.snapshot() == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # a live view has no lasting value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.snapshot())!r})"
