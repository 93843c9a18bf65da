"""Where time goes: the nodes that runs wait for, and what repeats."""

from __future__ import annotations

from typing import Final

from dashboards.model import Board, Link, Panel, Query, Row
from dashboards.names import (
    ERROR,
    LOOPS,
    NODE_DURATION,
    NODE_SELF,
    RETRIES,
    SERVICE,
    STATE_FROM,
    STATE_TO,
    STEP,
    TRANSITIONS,
    WORKFLOW,
)
from dashboards.promql import RANGE, or_zero, quantile, share, total
from dashboards.variables import chosen

_SCOPE: Final = chosen("service", "workflow", "step")
_RUNS: Final = chosen("service", "workflow")
_FAILED: Final = (*_SCOPE, f'{ERROR}!=""')
_WELL: Final = (*_SCOPE, f'{ERROR}=""')
_COUNT: Final = f"{NODE_DURATION}_count"
_EACH: Final = (SERVICE, WORKFLOW, STEP)

_OWN: Final = total(NODE_SELF, _SCOPE, window=RANGE)
_PASSED: Final = total(_COUNT, _SCOPE, window=RANGE)

_NOW: Final = Row(
    title="In the time shown",
    panels=(
        Panel(
            title="Nodes passed",
            description="How often a node was executed.",
            look="stat",
            unit="short",
            queries=(Query(expr=_PASSED),),
            width=6,
            height=4,
        ),
        Panel(
            title="Own time of nodes",
            description="Time that nodes took themselves, without the nodes inside them. "
            "Their model calls are part of it.",
            look="stat",
            unit="s",
            queries=(Query(expr=_OWN),),
            width=6,
            height=4,
        ),
        Panel(
            title="Retries",
            description="Requests, prompts and nodes that were tried again.",
            look="stat",
            unit="short",
            queries=(
                Query(
                    expr=or_zero(
                        total(RETRIES, _SCOPE, window=RANGE),
                        _PASSED,
                    )
                ),
            ),
            width=6,
            height=4,
        ),
        Panel(
            title="Failed nodes",
            description="Share of executions that ended with an error.",
            look="stat",
            unit="percentunit",
            queries=(Query(expr=share(total(_COUNT, _FAILED, window=RANGE), _PASSED)),),
            width=6,
            height=4,
            good=("low", 0.01, 0.1),
        ),
    ),
)

_BOTTLENECKS: Final = Row(
    title="Bottlenecks",
    panels=(
        Panel(
            title="Share of own time",
            description="Who takes the time at each moment. Own time never counts twice, so that "
            "shares add up to the whole.",
            look="shares",
            unit="s",
            queries=(Query(expr=total(NODE_SELF, _SCOPE, by=(STEP,)), legend=f"{{{{{STEP}}}}}"),),
            width=12,
            height=9,
        ),
        Panel(
            title="Ten greatest bottlenecks",
            description="Nodes by their own time: where an hour of work on speed pays most.",
            look="ranking",
            unit="s",
            queries=(
                Query(
                    expr="topk(10, "
                    + total(NODE_SELF, _SCOPE, by=(WORKFLOW, STEP), window=RANGE)
                    + ")",
                    legend=f"{{{{{WORKFLOW}}}}}: {{{{{STEP}}}}}",
                ),
            ),
            width=12,
            height=9,
        ),
        Panel(
            title="Nodes",
            description="Each node of each workflow: how often, how long, and its share of all "
            "own time. The first column leads to its traces.",
            look="table",
            unit="short",
            columns=((SERVICE, "Service"), (WORKFLOW, "Workflow"), (STEP, "Node")),
            queries=(
                Query(expr=total(_COUNT, _SCOPE, by=_EACH, window=RANGE), legend="Times"),
                *(
                    Query(
                        expr=quantile(part, NODE_DURATION, _SCOPE, by=_EACH, window=RANGE),
                        legend=f"{part:.0%}",
                        unit="s",
                    )
                    for part in (0.5, 0.95, 0.99)
                ),
                Query(
                    expr=total(NODE_SELF, _SCOPE, by=_EACH, window=RANGE),
                    legend="Own time",
                    unit="s",
                ),
                Query(
                    expr=f"{total(NODE_SELF, _SCOPE, by=_EACH, window=RANGE)} / "
                    f"on() group_left() {_OWN}",
                    legend="Share",
                    unit="percentunit",
                ),
                Query(
                    expr=or_zero(
                        total(_COUNT, _FAILED, by=_EACH, window=RANGE),
                        total(_COUNT, _SCOPE, by=_EACH, window=RANGE),
                    ),
                    legend="Failed",
                ),
                Query(
                    expr=or_zero(
                        total(RETRIES, _SCOPE, by=_EACH, window=RANGE),
                        total(_COUNT, _SCOPE, by=_EACH, window=RANGE),
                    ),
                    legend="Retries",
                ),
            ),
            links=(
                Link(
                    title="Traces with this node",
                    tags=(
                        ("flowspan.kind", '"node"'),
                        ("gen_ai.workflow.name", "Workflow"),
                        ("gen_ai.step.name", "Node"),
                    ),
                ),
                Link(
                    title="Traces where this node failed",
                    tags=(
                        ("error", '"true"'),
                        ("flowspan.kind", '"node"'),
                        ("gen_ai.workflow.name", "Workflow"),
                        ("gen_ai.step.name", "Node"),
                    ),
                ),
            ),
            width=24,
            height=9,
        ),
    ),
)

