"""Model calls: how fast models answer, how their answers end, and what fails."""

from __future__ import annotations

from typing import Final

from dashboards.model import Board, Link, Panel, Query, Row
from dashboards.names import (
    CALL_DURATION,
    ERROR,
    FINISH_REASON,
    FINISHES,
    FIRST_CHUNK,
    MODEL,
    OPERATION,
    PROVIDER,
    RETRIES,
    SERVICE,
    TOKEN_TYPE,
    TOKEN_USAGE,
)
from dashboards.promql import RANGE, or_zero, quantile, share, total
from dashboards.variables import chosen

_SCOPE: Final = chosen("service", "provider", "model")
_PROGRAM: Final = chosen("service")
_WELL: Final = (*_SCOPE, f'{ERROR}=""')
_FAILED: Final = (*_SCOPE, f'{ERROR}!=""')
_LIMITED: Final = (*_SCOPE, f'{ERROR}=~"429|RateLimitError"')
_OUTPUT: Final = (*_WELL, f'{TOKEN_TYPE}="output"')
_COUNT: Final = f"{CALL_DURATION}_count"
_EACH: Final = (SERVICE, PROVIDER, MODEL, OPERATION)

_CALLS: Final = total(_COUNT, _SCOPE, window=RANGE)


def _speed(by: tuple[str, ...], window: str) -> str:
    """Output tokens per second of the calls that brought them, streams included."""
    tokens = total(f"{TOKEN_USAGE}_sum", _OUTPUT, by=by, window=window)
    return f"{tokens} / {total(f'{CALL_DURATION}_sum', _WELL, by=by, window=window)}"


_NOW: Final = Row(
    title="In the time shown",
    panels=(
        Panel(
            title="Calls",
            description="Calls of models, each counted once however many layers saw it.",
            look="stat",
            unit="short",
            queries=(Query(expr=_CALLS),),
            width=4,
            height=4,
        ),
        Panel(
            title="Failed calls",
            description="Share of calls that ended with an error, after all retries of the client.",
            look="stat",
            unit="percentunit",
            queries=(Query(expr=share(total(_COUNT, _FAILED, window=RANGE), _CALLS)),),
            width=4,
            height=4,
            good=("low", 0.01, 0.1),
        ),
        Panel(
            title="Duration, 95 %",
            description="Nineteen of twenty calls were faster. "
            "A stream lasts until its end was seen.",
            look="stat",
            unit="s",
            queries=(Query(expr=quantile(0.95, CALL_DURATION, _SCOPE, window=RANGE)),),
            width=4,
            height=4,
        ),
        Panel(
            title="First chunk, 95 %",
            description="Nineteen of twenty streams began earlier.",
            look="stat",
            unit="s",
            queries=(Query(expr=quantile(0.95, FIRST_CHUNK, _SCOPE, window=RANGE)),),
            width=4,
            height=4,
        ),
        Panel(
            title="Output speed",
            description="Output tokens per second of calls that went well: "
            "all their tokens, divided by all their time.",
            look="stat",
            unit="suffix: tokens/s",
            queries=(Query(expr=_speed((), RANGE)),),
            width=4,
            height=4,
        ),
        Panel(
            title="Retries",
            description="Requests and prompts that were tried again. "
            "Of what is chosen above, the service holds for it.",
            look="stat",
            unit="short",
            queries=(
                Query(
                    expr=or_zero(total(RETRIES, _PROGRAM, window=RANGE), _CALLS),
                ),
            ),
            width=4,
            height=4,
        ),
    ),
)

