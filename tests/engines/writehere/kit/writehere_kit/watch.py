"""Watching the stand-in: what flowspan records of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import traces

from flowspan.config import Detail
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing.recording import Recording
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
    with standin(), traces.threaded(SOMEBODY, *traces.INTEGRATIONS, detail=detail) as recording:
        yield recording


def watched(job: Job, entry: Entry = "imported", detail: Detail = "normal") -> Recording:
    """Run a job and give what was recorded."""
    with watching(detail) as recording:
        run(job, entry)
    return recording


def events(spans: Any, name: str) -> list[dict[str, Any]]:
    """The attributes of all events of that name."""
    return [found for span in spans for found in traces.events(span, name)]
