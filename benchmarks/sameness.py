"""Checks that the sides of a comparison emit the same; a ratio means nothing otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from benchmarks.sides import PLAIN, Side, sides
from benchmarks.telemetry import Kept
from flowspan import semconv

_VOLATILE: Final = frozenset(
    {semconv.RUN_ID, semconv.RESPONSE_TIME_TO_FIRST_CHUNK, semconv.ELAPSED_SECONDS}
)
_COUNTED: Final = frozenset(
    {
        semconv.METRIC_TOKENS,
        semconv.METRIC_COST_USD,
        semconv.METRIC_COST_WITHOUT_CACHE_USD,
        semconv.METRIC_LLM_FINISHES,
        semconv.METRIC_LLM_CALLS,
        semconv.METRIC_TOKEN_USAGE,
        semconv.METRIC_RUN_COST_USD,
        semconv.METRIC_STATE_TRANSITIONS,
    }
)
"""Metrics whose values are no times, so that they must be equal."""


def _known(attributes: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    found = (attributes or {}).items()
    return tuple(sorted((key, "…" if key in _VOLATILE else value) for key, value in found))


def _facts_of_span(span: ReadableSpan, names: Mapping[int, str]) -> Iterator[tuple[Any, ...]]:
    place = f"span {span.name!r}"
    yield place, span.kind.name, span.status.status_code.name
    yield place, "under", None if span.parent is None else names.get(span.parent.span_id)
    for key, value in _known(span.attributes):
        yield place, key, value
    for event in span.events:
        yield place, "event", event.name, _known(event.attributes)


def _facts_of_metrics(kept: Kept) -> Iterator[tuple[Any, ...]]:
    data = kept.reader.get_metrics_data()
    for resource in data.resource_metrics if data is not None else ():
        for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
            for point in metric.data.data_points:
                total = None
                if metric.name in _COUNTED:
                    total = round(point.value if hasattr(point, "value") else point.sum, 12)
                count = getattr(point, "count", None)
                yield f"metric {metric.name!r}", _known(point.attributes), count, total


def _facts(
    name: str, work: Callable[[Side], None], every: Callable[[Any], Sequence[Side]]
) -> Counter[tuple[Any, ...]]:
    kept = Kept()
    side = next(side for side in every(kept) if side.name == name)
    side.install()
    try:
        work(side)
    finally:
        side.uninstall()
    spans = kept.exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    facts = Counter(fact for span in spans for fact in _facts_of_span(span, names))
    facts.update(_facts_of_metrics(kept))
    return facts


def differences(
    work: Callable[[Side], None], every: Callable[[Any], Sequence[Side]] = sides
) -> list[str]:
    """What the last side emits and the others do not, and the other way about.

    Args:
        work: Done once on each side.
        every: Makes the sides.

    Returns:
        One sentence for each difference; none if all sides emit the same.
    """
    names = [side.name for side in every(Kept()) if side.name != PLAIN]
    facts = {name: _facts(name, work, every) for name in names}
    *others, ours = names
    found = []
    for name in others:
        found += [f"only {ours}: {fact}" for fact in (facts[ours] - facts[name]).elements()]
        found += [f"only {name}: {fact}" for fact in (facts[name] - facts[ours]).elements()]
    if not facts[ours]:
        found.append(f"{ours} emitted nothing")
    return found
