"""From a point in a diagram to the run behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HISTOGRAMS = (
    "flowspan_run_duration_seconds_bucket",
    "flowspan_run_cost_usd_bucket",
    "flowspan_node_duration_seconds_bucket",
    "gen_ai_client_operation_duration_seconds_bucket",
    "gen_ai_client_token_usage_bucket",
)


@pytest.mark.parametrize("histogram", HISTOGRAMS)
def test_exemplars_lead_to_traces_that_jaeger_has(
    stack: Any, agent: Any, until: Callable[..., Any], histogram: str
) -> None:
    agent.run(stack)

    series = f'{histogram}{{job="{agent.service}"}}'
    exemplars = until(lambda: stack.prometheus_api.exemplars(series))

    named = {exemplar["labels"]["trace_id"] for exemplar in exemplars}
    assert named == agent.trace_ids()
    assert until(lambda: all(stack.jaeger_api.trace(trace_id) for trace_id in named))
    assert all(exemplar["labels"]["span_id"] for exemplar in exemplars)


def test_exemplars_of_span_metrics_do_as_well(
    stack: Any, agent: Any, until: Callable[..., Any]
) -> None:
    agent.run(stack)

    series = f'traces_span_metrics_duration_seconds_bucket{{job="{agent.service}"}}'
    exemplars = until(lambda: stack.prometheus_api.exemplars(series))

    named = {exemplar["labels"]["trace_id"] for exemplar in exemplars}
    assert named == agent.trace_ids()
    assert until(lambda: all(stack.jaeger_api.trace(trace_id) for trace_id in named))
