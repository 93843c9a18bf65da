"""What the end of a process may take, all that is flushed together."""

from __future__ import annotations

import threading
import time

import pytest

from flowspan.delivery.deadline import Deadline
from flowspan.delivery.endings import CHILD_SECONDS, Endings
from flowspan.instrumentation import streams


class Slow:
    """Takes its time, and remembers how much of it there was."""

    def __init__(self) -> None:
        self.given = 0

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.given = timeout_millis
        time.sleep(0.05)
        return True


def test_a_child_waits_no_longer_for_all_than_for_one() -> None:
    flushables = Slow(), Slow()
    endings = Endings(flushables, Deadline(10))
    endings._flush_child()
    assert flushables[0].given <= CHILD_SECONDS * 1000
    assert flushables[1].given <= flushables[0].given - 50


def test_a_stream_that_cannot_be_ended_holds_the_end_no_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What ends a dropped stream may hang: a hook, an extractor."""
    monkeypatch.setattr(streams, "_observed", streams._Observed())
    held = threading.Event()

    def hang() -> None:
        held.wait(30)

    streams.end_later(hang)
    flushable = Slow()
    endings = Endings((flushable,), Deadline(0.2))
    started = time.monotonic()
    endings.at_exit()
    held.set()
    assert time.monotonic() - started < 0.9
    assert flushable.given > 0