_LATENCY: Final = Row(
    title="How fast",
    panels=(
        Panel(
            title="Duration of calls",
            description="Of all chosen models together. Each dot is one call: it leads to its "
            "trace.",
            look="lines",
            unit="s",
            queries=tuple(
                Query(
                    expr=quantile(part, CALL_DURATION, _SCOPE),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.99,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        Panel(
            title="Duration by model, 95 %",
            description="Nineteen of twenty calls of each model were faster.",
            look="lines",
            unit="s",
            queries=(
                Query(
                    expr=quantile(0.95, CALL_DURATION, _SCOPE, by=(MODEL,)),
                    legend=f"{{{{{MODEL}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Time to first chunk",
            description="Of streams: how long nothing was to be read. "
            "Each dot is one call: it leads to its trace.",
            look="lines",
            unit="s",
            queries=tuple(
                Query(
                    expr=quantile(part, FIRST_CHUNK, _SCOPE),
                    legend=f"{part:.0%}",
                    exemplars=part == 0.99,  # noqa: PLR2004 - one query brings all measurements
                )
                for part in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        Panel(
            title="Output tokens per second",
            description="All output tokens of each moment, divided by all time of the calls that "
            "brought them, by model.",
            look="lines",
            unit="suffix: tokens/s",
            queries=(Query(expr=_speed((MODEL,), "$__interval"), legend=f"{{{{{MODEL}}}}}"),),
            width=12,
        ),
    ),
)

_ANSWERS: Final = Row(
    title="What comes of them",
    panels=(
        Panel(
            title="Calls by model",
            description="Calls that ended in the time of each bar.",
            look="bars",
            unit="short",
            queries=(Query(expr=total(_COUNT, _SCOPE, by=(MODEL,)), legend=f"{{{{{MODEL}}}}}"),),
            width=12,
        ),
        Panel(
            title="Why answers ended",
            description="In the provider's own words. length or max_tokens: the answer was cut. "
            "content_filter or refusal: there is none.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(FINISHES, _SCOPE, by=(FINISH_REASON,)),
                    legend=f"{{{{{FINISH_REASON}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Errors",
            description="Calls that failed: by the HTTP status, the provider's word, or the "
            "exception. 429 is a rate limit, 529 an overloaded provider.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(_COUNT, _FAILED, by=(MODEL, ERROR)),
                    legend=f"{{{{{MODEL}}}}} {{{{{ERROR}}}}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Retries by error",
            description="What clients and agents tried again, and after which error. "
            "Of what is chosen above, the service holds for it.",
            look="bars",
            unit="short",
            queries=(
                Query(
                    expr=total(RETRIES, (*_PROGRAM, f'{ERROR}!=""'), by=(ERROR,)),
                    legend=f"{{{{{ERROR}}}}}",
                ),
                Query(expr=total(RETRIES, (*_PROGRAM, f'{ERROR}=""')), legend="unusable answer"),
            ),
            width=12,
        ),
        Panel(
            title="Tokens of a call, 95 %",
            description="Nineteen of twenty calls had fewer, input and output apart: a prompt "
            "that grows with each turn shows here first.",
            look="lines",
            unit="suffix: tokens",
            queries=(
                Query(
                    expr=quantile(0.95, TOKEN_USAGE, _SCOPE, by=(TOKEN_TYPE,)),
                    legend=f"{{{{{TOKEN_TYPE}}}}}",
                    exemplars=True,
                ),
            ),
            width=24,
        ),
        Panel(
            title="Models",
            description="Each model of each program. The first column leads to its traces.",
            look="table",
            unit="short",
            columns=(
                (SERVICE, "Service"),
                (PROVIDER, "Provider"),
                (MODEL, "Model"),
                (OPERATION, "Operation"),
            ),
            queries=(
                Query(expr=total(_COUNT, _SCOPE, by=_EACH, window=RANGE), legend="Calls"),
                Query(
                    expr=or_zero(
                        total(_COUNT, _FAILED, by=_EACH, window=RANGE),
                        total(_COUNT, _SCOPE, by=_EACH, window=RANGE),
                    ),
                    legend="Failed",
                ),
                Query(
                    expr=or_zero(
                        total(_COUNT, _LIMITED, by=_EACH, window=RANGE),
                        total(_COUNT, _SCOPE, by=_EACH, window=RANGE),
                    ),
                    legend="Rate limited",
                ),
                *(
                    Query(
                        expr=quantile(part, CALL_DURATION, _SCOPE, by=_EACH, window=RANGE),
                        legend=f"{part:.0%}",
                        unit="s",
                    )
                    for part in (0.5, 0.95)
                ),
                Query(expr=_speed(_EACH, RANGE), legend="Output", unit="suffix: tokens/s"),
            ),
            links=(
                Link(
                    title="Traces with this model",
                    tags=(("flowspan.kind", '"llm"'), ("gen_ai.request.model", "Model")),
                ),
                Link(
                    title="Traces where this model failed",
                    tags=(
                        ("error", '"true"'),
                        ("flowspan.kind", '"llm"'),
                        ("gen_ai.request.model", "Model"),
                    ),
                ),
            ),
            width=24,
        ),
    ),
)

BOARD: Final = Board(
    uid="flowspan-models",
    title="Model calls",
    description="How fast do models answer, how do their answers end, and what fails?",
    variables=("service", "provider", "model"),
    rows=(_NOW, _LATENCY, _ANSWERS),
)
