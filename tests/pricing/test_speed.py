"""Pricing a call costs a small part of what genai-prices' own calculation does."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from genai_prices import calc_price

from flowspan.pricing import Pricer
from flowspan.pricing.pricelist import listed_usage
from flowspan.usage import Usage

NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=100, reasoning_tokens=20)
ROUNDS = 15
CALLS = 200


def fastest(*functions: Callable[[], object]) -> list[float]:
    """The least time that each function takes for some calls, measured in turns."""
    least = [float("inf")] * len(functions)
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for index, function in enumerate(functions):
                began = time.perf_counter()
                for _ in range(CALLS):
                    function()
                least[index] = min(least[index], time.perf_counter() - began)
    finally:
        gc.enable()
    return least


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("deepseek", "deepseek-chat")],
)
def test_a_call_costs_a_fifth_at_most(pricer: Pricer, provider: str, model: str) -> None:
    """It is about a twentieth: constant, with thresholds, or by date and time of day."""
    theirs_usage = listed_usage(USAGE)

    ours, theirs = fastest(
        lambda: pricer.price(USAGE, provider=provider, model=model, when=NOVEMBER),
        lambda: calc_price(
            theirs_usage, model, provider_id=provider, genai_request_timestamp=NOVEMBER
        ),
    )

    assert ours * 5 < theirs


def test_an_unknown_model_costs_no_more_than_a_known_one(pricer: Pricer) -> None:
    unknown, known = fastest(
        lambda: pricer.price(USAGE, provider="openrouter", model="nobody's", when=NOVEMBER),
        lambda: pricer.price(USAGE, provider="openai", model="gpt-4o", when=NOVEMBER),
    )

    assert unknown < known
