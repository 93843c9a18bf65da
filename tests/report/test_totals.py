"""What one span used."""

from decimal import Decimal
from typing import Any

import pytest

from flowspan.report.totals import Totals, of_span


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"cost_usd": 0.25}, "priced"),
        ({"cost_usd": 0.0, "cost_status": "free"}, "free"),
        ({"cost_usd": 0.0, "cost_status": "replayed"}, "free"),
        ({"cost_status": "unpriced"}, "unpriced"),
        ({"input_tokens": 5}, "unpriced"),
        ({"output_tokens": 5}, "unpriced"),
        ({}, "none"),
        ({"end": None, "input_tokens": 5}, "none"),
        ({"end": None, "state": "interrupted", "cost_status": "unpriced"}, "none"),
    ],
)
def test_cost_status(trace: Any, columns: dict[str, Any], status: str) -> None:
    """A price that is not known is not zero; a call that never used anything has no price."""
    trace.llm(**columns)

    assert status == of_span(trace.rows[0]).cost_status


def test_partial() -> None:
    """A sum with calls missing in it says so."""
    totals = Totals(llm_calls=1, priced_calls=1, cost_usd=Decimal("0.1"))
    totals.add(Totals(llm_calls=1, unpriced_calls=1))

    assert totals.cost_status == "partial"
    assert totals.cost_usd == Decimal("0.1")


def test_only_model_calls_use_tokens(trace: Any) -> None:
    """Tokens on other spans are roll-ups, and are not counted again."""
    trace.span("node", kind="node", input_tokens=5, output_tokens=5, cost_usd=1.0)

    assert of_span(trace.rows[0]) == Totals()


@pytest.mark.parametrize(
    ("columns", "retries"),
    [
        ({}, 0),
        ({"attrs": {"flowspan.retry.count": 2}}, 2),
        ({"events": [("flowspan.retry", 0, {}), ("other", 0, {})]}, 1),
        ({"attrs": {"flowspan.retry.count": 2}, "events": [("flowspan.retry", 0, {})]}, 2),
        ({"attempt": 1}, 0),
        ({"attempt": 3}, 1),
        ({"attrs": {"flowspan.retry.count": "many"}}, 0),
    ],
)
def test_retries(trace: Any, columns: dict[str, Any], retries: int) -> None:
    """A retry is counted once, however many ways tell of it."""
    trace.span(**columns)

    assert retries == of_span(trace.rows[0]).retries
