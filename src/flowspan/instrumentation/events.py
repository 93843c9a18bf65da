"""Events on spans: one way to emit them, and a cap that keeps the first and the last.

The SDK keeps the last 128 events of a span and drops older ones in silence, so that the first,
which say how things began, go first.  Here a span keeps its first and its last 50; what fell
between is counted in ``flowspan.events.dropped``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context

from flowspan.instrumentation.values import cleaned, text

if TYPE_CHECKING:
    from opentelemetry._logs import Logger

    from flowspan.config import EventSignal

FIRST: Final = 50
LAST: Final = 50


class Recorded(NamedTuple):
    """One event, in the order of ``Span.add_event``'s parameters."""

    name: str
    attributes: dict[str, Any]
    timestamp: int


class EventLog:
    """The events of one span, until it ends."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Recorded] = []
        self.last: deque[Recorded] | None = None

    def add(
        self, name: str, attributes: Mapping[str, Any], timestamp: int | None = None
    ) -> Recorded:
        """Take an event, at the present time unless said; attributes of ``None`` are left out."""
        known = {
            key if type(key) is str and key.isascii() else text(key): cleaned(value)
            for key, value in attributes.items()
            if value is not None
        }
        event = Recorded(text(name), known, time.time_ns() if timestamp is None else timestamp)
        self.count += 1
        if len(self.first) < FIRST:
            self.first.append(event)
        else:
            if self.last is None:
                self.last = deque(maxlen=LAST)
            self.last.append(event)
        return event

    @property
    def dropped(self) -> int:
        """How many events fell between the first and the last."""
        return max(0, self.count - FIRST - LAST)

    def kept(self) -> list[Recorded]:
        """The first and the last, in order."""
        return self.first if self.last is None else [*self.first, *self.last]


class EventOutlet:
    """Where events go: spans, log records, or both (``FLOWSPAN_EVENTS``)."""

    __slots__ = ("_logger", "to_log", "to_span")

    def __init__(self, signal: EventSignal, logger: Logger | None) -> None:
        self._logger = logger
        self.to_log = signal != "span" and logger is not None
        self.to_span = signal != "log" or logger is None

    def log(self, event: Recorded, context: Context | None) -> None:
        """Emit an event as a log record with an event name, tied to its span by ``context``."""
        if self._logger is not None:
            self._logger.emit(
                LogRecord(
                    timestamp=event.timestamp,
                    context=context,
                    event_name=event.name,
                    attributes=event.attributes,
                )
            )
