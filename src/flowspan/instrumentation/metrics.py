"""The instruments of ``docs/telemetry.md`` section 4, and what bounds their attributes."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, NoOpMeter, Observation

from flowspan import semconv
from flowspan.background import RLock
from flowspan.instrumentation.buckets import COST_USD, DURATION_SECONDS, RUN_SECONDS, TOKENS

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    from flowspan.usage import Usage

MOST_NAMES: Final = 200
"""Distinct names of one sort (workflows, steps, …), before the rest becomes ``other``."""

OTHER: Final = "other"

_Labels = tuple[tuple[str, Any], ...]
_OVERFLOW: Final[_Labels] = (("otel.metric.overflow", True),)

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
_SUMS: Final = (
    (semconv.METRIC_TOKENS, "{token}", "Tokens by part, workflow and step"),
    (semconv.METRIC_COST_USD, "{USD}", "Cost of model calls"),
    (semconv.METRIC_COST_WITHOUT_CACHE_USD, "{USD}", "Cost, had no prompt cache been used"),
    (semconv.METRIC_LLM_CALLS, "{call}", "Model calls"),
    (semconv.METRIC_LLM_FINISHES, "{answer}", "Answers of model calls by why they ended"),
    (semconv.METRIC_NODE_SELF_SECONDS, "s", "Time of nodes outside the nodes inside them"),
    (semconv.METRIC_STATE_TRANSITIONS, "{transition}", "State transitions"),
    (semconv.METRIC_LOOPS, "{loop}", "Nodes that come again and again with the same inputs"),
    (semconv.METRIC_RETRIES, "{retry}", "Retries of model calls and nodes"),
    (semconv.METRIC_TELEMETRY_ERRORS, "{error}", "Errors of flowspan that were swallowed"),
    (semconv.METRIC_EVENTS_DROPPED, "{event}", "Events beyond the cap of a span"),
    (semconv.METRIC_SPANS_DROPPED, "{span}", "Spans that could not be delivered"),
)
MOST_SERIES: Final = 2000
"""Distinct attribute sets of one sum; what comes beyond is one overflow series."""


class BoundedNames:
    """Lets the first :data:`MOST_NAMES` distinct names through; later ones become ``other``."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, name: str | None) -> str | None:
        """The name, or ``other``."""
        if name is None or name in self._known:
            return name
        if len(self._known) >= MOST_NAMES:  # threads that come at once may add one each
            return OTHER
        self._known.add(name)
        return name


class Sums:
    """Counters that are added up here and read by the SDK when it collects.

    Most of what a call records are counts, and the SDK cleans, copies and hashes the attributes of
    each one on the program's thread.  An observable counter asks once for each collection.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # a finaliser may count in the middle of a count
        self._sums: dict[str, dict[_Labels, float]] = {name: {} for name, *_ in _SUMS}
        self._sums[semconv.METRIC_RUNS_ACTIVE] = {}
        self._begin()
        if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
            again = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := again()) and method())

    def _begin(self) -> None:
        """Say from the start that nothing was dropped: else it looks as if nobody were there."""
        self._sums[semconv.METRIC_SPANS_DROPPED][()] = 0

    def _after_fork(self) -> None:
        """What the parent counted is the parent's to report."""
        self._lock = RLock()
        for sums in self._sums.values():
            sums.clear()
        self._begin()

    def add(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Add to a sum."""
        labels = tuple(attributes.items())
        sums = self._sums[name]
        with self._lock:
            if labels not in sums and len(sums) >= MOST_SERIES:
                labels = _OVERFLOW
            sums[labels] = sums.get(labels, 0) + amount

    def observe(self, name: str, _options: CallbackOptions) -> list[Observation]:
        """The sums of a name, for a collection."""
        with self._lock:
            items = list(self._sums[name].items())
        return [Observation(amount, dict(labels)) for labels, amount in items]


class Instruments:
    """All instruments by name, made once for each meter."""

    def __init__(self, meter: Meter) -> None:
        self._active = not isinstance(meter, NoOpMeter)
        self._histograms = {
            name: meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=buckets
            )
            for name, unit, buckets, text in _HISTOGRAMS
        }
        self._sums = sums = Sums()
        for name, unit, text in _SUMS:
            meter.create_observable_counter(name, [partial(sums.observe, name)], unit, text)
        name = semconv.METRIC_RUNS_ACTIVE
        meter.create_observable_up_down_counter(
            name, [partial(sums.observe, name)], "{run}", "Runs under way"
        )
        self.workflow_name = BoundedNames()
        self.step_name = BoundedNames()
        self.state_name = BoundedNames()
        self.finish_reason = BoundedNames()

    @property
    def active(self) -> bool:
        """False where nobody takes metrics, so that none need be made."""
        return self._active

    def record(
        self, name: str, amount: float, attributes: Mapping[str, Any], context: Context | None
    ) -> None:
        """Record into a histogram; ``context`` carries the span that an exemplar points to."""
        self._histograms[name].record(amount, attributes, context)

    def count(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Add to a counter."""
        if self._active:
            self._sums.add(name, amount, attributes)

    def active_runs(self, change: int, attributes: Mapping[str, Any]) -> None:
        """One run more or less under way."""
        self._sums.add(semconv.METRIC_RUNS_ACTIVE, change, attributes)

    def place(self, workflow: str | None, step: str | None) -> dict[str, Any]:
        """The bounded attributes of where in a workflow something happened."""
        place: dict[str, Any] = {}
        if workflow is not None:
            place[semconv.WORKFLOW_NAME] = self.workflow_name(workflow)
        if step is not None:
            place[semconv.STEP_NAME] = self.step_name(step)
        return place

    def count_tokens(self, usage: Usage, attributes: dict[str, Any]) -> None:
        """Count each part of a usage that is there."""
        for token_type, part in _TOKEN_PARTS:
            amount = getattr(usage, part)
            if amount:
                labels = {**attributes, semconv.TOKEN_TYPE: token_type}
                self._sums.add(semconv.METRIC_TOKENS, amount, labels)
