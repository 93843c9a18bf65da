"""What a part of a run used: model calls, tokens and money, summed from the calls themselves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from flowspan import semconv
from flowspan.store.records import SpanRow

CostStatus = Literal["none", "priced", "partial", "unpriced", "free"]
"""``none``: no model call has ended. ``free``: all calls cost nothing, by a rule or as replays.
``partial``: some calls have no known price, so the sum is a lower bound."""


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums over the model calls of a subtree.

    Attributes:
        llm_calls: Model calls, open ones included.
        input_tokens: Input tokens of all calls, cached ones included.
        output_tokens: Output tokens of all calls, reasoning included.
        cost_usd: Sum of the known prices, in US dollars.
        unpriced_calls: Ended calls whose price is not known.
        priced_calls: Calls that cost something.
        free_calls: Calls that cost nothing: local models, replays, cached answers.
        estimated: True where some of the tokens are an estimate.
        failures: Spans that failed by themselves: an error that went up through several spans is
            counted once, where it arose.
        retries: Attempts beyond the first, of nodes and of model calls.
        open_spans: Spans that have not ended.
    """

    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0
    priced_calls: int = 0
    free_calls: int = 0
    estimated: bool = False
    failures: int = 0
    retries: int = 0
    open_spans: int = 0

    def add(self, other: Totals) -> None:
        """Add what another part used."""
        self.llm_calls += other.llm_calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_usd += other.cost_usd
        self.unpriced_calls += other.unpriced_calls
        self.priced_calls += other.priced_calls
        self.free_calls += other.free_calls
        self.estimated |= other.estimated
        self.failures += other.failures
        self.retries += other.retries
        self.open_spans += other.open_spans

    @property
    def cost_status(self) -> CostStatus:
        """How the sum is to be read."""
        if self.unpriced_calls:
            return "partial" if self.priced_calls else "unpriced"
        if self.priced_calls:
            return "priced"
        return "free" if self.free_calls else "none"


def of_span(span: SpanRow) -> Totals:
    """What one span used by itself. Failures are not counted: they need the tree."""
    totals = Totals(retries=_retries(span), open_spans=int(span.end_ns is None))
    if span.kind == "llm":
        _count_call(span, totals)
    return totals


def _count_call(span: SpanRow, totals: Totals) -> None:
    totals.llm_calls = 1
    totals.input_tokens = span.input_tokens or 0
    totals.output_tokens = span.output_tokens or 0
    totals.estimated = span.estimated
    if span.cost_usd is None:
        totals.unpriced_calls = int(_is_unpriced(span))
    elif span.cost_usd:
        totals.priced_calls = 1
        # By way of its shortest form: 0.1 is meant as a tenth.
        totals.cost_usd = Decimal(str(span.cost_usd))
    else:
        totals.free_calls = 1


def _is_unpriced(span: SpanRow) -> bool:
    """Whether a call used something whose price is not known; a refused call used nothing."""
    if span.state != "done":
        return False
    if span.cost_status is not None:
        return span.cost_status == "unpriced"
    return span.input_tokens is not None or span.output_tokens is not None


def _retries(span: SpanRow) -> int:
    """Attempts beyond the first, said by a count, by events, or by an attempt's number."""
    events = sum(event.name == semconv.EVENT_RETRY for event in span.events)
    said = span.attrs.get(semconv.RETRY_COUNT)
    later_attempt = (span.attempt or 1) > 1
    return max(said if isinstance(said, int) else 0, events, int(later_attempt))
