"""Whole traces of engines whose own spans may stand between those that tell something."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from adopted import watched
from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv
from flowspan.instrumentation import streams
from flowspan.instrumentation.threads import ThreadContext
from flowspan.testing import FakeProvider, ReceivedRequest, RecordedSpans, Reply
from flowspan.usage import Usage


class Provider:
    """One provider for many programs, each with a model of its own.

    Attributes:
        fake: It.
        model: Who answers.
    """

    def __init__(self) -> None:
        self.model: Callable[[ReceivedRequest], Reply] = lambda _request: Reply("well")
        self.fake = FakeProvider(respond=self._respond)

    def _respond(self, request: ReceivedRequest) -> Reply:
        return self.model(request)


@contextmanager
def provided() -> Iterator[Provider]:
    """A provider that this process's clients talk to."""
    provider = Provider()
    with provider.fake as fake, pytest.MonkeyPatch.context() as patch:
        for name, value in fake.environment.items():
            patch.setenv(name, value)
        yield provider
        gc.collect()  # what engines leave open is complained of here


class Seen:
    """What was recorded of a program, and what it cost.

    Attributes:
        spans: All of them, once the program is over.
        charged: What the provider charged meanwhile.
    """

    def __init__(self) -> None:
        self.spans = RecordedSpans([])
        self.charged: list[Usage] = []


@contextmanager
def seen(provider: Provider, model: Callable[[ReceivedRequest], Reply]) -> Iterator[Seen]:
    """Record what is done meanwhile; afterwards nothing is left open, and no trace is broken."""
    provider.model = model
    before = len(provider.fake.ledger)
    found = Seen()
    threads = ThreadContext()
    threads.install()
    try:
        with watched() as recording:
            yield found
            gc.collect()  # what engines leave open is complained of here
            found.spans = recording.spans
    finally:
        threads.uninstall()
    found.charged = [entry.usage for entry in list(provider.fake.ledger)[before:]]
    assert list(broken(found.spans)) == []
    assert streams._observed.open == set()


def known(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def broken(spans: RecordedSpans) -> Iterator[str]:
    """What is wrong with traces as wholes: orphans, parents of other runs, roots that are none."""
    by_id = {span.context.span_id: span for span in spans}
    for span in spans:
        if span.parent is None:
            if known(span).get(semconv.KIND) != "run":
                yield f"{span.name} is a root and no run"
            continue
        parent = by_id.get(span.parent.span_id)
        if parent is None:
            yield f"{span.name} is an orphan"
        elif parent.context.trace_id != span.context.trace_id:
            yield f"{span.name} has a parent of another trace"
        elif known(parent).get(semconv.RUN_ID) != known(span).get(semconv.RUN_ID):
            yield f"{span.name} is of another run than what is around it"


def worked(spans: RecordedSpans, *attributes: str) -> str:
    """The tree of what has a role; an engine's own plumbing between is left out."""
    by_id = {span.context.span_id: span for span in spans}
    lines = []
    for span in _in_order(spans):
        if known(span).get(semconv.KIND) in (None, "internal"):
            continue
        depth, above = 0, span.parent and by_id[span.parent.span_id]
        while above is not None:
            depth += known(above).get(semconv.KIND) not in (None, "internal")
            above = by_id[above.parent.span_id] if above.parent else None
        shown = "".join(f" {known(span)[key]}" for key in attributes if key in known(span))
        lines.append(f"{'  ' * depth}{span.name}{'' if span.status.is_unset else ' !'}{shown}")
    return "\n".join(lines)


def _in_order(spans: RecordedSpans) -> Iterator[ReadableSpan]:
    below: dict[int | None, list[ReadableSpan]] = {}
    for span in spans:
        below.setdefault(span.parent and span.parent.span_id, []).append(span)
    waiting = list(reversed(below.get(None, [])))
    while waiting:
        span = waiting.pop()
        yield span
        assert span.context is not None
        waiting.extend(reversed(below.get(span.context.span_id, [])))


def named(spans: RecordedSpans, kind: str, attribute: str) -> list[str]:
    """The names of spans of one kind, in the order in which they begin."""
    return [str(known(span).get(attribute)) for span in spans.of_kind(kind)]


def failed(spans: RecordedSpans, kind: str, attribute: str) -> Counter[str]:
    """How often which of them failed."""
    bad = [span for span in spans.of_kind(kind) if semconv.ERROR_TYPE in known(span)]
    return Counter(str(known(span)[attribute]) for span in bad)


def events(span: ReadableSpan, name: str) -> list[dict[str, Any]]:
    """The attributes of a span's events of that name."""
    return [dict(event.attributes or {}) for event in span.events if event.name == name]


def routes(spans: RecordedSpans) -> list[tuple[str | None, str | None]]:
    """Decisions, in the order in which they were taken."""
    events = [event for span in spans for event in span.events]
    taken = [event for event in events if event.name == semconv.EVENT_ROUTE_TAKEN]
    taken.sort(key=lambda event: event.timestamp)
    told: list[dict[str, Any]] = [dict(event.attributes or {}) for event in taken]
    return [(each.get(semconv.ROUTE_FROM), each.get(semconv.ROUTE_TO)) for each in told]


def check_calls(found: Seen, calls: int) -> None:
    """Model calls and tokens are the provider's, on the spans and added up on the root."""
    read = sum(usage.input_tokens or 0 for usage in found.charged)
    written = sum(usage.output_tokens or 0 for usage in found.charged)
    (root,) = found.spans.roots()
    assert len(found.charged) == len(found.spans.of_kind("llm")) == calls
    assert found.spans.total(semconv.USAGE_INPUT_TOKENS) == read
    assert found.spans.total(semconv.USAGE_OUTPUT_TOKENS) == written
    assert known(root).get(semconv.ROLLUP_LLM_CALLS, 0) == calls
    assert known(root).get(semconv.ROLLUP_INPUT_TOKENS, 0) == read
    assert known(root).get(semconv.ROLLUP_OUTPUT_TOKENS, 0) == written
