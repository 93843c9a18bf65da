"""What tests of rows share: the spans of a call, and what stands on a span."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flowspan.instrumentation.integration import Integration
from flowspan.testing import RecordedSpans, record

RUN: Final = """
[[rows]]
target = "mapped_program:run"
kind = "run"
name = "a run"
"""
"""The row of a map by which a run of the fixture ``program`` is one."""


def seen(integration: Integration, call: Callable[[], Any], **settings: Any) -> RecordedSpans:
    """The spans of a call."""
    with record(integration, **settings) as recording:
        call()
    return recording.spans


def attributes(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes)


def events(span: Any) -> list[tuple[str, dict[str, Any]]]:
    """A span's events, by their names."""
    return [(event.name, dict(event.attributes)) for event in span.events]
