"""Where money goes: by provider, model, workflow and node, and what caches save."""

from __future__ import annotations

from typing import Final

from dashboards.model import Board, Link, Panel, Query, Row
from dashboards.names import (
    CALLS,
    COST,
    COST_STATUS,
    COST_WITHOUT_CACHE,
    ERROR,
    MODEL,
    PROVIDER,
    RUN_COST,
    RUN_DURATION,
    SERVICE,
    STEP,
    TOKEN_TYPE,
    TOKENS,
    WORKFLOW,
)
from dashboards.promql import RANGE, or_zero, quantile, share, total
from dashboards.variables import chosen

_SCOPE: Final = chosen("service", "workflow", "step", "provider", "model")
_RUNS: Final = chosen("service", "workflow")
_WELL: Final = (*_RUNS, f'{ERROR}=""')
_UNPRICED: Final = (*_SCOPE, f'{COST_STATUS}="unpriced"')
_INPUT: Final = (*_SCOPE, f'{TOKEN_TYPE}="input"')
_OUTPUT: Final = (*_SCOPE, f'{TOKEN_TYPE}="output"')
_CACHED: Final = (*_SCOPE, f'{TOKEN_TYPE}="cache_read"')
_COUNT: Final = f"{RUN_DURATION}_count"
_SPENT: Final = f"{RUN_COST}_sum"
_PLACE: Final = (SERVICE, WORKFLOW, STEP, PROVIDER, MODEL)

_SPEND: Final = total(COST, _SCOPE, window=RANGE)
_CALLS: Final = total(CALLS, _SCOPE, window=RANGE)
_RUN_SPEND: Final = total(_SPENT, _RUNS, window=RANGE)


def _spend_by(title: str, description: str, label: str) -> Panel:
    """Spending over time by one label."""
    return Panel(
        title=title,
        description=description,
        look="bars",
        unit="currencyUSD",
        queries=(Query(expr=total(COST, _SCOPE, by=(label,)), legend=f"{{{{{label}}}}}"),),
        width=12,
    )


_NOW: Final = Row(
    title="In the time shown",
    panels=(
        Panel(
            title="Spend",
            description="What model calls cost, inside runs and outside. "
            "Calls without a known price are not in it: they are counted to the right.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=_SPEND),),
            width=4,
            height=4,
        ),
        Panel(
            title="Spend per hour",
            description="Spend, divided by the time shown.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=f"{_SPEND} * 3600 / $__range_s"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Cost per run",
            description="Cost of the runs that ended, divided by their number. "
            "Of what is chosen above, service and workflow hold for it.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=f"{_RUN_SPEND} / {total(_COUNT, _RUNS, window=RANGE)}"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Cost per successful run",
            description="Cost of all runs that ended, failed ones too, divided by the number of "
            "those that ended well: what a result costs.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=f"{_RUN_SPEND} / {total(_COUNT, _WELL, window=RANGE)}"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Saved by caches",
            description="What the same tokens would have cost without prompt caches, less what "
            "they did cost. Negative where more was written to caches than read.",
            look="stat",
            unit="currencyUSD",
            queries=(Query(expr=f"{total(COST_WITHOUT_CACHE, _SCOPE, window=RANGE)} - {_SPEND}"),),
            width=4,
            height=4,
        ),
        Panel(
            title="Unpriced calls",
            description="Calls whose price nobody knows: their cost is missing everywhere here. "
            "A prices file of your own tells it.",
            look="stat",
            unit="short",
            queries=(Query(expr=or_zero(total(CALLS, _UNPRICED, window=RANGE), _CALLS)),),
            width=4,
            height=4,
            good=("low", 1, 100),
        ),
    ),
)

