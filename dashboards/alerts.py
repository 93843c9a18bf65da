"""When somebody should be told: the alerts, as a file of Prometheus rules.

They count as the dashboards do (``promql.growth``), so that programs of a few seconds are heard of
too.  Their bounds are in one place here; Prometheus and its user interface show them in each rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dashboards import names
from dashboards.promql import Matchers, growth, or_zero, quantile

FAILED_SHARE: Final = 0.1
FEWEST_RUNS: Final = 5
SLOWER: Final = 1.5
FEWEST_MEASURED: Final = 10
SPEND_USD_PER_HOUR: Final = 10
QUEUE_SHARE: Final = 0.8

_HEADER: Final = """\
# Made by `python -m dashboards` from dashboards/alerts.py: change it there.
# What each alert means, and what to do: docs/dashboards.md
"""
_MEMORY: Final = "1d"
"""A day without a word, and a counter that comes back still does not count twice."""

_WELL: Final = (f'{names.ERROR}=""',)
_FAILED: Final = (f'{names.ERROR}!=""',)
_RUNS: Final = f"{names.RUN_DURATION}_count"
_RUN: Final = (names.SERVICE, names.WORKFLOW)
_MODEL: Final = (names.SERVICE, names.MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A number that is computed once and kept, for the alerts after it.

    Attributes:
        name: What it is called: its labels, what it is, and over which time.
        expr: In PromQL.
    """

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        name: What it is called.
        expr: There is something to tell while it has series.
        lasting: How long it must hold first.
        severity: ``critical`` costs money or loses data now, ``warning`` can wait for the morning.
        summary: What is so, in one line, with labels and the value.
        description: What it means and what to look at.
        dashboard: ``uid`` of the dashboard that shows it.
    """

    name: str
    expr: str
    lasting: str = "0m"
    severity: Literal["warning", "critical"]
    summary: str
    description: str
    dashboard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are computed together, one after the other.

    Attributes:
        name: What it is called.
        interval: How often.
        rules: In which order.
    """

    name: str
    interval: str
    rules: tuple[Recorded | Alert, ...]


def _total(metric: str, matchers: Matchers, by: tuple[str, ...], window: str) -> str:
    return f"sum by ({', '.join(by)})({growth(metric, matchers, window=window, memory=_MEMORY)})"


def _of(name: str) -> str:
    """A label or ``value`` in the text of an alert."""
    return f"{{{{ ${name} }}}}" if name.startswith("value") else f"{{{{ $labels.{name} }}}}"


def _slower(now: str, before: str, measured: str) -> str:
    return f"{now} > {SLOWER:g} * {before} and {measured} >= {FEWEST_MEASURED}"


def _speeds(subject: str, histogram: str, by: tuple[str, ...]) -> tuple[Recorded, ...]:
    """95 % of half an hour, 95 % of the day before it, and how much was measured."""
    return (
        Recorded(
            name=f"{subject}:p95_30m", expr=quantile(0.95, histogram, _WELL, by=by, window="30m")
        ),
        Recorded(
            name=f"{subject}:p95_day_before",
            expr=quantile(0.95, histogram, _WELL, by=by, window="1d", ago="30m"),
        ),
        Recorded(name=f"{subject}:count_30m", expr=_total(f"{histogram}_count", _WELL, by, "30m")),
    )


def _lost(metric: str) -> str:
    """What the collector lost by one of its counters, whose name ends as its version likes."""
    matchers = (f'__name__=~"otelcol_{metric}(_total)?"',)
    return _total("", matchers, ("job", "exporter"), "15m") + " > 0"


# --- the alerts ---------------------------------------------------------------------------------

_RUN_ALERTS: Final = Group(
    name="flowspan-runs",
    interval="1m",
    rules=(
        Recorded(name="flowspan_runs:ended_15m", expr=_total(_RUNS, (), _RUN, "15m")),
        Recorded(
            name="flowspan_runs:failed_15m",
            expr=or_zero(_total(_RUNS, _FAILED, _RUN, "15m"), "flowspan_runs:ended_15m"),
        ),
        Alert(
            name="FlowspanRunsFail",
            expr=f"flowspan_runs:failed_15m / flowspan_runs:ended_15m > {FAILED_SHARE:g} "
            f"and flowspan_runs:ended_15m >= {FEWEST_RUNS}",
            lasting="5m",
            severity="critical",
            summary="{{ $value | humanizePercentage }} of the runs of "
            f"{_of(names.WORKFLOW)} ({_of(names.SERVICE)}) fail",
            description=f"More than {FAILED_SHARE:.0%} of at least {FEWEST_RUNS} runs in 15 "
            "minutes ended with an error. The dashboard shows which errors, and leads to the "
            "traces.",
            dashboard="flowspan-runs",
        ),
    ),
)

