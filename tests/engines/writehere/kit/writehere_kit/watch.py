"""Watching the stand-in: what flowspan records of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from flowspan.config import Detail
from flowspan.instrumentation.discovery import built_in
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.threads import ThreadContext
from flowspan.testing.recording import Recording, record
from writehere_kit.program import Entry, Job, run, standin


def somebody(work: Callable[[], None]) -> None:
    """Another program, which has an integration of its own."""
    work()


SOMEBODY: Final = Integration(
    "somebody",
    requires="",
    patches=(Patch(target=f"{__name__}:somebody", kind="run", name="somebody"),),
)


@contextmanager
def watching(detail: Detail = "normal") -> Iterator[Recording]:
    """Record every integration that flowspan has, with context carried into threads."""
    threads = ThreadContext()
    threads.install()
    try:
        with standin(), record(SOMEBODY, *built_in(), detail=detail) as recording:
            yield recording
    finally:
        threads.uninstall()


def watched(job: Job, entry: Entry = "imported", detail: Detail = "normal") -> Recording:
    """Run a job and give what was recorded."""
    with watching(detail) as recording:
        run(job, entry)
    return recording


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def events(spans: Any, name: str) -> list[dict[str, Any]]:
    """The attributes of all events of that name."""
    return [dict(e.attributes or {}) for span in spans for e in span.events if e.name == name]