_BY: Final = Row(
    title="Who spends it",
    panels=(
        _spend_by("By model", "Cost by the model that was asked for.", MODEL),
        _spend_by("By provider", "Cost by the provider, as its address tells.", PROVIDER),
        _spend_by("By workflow", "Cost by workflow; calls outside any have none.", WORKFLOW),
        _spend_by("By node", "Cost by the nearest node or step around the call.", STEP),
        Panel(
            title="Ten dearest places",
            description="Node and model together: where a cheaper model or a shorter prompt "
            "pays most.",
            look="ranking",
            unit="currencyUSD",
            queries=(
                Query(
                    expr="topk(10, " + total(COST, _SCOPE, by=(STEP, MODEL), window=RANGE) + ")",
                    legend=f"{{{{{STEP}}}}}: {{{{{MODEL}}}}}",
                ),
            ),
            width=24,
            height=9,
        ),
        Panel(
            title="Places",
            description="Each node with each model. The first column leads to its traces.",
            look="table",
            unit="short",
            columns=(
                (SERVICE, "Service"),
                (WORKFLOW, "Workflow"),
                (STEP, "Node"),
                (PROVIDER, "Provider"),
                (MODEL, "Model"),
            ),
            queries=(
                Query(expr=total(CALLS, _SCOPE, by=_PLACE, window=RANGE), legend="Calls"),
                Query(
                    expr=total(COST, _SCOPE, by=_PLACE, window=RANGE),
                    legend="Cost",
                    unit="currencyUSD",
                ),
                Query(
                    expr=f"{total(COST, _SCOPE, by=_PLACE, window=RANGE)} / "
                    f"{total(CALLS, _SCOPE, by=_PLACE, window=RANGE)}",
                    legend="Cost per call",
                    unit="currencyUSD",
                ),
                Query(expr=total(TOKENS, _INPUT, by=_PLACE, window=RANGE), legend="Input"),
                Query(expr=total(TOKENS, _OUTPUT, by=_PLACE, window=RANGE), legend="Output"),
            ),
            links=(
                Link(
                    title="Traces with this model",
                    tags=(("flowspan.kind", '"llm"'), ("gen_ai.request.model", "Model")),
                ),
            ),
            width=24,
            height=9,
        ),
    ),
)

_RESULTS: Final = Row(
    title="What a run costs",
    panels=(
        Panel(
            title="Cost of a run",
            description="Half of the runs, and 95 and 99 of a hundred, cost less. "
            "Each dot is one run: it leads to its trace.",
            look="lines",
            unit="currencyUSD",
            queries=tuple(
                Query(
                    expr=quantile(part, RUN_COST, _RUNS),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.99,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        Panel(
            title="Cost per run and per result",
            description="Where the lines part, money goes into runs that fail.",
            look="lines",
            unit="currencyUSD",
            queries=(
                Query(expr=f"{total(_SPENT, _RUNS)} / {total(_COUNT, _RUNS)}", legend="run"),
                Query(
                    expr=f"{total(_SPENT, _RUNS)} / {total(_COUNT, _WELL)}",
                    legend="successful run",
                ),
            ),
            width=12,
        ),
    ),
)

_TOKENS: Final = Row(
    title="Tokens, caches and prices",
    panels=(
        Panel(
            title="Tokens",
            description="Cached tokens are part of the input, reasoning is part of the output: "
            "do not add them up.",
            look="lines",
            unit="suffix: tokens",
            queries=(
                Query(expr=total(TOKENS, _SCOPE, by=(TOKEN_TYPE,)), legend=f"{{{{{TOKEN_TYPE}}}}}"),
            ),
            width=12,
        ),
        Panel(
            title="Input read from caches",
            description="Share of the input tokens that came from a prompt cache, by model.",
            look="lines",
            unit="percentunit",
            queries=(
                Query(
                    expr=share(
                        total(TOKENS, _CACHED, by=(MODEL,)), total(TOKENS, _INPUT, by=(MODEL,))
                    ),
                    legend=f"{{{{{MODEL}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Savings by caches",
            description="What prompt caches saved, less what writing to them cost, by model.",
            look="lines",
            unit="currencyUSD",
            queries=(
                Query(
                    expr=f"{total(COST_WITHOUT_CACHE, _SCOPE, by=(MODEL,))} - "
                    f"{total(COST, _SCOPE, by=(MODEL,))}",
                    legend=f"{{{{{MODEL}}}}}",
                ),
            ),
            width=8,
        ),
        Panel(
            title="Calls by what is known of their price",
            description="Priced; free by a rule; replayed, paid for before; unpriced. Calls that "
            "failed before an answer cost nothing.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(CALLS, (*_SCOPE, f'{COST_STATUS}!=""'), by=(COST_STATUS,)),
                    legend=f"{{{{{COST_STATUS}}}}}",
                ),
                Query(expr=total(CALLS, (*_SCOPE, f'{COST_STATUS}=""')), legend="failed"),
            ),
            width=8,
        ),
        Panel(
            title="Without a price",
            description="The models whose price is to be told, in a prices file of your own.",
            look="table",
            unit="short",
            columns=((SERVICE, "Service"), (PROVIDER, "Provider"), (MODEL, "Model")),
            queries=(
                Query(
                    expr=total(CALLS, _UNPRICED, by=(SERVICE, PROVIDER, MODEL), window=RANGE)
                    + " > 0",
                    legend="Calls",
                ),
            ),
            width=8,
        ),
    ),
)

BOARD: Final = Board(
    uid="flowspan-money",
    title="Where money goes",
    description="Who spends it, what does a result cost, and what is not priced?",
    variables=("service", "workflow", "step", "provider", "model"),
    rows=(_NOW, _BY, _RESULTS, _TOKENS),
)