_OVER_TIME: Final = Row(
    title="Over time",
    panels=(
        Panel(
            title="Duration of nodes",
            description="Of all chosen nodes together. Each dot is one execution: it leads to "
            "its trace.",
            look="lines",
            unit="s",
            queries=tuple(
                Query(
                    expr=quantile(part, NODE_DURATION, _SCOPE),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.99,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        Panel(
            title="Duration by node, 95 %",
            description="Nineteen of twenty executions of each node were faster.",
            look="lines",
            unit="s",
            queries=(
                Query(
                    expr=quantile(0.95, NODE_DURATION, _SCOPE, by=(STEP,)),
                    legend=f"{{{{{STEP}}}}}",
                ),
            ),
            width=12,
        ),
    ),
)

_REPEATS: Final = Row(
    title="Retries and states",
    panels=(
        Panel(
            title="Retries by reason",
            description="What was tried again, and after which error: rate limits (429), servers "
            "in trouble, answers that could not be used. Beside that, nodes that came again and "
            "again with the same inputs.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(RETRIES, _FAILED, by=(STEP, ERROR)),
                    legend=f"{{{{{STEP}}}}}: {{{{{ERROR}}}}}",
                ),
                Query(expr=total(RETRIES, _WELL, by=(STEP,)), legend=f"{{{{{STEP}}}}}: unusable"),
                Query(expr=total(LOOPS, _SCOPE, by=(STEP,)), legend=f"{{{{{STEP}}}}}: a loop?"),
            ),
            width=12,
        ),
        Panel(
            title="Transitions, from → to",
            description="How often each state was left for each other one. Numbers below or left "
            "of where they belong are work done again.",
            look="matrix",
            unit="short",
            columns=((STATE_FROM, "from"), (STATE_TO, "to")),
            queries=(
                Query(
                    expr=total(TRANSITIONS, _RUNS, by=(STATE_FROM, STATE_TO), window=RANGE),
                ),
            ),
            width=12,
        ),
        Panel(
            title="Transitions over time",
            description="State transitions of nodes and runs.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(TRANSITIONS, _RUNS, by=(STATE_FROM, STATE_TO)),
                    legend=f"{{{{{STATE_FROM}}}}} → {{{{{STATE_TO}}}}}",
                ),
            ),
            width=24,
        ),
    ),
)

BOARD: Final = Board(
    uid="flowspan-time",
    title="Where time goes",
    description="Which nodes do runs wait for, which are slow, and what is done again?",
    variables=("service", "workflow", "step"),
    rows=(_NOW, _BOTTLENECKS, _OVER_TIME, _REPEATS),
)
