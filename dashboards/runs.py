"""Runs: how many, how they end, how long they take, what they cost."""

from __future__ import annotations

from typing import Final

from dashboards.model import Board, Link, Panel, Query, Row
from dashboards.names import ENGINE, ERROR, RUN_COST, RUN_DURATION, RUNS_ACTIVE, SERVICE, WORKFLOW
from dashboards.promql import RANGE, buckets, or_zero, quantile, select, share, total
from dashboards.variables import chosen

_SCOPE: Final = chosen("service", "workflow")
_WELL: Final = (*_SCOPE, f'{ERROR}=""')
_FAILED: Final = (*_SCOPE, f'{ERROR}!=""')
_COUNT: Final = f"{RUN_DURATION}_count"
_SPENT: Final = f"{RUN_COST}_sum"
_EACH: Final = (SERVICE, WORKFLOW, ENGINE)

_ALL_RUNS: Final = total(_COUNT, _SCOPE, window=RANGE)

_NOW: Final = Row(
    title="In the time shown",
    panels=(
        Panel(
            title="Runs",
            description="Runs that ended. A nested workflow is part of the run around it.",
            look="stat",
            unit="short",
            queries=(Query(expr=_ALL_RUNS),),
            width=4,
            height=4,
        ),
        Panel(
            title="Success",
            description="Share of runs that ended without an error. A run that was interrupted "
            "(Ctrl-C, cancellation) has none.",
            look="stat",
            unit="percentunit",
            queries=(Query(expr=share(total(_COUNT, _WELL, window=RANGE), _ALL_RUNS)),),
            width=4,
            height=4,
            good=("high", 0.99, 0.9),
        ),
        Panel(
            title="Duration, 95 %",
            description="Nineteen of twenty runs were faster.",
            look="stat",
            unit="s",
            queries=(Query(expr=quantile(0.95, RUN_DURATION, _SCOPE, window=RANGE)),),
            width=4,
            height=4,
        ),
        Panel(
            title="Cost of runs",
            description="What the model calls inside runs cost that ended. "
            "Calls whose price is not known are not in it: see Where money goes.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=total(_SPENT, _SCOPE, window=RANGE)),),
            width=4,
            height=4,
        ),
        Panel(
            title="Cost per run",
            description="Cost of runs, divided by the number of runs.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=f"{total(_SPENT, _SCOPE, window=RANGE)} / {_ALL_RUNS}"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Under way",
            description="Runs that have begun and not ended. One that was killed counts for "
            "five more minutes.",
            look="stat",
            unit="short",
            queries=(Query(expr=f"sum({select(RUNS_ACTIVE, _SCOPE)})"),),
            width=4,
            height=4,
        ),
    ),
)

_OVER_TIME: Final = Row(
    title="Over time",
    panels=(
        Panel(
            title="Runs by how they ended",
            description="Each bar is the number of runs that ended in its time, by the kind of "
            "error; those without one went well.",
            look="bars",
            unit="short",
            queries=(
                Query(expr=total(_COUNT, _WELL), legend="well"),
                Query(expr=total(_COUNT, _FAILED, by=(ERROR,)), legend=f"{{{{{ERROR}}}}}"),
            ),
            width=12,
        ),
        Panel(
            title="Success over time",
            description="Share of the runs of each moment that ended without an error.",
            look="lines",
            unit="percentunit",
            queries=(
                Query(
                    expr=share(
                        total(_COUNT, _WELL, by=(WORKFLOW,)), total(_COUNT, _SCOPE, by=(WORKFLOW,))
                    ),
                    legend=f"{{{{{WORKFLOW}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Duration of runs",
            description="Of all runs together. Each dot is one run: it leads to its trace.",
            look="lines",
            unit="s",
            queries=tuple(
                Query(
                    expr=quantile(part, RUN_DURATION, _SCOPE),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.99,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        Panel(
            title="Spread of durations",
            description="How many runs took how long. Two bands are two sorts of runs, which "
            "a quantile would hide.",
            look="heatmap",
            unit="s",
            queries=(Query(expr=buckets(RUN_DURATION, _SCOPE), legend="{{le}}"),),
            width=12,
        ),
        Panel(
            title="Cost of a run",
            description="Half of the runs and nineteen of twenty cost less. "
            "Each dot is one run: it leads to its trace.",
            look="lines",
            unit="currencyUSD",
            queries=tuple(
                Query(
                    expr=quantile(part, RUN_COST, _SCOPE),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.95,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95)
            ),
            width=12,
        ),
        Panel(
            title="Runs under way",
            description="Begun and not ended, by workflow.",
            look="lines",
            unit="short",
            queries=(
                Query(
                    expr=f"sum by ({WORKFLOW})({select(RUNS_ACTIVE, _SCOPE)})",
                    legend=f"{{{{{WORKFLOW}}}}}",
                ),
            ),
            width=12,
        ),
    ),
)

_WORKFLOWS: Final = Row(
    title="By workflow",
    panels=(
        Panel(
            title="Workflows",
            description="Each workflow of each program. The first column leads to its traces.",
            look="table",
            unit="short",
            columns=((SERVICE, "Service"), (WORKFLOW, "Workflow"), (ENGINE, "Engine")),
            queries=(
                Query(expr=total(_COUNT, _SCOPE, by=_EACH, window=RANGE), legend="Runs"),
                Query(
                    expr=or_zero(
                        total(_COUNT, _FAILED, by=_EACH, window=RANGE),
                        total(_COUNT, _SCOPE, by=_EACH, window=RANGE),
                    ),
                    legend="Failed",
                ),
                *(
                    Query(
                        expr=quantile(part, RUN_DURATION, _SCOPE, by=_EACH, window=RANGE),
                        legend=f"{part:.0%}",
                        unit="s",
                    )
                    for part in (0.5, 0.95, 0.99)
                ),
                Query(
                    expr=total(_SPENT, _SCOPE, by=_EACH, window=RANGE),
                    legend="Cost",
                    unit="currencyUSD",
                ),
                Query(
                    expr=f"{total(_SPENT, _SCOPE, by=_EACH, window=RANGE)} / "
                    f"{total(_COUNT, _SCOPE, by=_EACH, window=RANGE)}",
                    legend="Cost per run",
                    unit="currencyUSD",
                ),
            ),
            links=(
                Link(
                    title="Runs of this workflow",
                    tags=(("flowspan.kind", '"run"'), ("gen_ai.workflow.name", "Workflow")),
                ),
                Link(
                    title="Failed runs of this workflow",
                    tags=(
                        ("error", '"true"'),
                        ("flowspan.kind", '"run"'),
                        ("gen_ai.workflow.name", "Workflow"),
                    ),
                ),
            ),
            width=24,
        ),
    ),
)

BOARD: Final = Board(
    uid="flowspan-runs",
    title="Runs",
    description="Do runs end well, how long do they take, and what do they cost?",
    variables=("service", "workflow"),
    rows=(_NOW, _OVER_TIME, _WORKFLOWS),
)
