"""Telemetry health: whether the other dashboards can be believed."""

from __future__ import annotations

from typing import Final

from dashboards.model import Board, Panel, Query, Row
from dashboards.names import (
    EVENTS_DROPPED,
    INTEGRATION,
    OVERFLOW,
    SERVICE,
    SPANS_DROPPED,
    TELEMETRY_ERRORS,
)
from dashboards.promql import RANGE, or_zero, select, total
from dashboards.variables import chosen

_SCOPE: Final = chosen("service")
_FAMILY: Final = '__name__=~"(flowspan|gen_ai|traces_span_metrics)_.+"'
_BEYOND: Final = (_FAMILY, f'{OVERFLOW}="true"', *_SCOPE)
_ALIVE: Final = total(SPANS_DROPPED, _SCOPE, window=RANGE)


def _collector(name: str) -> tuple[str, tuple[str, ...]]:
    """A counter of the collector, whose name ends as its version likes."""
    return "", (f'__name__=~"otelcol_{name}(_total)?"',)


def _flow(name: str, label: str) -> str:
    return total(*_collector(name), by=(label,))


_PROGRAMS: Final = Row(
    title="Programs",
    panels=(
        Panel(
            title="Processes",
            description="Processes whose metrics arrived in the last five minutes.",
            look="stat",
            unit="short",
            queries=(Query(expr=f"count({select(SPANS_DROPPED, _SCOPE)})"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Spans dropped",
            description="Spans that no receiver took before a queue was full or the process "
            "ended. The embedded store has them.",
            look="stat",
            unit="short",
            queries=(Query(expr=_ALIVE),),
            width=5,
            height=4,
            good=("low", 1, 100),
        ),
        Panel(
            title="Events left out",
            description="Events between the first fifty and the last fifty of a span.",
            look="stat",
            unit="short",
            queries=(Query(expr=or_zero(total(EVENTS_DROPPED, _SCOPE, window=RANGE), _ALIVE)),),
            width=5,
            height=4,
        ),
        Panel(
            title="Errors swallowed",
            description="Errors of flowspan itself. The program never sees them; "
            "each place is logged once.",
            look="stat",
            unit="short",
            queries=(Query(expr=or_zero(total(TELEMETRY_ERRORS, _SCOPE, window=RANGE), _ALIVE)),),
            width=5,
            height=4,
            good=("low", 1, 100),
        ),
        Panel(
            title="Overflow series",
            description="Series that stand for all attribute sets beyond the bound of a metric: "
            "where there is one, groups are incomplete, sums are not.",
            look="stat",
            unit="short",
            queries=(
                Query(
                    expr=or_zero(
                        f"count({select('', _BEYOND)})", f"sum({select(SPANS_DROPPED, _SCOPE)})"
                    )
                ),
            ),
            width=5,
            height=4,
            good=("low", 1, 10),
        ),
        Panel(
            title="What programs dropped",
            description="Spans that were dropped and events that were left out, by program.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(SPANS_DROPPED, _SCOPE, by=(SERVICE,)),
                    legend=f"spans of {{{{{SERVICE}}}}}",
                ),
                Query(
                    expr=total(EVENTS_DROPPED, _SCOPE, by=(SERVICE,)),
                    legend=f"events of {{{{{SERVICE}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Errors by integration",
            description="What of flowspan failed: please report it.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=or_zero(
                        total(TELEMETRY_ERRORS, _SCOPE, by=(SERVICE, INTEGRATION)),
                        total(SPANS_DROPPED, _SCOPE, by=(SERVICE, INTEGRATION)),
                    ),
                    legend=f"{{{{{SERVICE}}}}} {{{{{INTEGRATION}}}}}",
                ),
            ),
            width=12,
        ),
    ),
)

_COLLECTOR: Final = Row(
    title="Collector",
    panels=(
        Panel(
            title="Spans received",
            description="Accepted, and refused: the sender tries those again.",
            look="bars",
            unit="short",
            queries=(
                Query(expr=_flow("receiver_accepted_spans", "receiver"), legend="{{receiver}}"),
                Query(
                    expr=_flow("receiver_refused_spans", "receiver"), legend="{{receiver}} refused"
                ),
            ),
            width=12,
        ),
        Panel(
            title="Spans sent",
            description="Sent on, and lost: sending failed for good, or the queue was full.",
            look="bars",
            unit="short",
            queries=(
                Query(expr=_flow("exporter_sent_spans", "exporter"), legend="{{exporter}}"),
                Query(
                    expr=_flow("exporter_send_failed_spans", "exporter"),
                    legend="{{exporter}} failed",
                ),
                Query(
                    expr=_flow("exporter_enqueue_failed_spans", "exporter"),
                    legend="{{exporter}} queue full",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Queues",
            description="How full each exporter's queue is. One that stays full is a receiver "
            "that is too slow, or away.",
            look="lines",
            unit="percentunit",
            queries=(
                Query(
                    expr="max by (exporter)(otelcol_exporter_queue_size / "
                    "otelcol_exporter_queue_capacity)",
                    legend="{{exporter}}",
                ),
            ),
            width=8,
        ),
        Panel(
            title="Metrics received and sent",
            description="Data points in, data points out; span metrics are made between.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=_flow("receiver_accepted_metric_points", "receiver"), legend="{{receiver}}"
                ),
                Query(
                    expr=_flow("receiver_refused_metric_points", "receiver"),
                    legend="{{receiver}} refused",
                ),
                Query(expr=_flow("exporter_sent_metric_points", "exporter"), legend="{{exporter}}"),
                Query(
                    expr=_flow("exporter_send_failed_metric_points", "exporter"),
                    legend="{{exporter}} failed",
                ),
            ),
            width=8,
        ),
        Panel(
            title="Memory limiter and sampling",
            description="Spans that the memory limiter let through and refused; traces by the "
            "decision of tail sampling, and those judged too early, where it is configured.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(*_collector("processor_memory_limiter_accepted_spans")),
                    legend="let through",
                ),
                Query(
                    expr=total(*_collector("processor_memory_limiter_refused_spans")),
                    legend="refused",
                ),
                Query(
                    expr=_flow("processor_tail_sampling_global_count_traces_sampled", "sampled"),
                    legend="sampled: {{sampled}}",
                ),
                Query(
                    expr=total(
                        *_collector("processor_tail_sampling_sampling_trace_dropped_too_early")
                    ),
                    legend="judged too early",
                ),
            ),
            width=8,
        ),
    ),
)

_ARRIVAL: Final = Row(
    title="What has arrived",
    panels=(
        Panel(
            title="Last heard of",
            description="Seconds since each program last sent metrics; they are sent every ten. "
            "A program that ended is seen for five more minutes.",
            look="lines",
            unit="s",
            queries=(
                Query(
                    expr=f"time() - max by ({SERVICE})(timestamp({select(SPANS_DROPPED, _SCOPE)}))",
                    legend=f"{{{{{SERVICE}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Series",
            description="Series of each program: what its metrics cost in Prometheus. A steady "
            "climb is a label without a bound.",
            look="lines",
            unit="short",
            queries=(
                Query(
                    expr=f"count by ({SERVICE})({select('', (_FAMILY, *_SCOPE))})",
                    legend=f"{{{{{SERVICE}}}}}",
                ),
            ),
            width=12,
        ),
    ),
)

BOARD: Final = Board(
    uid="flowspan-health",
    title="Telemetry health",
    description="Does all of it arrive, and what is missing?",
    variables=("service",),
    rows=(_PROGRAMS, _COLLECTOR, _ARRIVAL),
)
