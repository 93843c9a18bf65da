"""What a trace says of nodes with ``prep``, ``exec`` and ``post``: PocketFlow's, and pflow's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from graphs import END, Graph, Tally
from opentelemetry.sdk.trace import Event, ReadableSpan

from flowspan import semconv
from flowspan.testing import RecordedSpans


def known(span: ReadableSpan | Event) -> dict[str, Any]:
    """The attributes of a span or an event."""
    return dict(span.attributes or {})


_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def counted(
    spans: RecordedSpans,
    graph: Graph,
    glue: Mapping[str, str] = _NONE,
    *,
    handlers: Mapping[str, str] = _NONE,
    parts: Mapping[str, str] = _NONE,
) -> dict[str, Any]:
    """What happened, by the trace at full detail: the numbers of a tally.

    Args:
        spans: Of one run.
        graph: What was played.
        glue: Nodes that the translation has more, each with the node for which it decides.
        handlers: Nodes that answer in place of others that failed.
        parts: Nodes that do the work of others, inside of them.
    """
    by_id = {span.context.span_id: span for span in spans}
    tally = Tally(failed=not spans[0].status.is_unset, calls=len(spans.of_kind("llm")))
    workers = {node.worker.name: node.name for node in graph.nodes if node.worker is not None}
    inner = {**workers, **glue, **handlers}
    whole = set(parts.values())
    for span in spans:
        step = _step(span, by_id)
        if step is None or step in glue:
            continue
        if step in handlers:
            tally.fallbacks[handlers[step]] += span.name.startswith("run_step")
            continue
        if step in parts:
            tally.attempts[parts[step]] += span.name == "exec"
            tally.retries[parts[step]] += _retries(span)
            continue
        is_visit = span.name == "item" or (span.name.startswith("run_step") and step not in workers)
        tally.attempts[step] += span.name == "exec" and step not in whole
        tally.visits[step] += is_visit
        tally.failures[step] += is_visit and not span.status.is_unset
        answered = _told(span, semconv.EVENT_FALLBACK)
        tally.retries[step] += _retries(span)
        tally.fallbacks[step] += answered
        tally.failures[step] += answered
    wired = _wired(graph)
    for origin, to in _routes(spans):
        decider = inner.get(origin, origin)
        if to not in inner and decider in wired:
            tally.routes[decider, to] += 1
    return numbers(tally)


def played(tally: Tally, graph: Graph) -> dict[str, Any]:
    """What of a tally can be told: where nothing is wired, nothing is chosen."""
    wired = _wired(graph)
    routes = {pair: times for pair, times in tally.routes.items() if pair[0] in wired}
    return {**numbers(tally), "routes": Counter(routes)}


def _wired(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes if set(node.routes) != {END}}


def numbers(tally: Tally) -> dict[str, Any]:
    """A tally without what is zero."""
    return {
        name: +value if isinstance(value, Counter) else value for name, value in vars(tally).items()
    }


def _step(span: Any, by_id: dict[int, Any]) -> str | None:
    """Of which node a span is; ``None`` for runs and what is right below them."""
    while semconv.STEP_NAME not in span.attributes:
        if span.parent is None or span.attributes[semconv.KIND] in ("run", "llm"):
            return None
        span = by_id[span.parent.span_id]
    return str(span.attributes[semconv.STEP_NAME])


def _told(span: ReadableSpan, name: str) -> int:
    return sum(event.name == name for event in span.events)


def _retries(span: ReadableSpan) -> int:
    return _told(span, semconv.EVENT_RETRY)


def _routes(spans: RecordedSpans) -> Iterator[tuple[str, str]]:
    for span in spans:
        for event in span.events:
            if event.name == semconv.EVENT_ROUTE_TAKEN:
                told = known(event)
                yield str(told[semconv.ROUTE_FROM]), str(told.get(semconv.ROUTE_TO, END))
