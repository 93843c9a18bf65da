"""What hand-written code needs beside spans: instruments, prices and totals."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from opentelemetry.metrics import Meter

from benchmarks.engine import MODEL
from flowspan import semconv
from flowspan.instrumentation.buckets import COST_USD, DURATION_SECONDS, RUN_SECONDS, TOKENS
from flowspan.pricing import Pricer
from flowspan.usage import Usage

MILLION: Final = 1_000_000
PATIENCE_SECONDS: Final = 30.0


def loaded_pricer() -> Pricer:
    """A pricer whose lists are there; they are loaded by a thread of its own."""
    pricer = Pricer()
    pricer.warm()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _price(pricer, Usage(input_tokens=1, output_tokens=1)) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"The price of {MODEL} is not known: is genai-prices installed?")
        time.sleep(0.01)
    return pricer


def _price(pricer: Pricer, usage: Usage) -> Any:
    now = datetime.now(UTC)
    return pricer.price(usage, provider="openai", model=f"{MODEL}-2024-07-18", when=now)


class Rates:
    """Prices of one model as a program may keep them: three numbers.

    They are asked of the price list, so that both sides come to the same cost.
    """

    def __init__(self, pricer: Pricer) -> None:
        def rate(fresh: int, cached: int, output: int) -> Decimal:
            usage = Usage(
                input_tokens=fresh + cached, cache_read_tokens=cached, output_tokens=output
            )
            amount: Decimal = _price(pricer, usage).amount
            return amount / MILLION

        self.input = rate(MILLION, 0, 0)
        self.cached = rate(0, MILLION, 0)
        self.output = rate(0, 0, MILLION)

    def cost(self, input_tokens: int, cached: int, output_tokens: int) -> Decimal:
        """Cost of a call in US dollars."""
        fresh = input_tokens - cached
        return fresh * self.input + cached * self.cached + output_tokens * self.output


class Totals:
    """What the model calls of a run, step, node or agent added up to."""

    def __init__(self) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost = Decimal(0)

    def add(self, input_tokens: int, output_tokens: int, cost: Decimal) -> None:
        """Add a call."""
        self.calls += 1
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost += cost

    def attributes(self) -> dict[str, Any]:
        """The roll-up attributes."""
        if not self.calls:
            return {}
        return {
            semconv.ROLLUP_LLM_CALLS: self.calls,
            semconv.ROLLUP_INPUT_TOKENS: self.input_tokens,
            semconv.ROLLUP_OUTPUT_TOKENS: self.output_tokens,
            semconv.ROLLUP_UNPRICED_CALLS: 0,
            semconv.ROLLUP_COST_USD: float(self.cost),
        }


class Instruments:
    """The instruments that the hand-written side records into."""

    def __init__(self, meter: Meter) -> None:
        def histogram(name: str, unit: str, buckets: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=buckets)

        self.duration = histogram(semconv.METRIC_OPERATION_DURATION, "s", DURATION_SECONDS)
        self.usage = histogram(semconv.METRIC_TOKEN_USAGE, "{token}", TOKENS)
        self.first_chunk = histogram(semconv.METRIC_TIME_TO_FIRST_CHUNK, "s", DURATION_SECONDS)
        self.run_duration = histogram(semconv.METRIC_RUN_DURATION, "s", RUN_SECONDS)
        self.run_cost = histogram(semconv.METRIC_RUN_COST_USD, "{USD}", COST_USD)
        self.node_duration = histogram(semconv.METRIC_NODE_DURATION, "s", RUN_SECONDS)
        self.tokens = meter.create_counter(semconv.METRIC_TOKENS, "{token}")
        self.cost = meter.create_counter(semconv.METRIC_COST_USD, "{USD}")
        self.cost_without_cache = meter.create_counter(
            semconv.METRIC_COST_WITHOUT_CACHE_USD, "{USD}"
        )
        self.calls = meter.create_counter(semconv.METRIC_LLM_CALLS, "{call}")
        self.finishes = meter.create_counter(semconv.METRIC_LLM_FINISHES, "{finish}")
        self.node_self = meter.create_counter(semconv.METRIC_NODE_SELF_SECONDS, "s")
        self.transitions = meter.create_counter(semconv.METRIC_STATE_TRANSITIONS, "{transition}")
        self.active = meter.create_up_down_counter(semconv.METRIC_RUNS_ACTIVE, "{run}")
