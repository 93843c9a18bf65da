"""How tests of engines record, and what they read from traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from graphs import END
from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.instrumentation.integration import Integration
from flowspan.testing import RecordedSpans, Recording, record

INTEGRATIONS: Final = tuple(discovery.built_in())
"""Everything that the distribution would apply."""


@contextmanager
def threaded(*integrations: Integration, **settings: Any) -> Iterator[Recording]:
    """Record as :func:`record` does, with contexts carried into threads and pools."""
    with record(*integrations, threads=True, **settings) as recording:
        yield recording


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def events(span: ReadableSpan, name: str) -> list[dict[str, Any]]:
    """The attributes of a span's events of that name."""
    return [dict(event.attributes or {}) for event in span.events if event.name == name]


def routes(spans: RecordedSpans) -> Counter[tuple[str, str]]:
    """Decisions, as pairs; one that ends a graph is a decision for its end."""
    return Counter(
        (taken[semconv.ROUTE_FROM], taken.get(semconv.ROUTE_TO, END))
        for span in spans
        for taken in events(span, semconv.EVENT_ROUTE_TAKEN)
    )


def broken(spans: RecordedSpans) -> list[str]:
    """What is wrong with traces as a whole: orphans, and parents that are of something else."""
    by_id = {span.context.span_id: span for span in spans}
    found = []
    for span in spans:
        if span.parent is None:
            continue
        parent = by_id.get(span.parent.span_id)
        if parent is None:
            found.append(f"{span.name} is an orphan")
        elif parent.context.trace_id != span.context.trace_id:
            found.append(f"{span.name} has a parent of another trace")
        elif attributes(parent)[semconv.RUN_ID] != attributes(span)[semconv.RUN_ID]:
            found.append(f"{span.name} is of another run than what is around it")
    return found
