"""The numbers of the dashboards are those of the providers' ledger and of the embedded store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest

from flowspan.instrumentation.buckets import COST_USD, DURATION_SECONDS, RUN_SECONDS
from flowspan.pricing import Pricer
from flowspan.store.records import SpanRow
from flowspan.testing import LedgerEntry
from tests.stack.seeding import UNKNOWN, Seeded, numbers

# --- the ledger -----------------------------------------------------------------------------------


def cost(entries: Iterable[LedgerEntry], *, cached: bool = True) -> float:
    """What entries cost; those that nobody knows a price of are left out."""
    pricer = Pricer()
    total = Decimal(0)
    for entry in entries:
        usage = entry.usage
        if not cached:
            usage = replace(usage, cache_read_tokens=None, cache_write_tokens=None)
        price = pricer.price(usage, provider=entry.provider, model=entry.model, when=time.time())
        total += Decimal(0) if price is None else price.amount
    return float(total)


def test_the_money_is_the_ledgers(seeded: Seeded) -> None:
    spend = seeded.number("flowspan-money", "Spend")
    saved = seeded.number("flowspan-money", "Saved by caches")
    by_model = seeded.grown("flowspan-money", "By model", "gen_ai_request_model")

    priced = [entry for entry in seeded.charged if entry.model != UNKNOWN]
    models = {entry.model for entry in priced}
    assert spend == pytest.approx(cost(seeded.charged), rel=1e-9)
    assert spend > 0
    assert saved == pytest.approx(cost(priced, cached=False) - spend, rel=1e-9)
    assert saved > 0
    assert by_model == {
        (model,): pytest.approx(cost(entry for entry in priced if entry.model == model), rel=1e-9)
        for model in models
    }
    for title, label in (
        ("By provider", "gen_ai_provider_name"),
        ("By workflow", "gen_ai_workflow_name"),
        ("By node", "gen_ai_step_name"),
    ):
        assert sum(seeded.grown("flowspan-money", title, label).values()) == pytest.approx(spend)


def test_the_tokens_are_the_ledgers(seeded: Seeded) -> None:
    tokens = seeded.grown("flowspan-money", "Tokens", "gen_ai_token_type")

    parts = ("input", "output", "cache_read", "reasoning")
    assert tokens == {
        (part,): sum(getattr(entry.usage, f"{part}_tokens") or 0 for entry in seeded.charged)
        for part in parts
    }


def test_what_a_run_and_what_a_result_cost(seeded: Seeded) -> None:
    runs = cost(entry for entry in seeded.charged if entry.model != UNKNOWN)

    assert seeded.number("flowspan-runs", "Runs") == 3
    assert seeded.number("flowspan-runs", "Success") == pytest.approx(2 / 3)
    assert seeded.number("flowspan-runs", "Under way") == 0
    assert seeded.number("flowspan-runs", "Cost of runs") == pytest.approx(runs)
    assert seeded.number("flowspan-money", "Cost per run") == pytest.approx(runs / 3)
    assert seeded.number("flowspan-money", "Cost per successful run") == pytest.approx(runs / 2)


def test_what_nobody_knows_a_price_of_is_told(seeded: Seeded) -> None:
    (table,) = seeded.panel("flowspan-money", "Without a price")

    assert seeded.number("flowspan-money", "Unpriced calls") == 1
    assert [series["metric"]["gen_ai_request_model"] for series in table] == [UNKNOWN]
    assert seeded.grown(
        "flowspan-money", "Calls by what is known of their price", "flowspan_cost_status"
    ) == {("priced",): len(seeded.charged) - 1, ("unpriced",): 1}


# --- the store ------------------------------------------------------------------------------------


def quantile(share: float, bounds: tuple[float, ...], values: list[float]) -> float:
    """As Prometheus finds it in buckets: evenly spread between the bounds around it."""
    rank, below = share * len(values), 0
    for lower, upper in zip((0.0, *bounds), bounds, strict=False):
        upto = sum(value <= upper for value in values)
        if upto >= rank:
            return lower + (upper - lower) * (rank - below) / (upto - below)
        below = upto
    return bounds[-1]


def seconds(spans: list[SpanRow]) -> list[float]:
    return [((span.end_ns or 0) - span.start_ns) / 1e9 for span in spans]


def test_the_percentiles_are_those_of_the_spans(seeded: Seeded) -> None:
    runs, calls, nodes = (seconds(seeded.of_kind(kind)) for kind in ("run", "llm", "node"))
    _, middle, late, *_ = seeded.panel("flowspan-time", "Nodes")

    assert seeded.number("flowspan-runs", "Duration, 95 %") == pytest.approx(
        quantile(0.95, RUN_SECONDS, runs)
    )
    assert seeded.number("flowspan-models", "Duration, 95 %") == pytest.approx(
        quantile(0.95, DURATION_SECONDS, calls)
    )
    for share, answer in ((0.5, middle), (0.95, late)):
        found = {one["metric"]["gen_ai_step_name"]: numbers(one)[0] for one in answer}
        assert found == {
            step: pytest.approx(quantile(share, RUN_SECONDS, seconds(of_step)))
            for step in {span.node for span in seeded.of_kind("node")}
            if (of_step := [span for span in seeded.of_kind("node") if span.node == step])
        }
    assert len(nodes) == seeded.number("flowspan-time", "Nodes passed")


def test_calls_errors_retries_and_transitions_are_those_of_the_spans(seeded: Seeded) -> None:
    calls = seeded.of_kind("llm")
    failed = [span for span in calls if span.error_type is not None]

    assert seeded.number("flowspan-models", "Calls") == len(calls)
    assert seeded.number("flowspan-models", "Failed calls") == pytest.approx(
        len(failed) / len(calls)
    )
    assert seeded.grown(
        "flowspan-models", "Errors", "gen_ai_request_model", "error_type"
    ) == Counter((span.request_model, span.error_type) for span in failed)
    assert seeded.grown(
        "flowspan-time", "Transitions over time", "flowspan_state_from", "flowspan_state_to"
    ) == Counter(
        (event.attrs["flowspan.state.from"], event.attrs["flowspan.state.to"])
        for span in seeded.spans
        for event in span.events
        if event.name == "flowspan.state.transition"
    )
    assert seeded.number("flowspan-time", "Retries") == sum(
        event.name == "flowspan.retry" for span in seeded.spans for event in span.events
    )


def test_own_time_adds_up_to_the_time_of_the_nodes(seeded: Seeded) -> None:
    """The nodes of the example are not nested: their own time is all of their time."""
    own = seeded.grown("flowspan-time", "Share of own time", "gen_ai_step_name")

    assert sum(own.values()) == pytest.approx(sum(seconds(seeded.of_kind("node"))))
    assert seeded.number("flowspan-time", "Own time of nodes") == pytest.approx(sum(own.values()))


def test_the_cost_of_a_run_is_found_in_its_buckets(seeded: Seeded) -> None:
    spent = [float(span.attrs["flowspan.rollup.cost.usd"]) for span in seeded.of_kind("run")]
    (half, *_) = seeded.panel("flowspan-runs", "Cost of a run")
    highest = max(number for series in half for number in numbers(series))

    assert highest <= quantile(1.0, COST_USD, spent)
    assert highest > 0


def test_nothing_was_lost(seeded: Seeded) -> None:
    """A health page that is all zeros says so of a stack that is well."""
    for title in ("Spans dropped", "Events left out", "Errors swallowed", "Overflow series"):
        assert seeded.number("flowspan-health", title) == 0, title
