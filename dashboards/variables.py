"""What can be chosen at the top of a dashboard, and the conditions that come of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from dashboards import names


class Choice(NamedTuple):
    """A variable whose values are those of a label.

    Attributes:
        label: The label.
        title: What it is called.
        metric: The metric that has the label.
        under: Variables that narrow the values.
    """

    label: str
    title: str
    metric: str
    under: tuple[str, ...] = ()


CHOICES: Final[dict[str, Choice]] = {
    "service": Choice(
        names.SERVICE,
        "Service",
        f'{{__name__=~"{names.SPANS_DROPPED}|{names.CALL_DURATION}_count"}}',
    ),
    "workflow": Choice(
        names.WORKFLOW, "Workflow", f"{names.RUN_DURATION}_count", under=("service",)
    ),
    "step": Choice(
        names.STEP, "Node", f"{names.NODE_DURATION}_count", under=("service", "workflow")
    ),
    "provider": Choice(
        names.PROVIDER, "Provider", f"{names.CALL_DURATION}_count", under=("service",)
    ),
    "model": Choice(
        names.MODEL, "Model", f"{names.CALL_DURATION}_count", under=("service", "provider")
    ),
}
"""Every variable by name, beside the data sources."""

METRICS: Final = "metrics"
"""The variable of the Prometheus data source."""

TRACES: Final = "traces"
"""The variable of the Jaeger data source."""


def chosen(*variables: str) -> tuple[str, ...]:
    """The conditions by which a query obeys variables."""
    return tuple(f'{CHOICES[name].label}=~"${name}"' for name in variables)


def values(choice: Choice) -> str:
    """The query for the values of a variable."""
    selector = choice.metric
    if choice.under:
        selector += f"{{{', '.join(chosen(*choice.under))}}}"
    return f"label_values({selector}, {choice.label})"
