"""The limits of the SDK's spans (``OTEL_SPAN_*_LIMIT``), kept before the SDK has to.

It keeps them as well, but says so in the program's log for every attribute that it cuts or drops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import SpanLimits


class Limits:
    """What fits into a span.

    Args:
        limits: The SDK's; ``None`` where there are none.
    """

    def __init__(self, limits: SpanLimits | None) -> None:
        self._most = None if limits is None else limits.max_span_attributes
        self._length = None if limits is None else limits.max_span_attribute_length
        self._most_of_event = None if limits is None else limits.max_event_attributes
        self._length_of_event = None if limits is None else limits.max_attribute_length

    def of_span(
        self, attributes: Mapping[str, Any], present: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The attributes that fit beside those that are present; the first ones win."""
        present = present or {}
        room = None if self._most is None else self._most - len(present)
        return _fitting(attributes, present, room, self._length)

    def of_event(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that fit into an event."""
        return _fitting(attributes, {}, self._most_of_event, self._length_of_event)


def limits_of(tracer: Any) -> Limits:
    """The limits of a tracer's spans."""
    found = getattr(tracer, "_span_limits", None)
    return Limits(found if isinstance(found, SpanLimits) else None)


def _fitting(
    attributes: Mapping[str, Any], present: Mapping[str, Any], room: int | None, length: int | None
) -> dict[str, Any]:
    fitting: dict[str, Any] = {}
    for key, value in attributes.items():
        if key not in present and room is not None:
            if room <= 0:
                continue
            room -= 1
        fitting[key] = value if length is None else _cut(value, length)
    return fitting


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return value[:length]
    if isinstance(value, tuple):
        return tuple(_cut(item, length) for item in value)
    return value
