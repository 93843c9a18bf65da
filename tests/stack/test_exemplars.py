"""From a point in a diagram to the run behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HISTOGRAMS = (
    "flowspan_run_duration_seconds_bucket",
    "flowspan_run_cost_usd_bucket",
    "flowspan_node_duration_seconds_bucket",
    "gen_ai_client_operation_duration_seconds_bucket",
    "gen_ai_client_token_usage_bucket",
    "traces_span_metrics_duration_seconds_bucket",
)


def test_exemplars_lead_to_spans_that_jaeger_has(
    stack: Any, agent: Any, until: Callable[..., Any]
) -> None:
    """Of our own histograms, and of those that the collector makes of spans."""
    agent.run(stack)
    stored = {(span.trace_id, span.span_id) for span in agent.stored()}

    for histogram in HISTOGRAMS:
        series = f'{histogram}{{job="{agent.service}"}}'
        exemplars = until(lambda of=series: stack.prometheus_api.exemplars(of))
        named = {
            (exemplar["labels"]["trace_id"], exemplar["labels"]["span_id"])
            for exemplar in exemplars
        }
        assert named <= stored, histogram
        until(lambda spans=named: spans <= in_jaeger(stack, agent.service))


def in_jaeger(stack: Any, service: str) -> set[tuple[str, str]]:
    return {
        (span["traceId"], span["spanId"])
        for resource in stack.jaeger_api.traces(service)
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