_LATENCY_ALERTS: Final = Group(
    name="flowspan-latency",
    interval="5m",
    rules=(
        *_speeds("flowspan_runs", names.RUN_DURATION, _RUN),
        Alert(
            name="FlowspanRunsSlower",
            expr=_slower(
                "flowspan_runs:p95_30m", "flowspan_runs:p95_day_before", "flowspan_runs:count_30m"
            ),
            lasting="15m",
            severity="warning",
            summary=f"Runs of {_of(names.WORKFLOW)} ({_of(names.SERVICE)}) take "
            "{{ $value | humanizeDuration }}",
            description=f"95 % of half an hour is more than {SLOWER:g} times that of the day "
            "before. The dashboard shows in which node.",
            dashboard="flowspan-time",
        ),
        *_speeds("flowspan_calls", names.CALL_DURATION, _MODEL),
        Alert(
            name="FlowspanModelSlower",
            expr=_slower(
                "flowspan_calls:p95_30m",
                "flowspan_calls:p95_day_before",
                "flowspan_calls:count_30m",
            ),
            lasting="15m",
            severity="warning",
            summary=f"{_of(names.MODEL)} takes {{{{ $value | humanizeDuration }}}} for "
            f"{_of(names.SERVICE)}",
            description=f"95 % of half an hour is more than {SLOWER:g} times that of the day "
            "before: a slower model, longer prompts, or longer answers.",
            dashboard="flowspan-models",
        ),
    ),
)

_MONEY_ALERTS: Final = Group(
    name="flowspan-money",
    interval="1m",
    rules=(
        Alert(
            name="FlowspanSpend",
            expr=f"{_total(names.COST, (), (names.SERVICE,), '1h')} > {SPEND_USD_PER_HOUR}",
            severity="critical",
            summary=f'{_of(names.SERVICE)} spent {{{{ $value | printf "%.2f" }}}} dollars '
            "in an hour",
            description=f"Model calls cost more than {SPEND_USD_PER_HOUR} dollars in one hour. "
            "The dashboard shows which node and which model.",
            dashboard="flowspan-money",
        ),
        Alert(
            name="FlowspanUnpricedCalls",
            expr=_total(
                names.CALLS,
                (f'{names.COST_STATUS}="unpriced"',),
                (names.SERVICE, names.PROVIDER, names.MODEL),
                "1h",
            )
            + " > 0",
            severity="warning",
            summary=f"{_of('value')} calls of {_of(names.MODEL)} have no price",
            description="Their cost is missing from every sum. Tell the price in a prices file "
            "(docs/prices.md).",
            dashboard="flowspan-money",
        ),
    ),
)

_TELEMETRY_ALERTS: Final = Group(
    name="flowspan-telemetry",
    interval="1m",
    rules=(
        Alert(
            name="FlowspanSpansDropped",
            expr=_total(names.SPANS_DROPPED, (), (names.SERVICE,), "15m") + " > 0",
            severity="warning",
            summary=f"{_of(names.SERVICE)} dropped {_of('value')} spans",
            description="No receiver took them before a queue was full or the process ended. "
            "Is the collector up? The embedded store of the program has them.",
            dashboard="flowspan-health",
        ),
        Alert(
            name="FlowspanCollectorLoses",
            expr=" or ".join(
                map(
                    _lost,
                    (
                        "exporter_send_failed_spans",
                        "exporter_enqueue_failed_spans",
                        "exporter_send_failed_metric_points",
                        "exporter_enqueue_failed_metric_points",
                        "processor_tail_sampling_sampling_trace_dropped_too_early",
                    ),
                )
            ),
            severity="critical",
            summary=f"The collector lost {_of('value')} items ({_of('exporter')})",
            description="An exporter gave up, its queue was full, or tail sampling had no room "
            "for a trace.",
            dashboard="flowspan-health",
        ),
        Alert(
            name="FlowspanCollectorQueueFills",
            expr="max by (job, exporter)(otelcol_exporter_queue_size / "
            f"otelcol_exporter_queue_capacity) > {QUEUE_SHARE:g}",
            lasting="5m",
            severity="warning",
            summary=f"The queue of {_of('exporter')} is {{{{ $value | humanizePercentage }}}} full",
            description="Its receiver is too slow or away. What comes once it is full is lost.",
            dashboard="flowspan-health",
        ),
    ),
)

GROUPS: Final = (_RUN_ALERTS, _LATENCY_ALERTS, _MONEY_ALERTS, _TELEMETRY_ALERTS)
"""All groups of rules."""

ALERTS: Final = tuple(rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))
"""All alerts."""


# --- the file -----------------------------------------------------------------------------------


def to_yaml() -> str:
    """The file of rules."""
    groups = "".join(_group(group) for group in GROUPS)
    return f"{_HEADER}groups:\n{groups}"


def _group(group: Group) -> str:
    rules = "".join(_rule(rule) for rule in group.rules)
    return f"  - name: {group.name}\n    interval: {group.interval}\n    rules:\n{rules}"


def _rule(rule: Recorded | Alert) -> str:
    kind = "alert" if isinstance(rule, Alert) else "record"
    text = f"      - {kind}: {rule.name}\n        expr: >-\n          {rule.expr}\n"
    if isinstance(rule, Alert):
        text += (
            f"        for: {rule.lasting}\n"
            f"        labels:\n          severity: {rule.severity}\n"
            f"        annotations:\n          summary: >-\n            {rule.summary}\n"
            f"          description: >-\n            {rule.description}\n"
            f"          dashboard: /d/{rule.dashboard}\n"
        )
    return text
