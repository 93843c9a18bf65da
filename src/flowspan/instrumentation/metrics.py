"""The instruments of ``docs/telemetry.md`` section 4, and what bounds their attributes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation.buckets import COST_USD, DURATION_SECONDS, RUN_SECONDS, TOKENS

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    from flowspan.usage import Usage

MOST_NAMES: Final = 200
"""Distinct workflow and step names each, before the rest becomes ``other``."""

OTHER: Final = "other"

_TOKEN_PARTS: Final = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache_read", "cache_read_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("reasoning", "reasoning_tokens"),
)

_HISTOGRAMS: Final = (
    (semconv.METRIC_OPERATION_DURATION, "s", DURATION_SECONDS, "Duration of model calls"),
    (semconv.METRIC_TOKEN_USAGE, "{token}", TOKENS, "Tokens of model calls"),
    (semconv.METRIC_TIME_TO_FIRST_CHUNK, "s", DURATION_SECONDS, "Time to the first chunk"),
    (semconv.METRIC_RUN_DURATION, "s", RUN_SECONDS, "Duration of runs"),
    (semconv.METRIC_RUN_COST_USD, "{USD}", COST_USD, "Cost of runs"),
    (semconv.METRIC_NODE_DURATION, "s", RUN_SECONDS, "Duration of nodes"),
)
_COUNTERS: Final = (
    (semconv.METRIC_TOKENS, "{token}", "Tokens by part, workflow and step"),
    (semconv.METRIC_COST_USD, "{USD}", "Cost of model calls"),
    (semconv.METRIC_LLM_CALLS, "{call}", "Model calls"),
    (semconv.METRIC_NODE_SELF_SECONDS, "s", "Time of nodes outside the nodes inside them"),
    (semconv.METRIC_STATE_TRANSITIONS, "{transition}", "State transitions"),
    (semconv.METRIC_RETRIES, "{retry}", "Retries of model calls and nodes"),
    (semconv.METRIC_TELEMETRY_ERRORS, "{error}", "Errors of flowspan that were swallowed"),
    (semconv.METRIC_EVENTS_DROPPED, "{event}", "Events beyond the cap of a span"),
    (semconv.METRIC_SPANS_DROPPED, "{span}", "Spans that could not be delivered"),
)


class BoundedNames:
    """Lets the first :data:`MOST_NAMES` distinct names through; later ones become ``other``."""

    __slots__ = ("_known", "_lock")

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str | None) -> str | None:
        """The name, or ``other``."""
        if name is None or name in self._known:
            return name
        with self._lock:
            if len(self._known) >= MOST_NAMES:
                return OTHER
            self._known.add(name)
        return name


class Instruments:
    """All instruments by name, made once for each meter."""

    def __init__(self, meter: Meter) -> None:
        self._histograms = {
            name: meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=buckets
            )
            for name, unit, buckets, text in _HISTOGRAMS
        }
        self._counters = {
            name: meter.create_counter(name, unit, text) for name, unit, text in _COUNTERS
        }
        self._active = meter.create_up_down_counter(
            semconv.METRIC_RUNS_ACTIVE, "{run}", "Runs under way"
        )
        self.workflow_name = BoundedNames()
        self.step_name = BoundedNames()

    def record(
        self, name: str, amount: float, attributes: Mapping[str, Any], context: Context | None
    ) -> None:
        """Record into a histogram; ``context`` carries the span that an exemplar points to."""
        self._histograms[name].record(amount, attributes, context)

    def count(
        self,
        name: str,
        amount: float,
        attributes: Mapping[str, Any],
        context: Context | None = None,
    ) -> None:
        """Add to a counter."""
        self._counters[name].add(amount, attributes, context)

    def active_runs(self, change: int, attributes: Mapping[str, Any]) -> None:
        """One run more or less under way."""
        self._active.add(change, attributes)

    def place(self, workflow: str | None, step: str | None) -> dict[str, Any]:
        """The bounded attributes of where in a workflow something happened."""
        place: dict[str, Any] = {}
        if workflow is not None:
            place[semconv.WORKFLOW_NAME] = self.workflow_name(workflow)
        if step is not None:
            place[semconv.STEP_NAME] = self.step_name(step)
        return place

    def count_tokens(
        self, usage: Usage, attributes: dict[str, Any], context: Context | None
    ) -> None:
        """Count each part of a usage that is there."""
        for token_type, part in _TOKEN_PARTS:
            amount = getattr(usage, part)
            if amount:
                labels = {**attributes, semconv.TOKEN_TYPE: token_type}
                self._counters[semconv.METRIC_TOKENS].add(amount, labels, context)
