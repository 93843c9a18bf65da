"""Each model call is priced once, honestly, and its price is added up above it."""

from __future__ import annotations

import time
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowspan import semconv
from flowspan.cost import CostHook
from flowspan.instrumentation.hooks import Outcome, Replay, Visit
from flowspan.instrumentation.integration import Attributes, Integration, Patch
from flowspan.semconv import Kind
from flowspan.testing import Recording, record
from flowspan.usage import Usage

RATES = {"gpt-4o-mini": (Decimal("0.15"), Decimal("0.60"))}
"""Dollars for a million tokens, input and output, by OpenAI's public list of 2024 to 2026."""


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine of one node that makes the calls it is told to."""
    import sys  # noqa: PLC0415

    module: Any = ModuleType("costagent")

    def call(model: str, usage: Usage | None, error: Exception | None = None) -> Any:
        if error is not None:
            raise error
        return SimpleNamespace(model=model, usage=usage)

    def node(calls: list[tuple[str, Usage | None]]) -> None:
        for model, usage in calls:
            module.call(model, usage)

    def run(calls: list[tuple[str, Usage | None]]) -> None:
        module.node(calls)

    module.call, module.node, module.run = call, node, run
    monkeypatch.setitem(sys.modules, "costagent", module)
    return module


def integration(provider: str = "openai", **known: Any) -> Integration:
    return Integration(
        "costagent",
        "",
        (
            Patch(target="costagent:run", kind="run", name="priced"),
            Patch(target="costagent:node", kind="node", name="spender"),
            Patch(
                target="costagent:call",
                kind="llm",
                name=lambda call: call.args[0],
                request=lambda _: {"gen_ai.provider.name": provider},
                response=lambda _call, _result: known,
                usage=lambda _call, result: result.usage,
            ),
        ),
    )


def recorded(agent: Any, calls: Any, provider: str = "openai") -> Recording:
    with record(integration(provider), priced=True) as recording:
        agent.run(calls)
    return recording


def by_hand(calls: list[tuple[str, Usage]]) -> Decimal:
    million = Decimal(1_000_000)
    return sum(
        (
            (usage.input_tokens or 0) * RATES[model][0] / million
            + (usage.output_tokens or 0) * RATES[model][1] / million
            for model, usage in calls
        ),
        Decimal(0),
    )


def test_waiting_for_prices_does_not_move_the_tokens_past_the_calls_end(
    agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call ends when it has its answer; what is found out afterwards was known then."""
    priced = CostHook.after

    def held_up(hook: CostHook, visit: Visit, outcome: Outcome) -> Attributes | None:
        time.sleep(0.01)
        return priced(hook, visit, outcome)

    monkeypatch.setattr(CostHook, "after", held_up)
    recording = recorded(agent, [("gpt-4o-mini", Usage(input_tokens=3))])

    call = recording.spans.one("chat gpt-4o-mini")
    (counted,) = call.events
    assert counted.name == semconv.EVENT_TOKENS_COUNTED
    assert counted.timestamp == call.end_time


tokens = st.integers(0, 200_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=5))
def test_cost_and_roll_ups_equal_a_calculation_by_hand(agent: Any, counts: Any) -> None:
    calls = [("gpt-4o-mini", Usage(input_tokens=i, output_tokens=o)) for i, o in counts]
    recording = recorded(agent, calls)
    spans = recording.spans

    expected = by_hand(calls)
    run = dict(spans.of_kind("run")[0].attributes or {})
    node = dict(spans.of_kind("node")[0].attributes or {})
    assert run["flowspan.rollup.cost.usd"] == float(expected)
    assert node["flowspan.rollup.cost.usd"] == float(expected)
    assert run["flowspan.rollup.llm_calls"] == len(calls)
    assert run["flowspan.rollup.input_tokens"] == sum(i for i, _ in counts)
    for span, (model, usage) in zip(spans.of_kind("llm"), calls, strict=True):
        attributes = dict(span.attributes or {})
        assert attributes["flowspan.cost.usd"] == float(by_hand([(model, usage)]))
        assert attributes["flowspan.cost.status"] == "priced"
        assert attributes["flowspan.price.source"] == "genai-prices"
    assert all("flowspan.cost.usd" not in (span.attributes or {}) for span in spans.of_kind("run"))
    metric = recording.metrics().get("flowspan.cost.usd", [({}, 0.0)])
    assert metric[0][1] == pytest.approx(float(expected))


def test_what_caches_save_is_the_difference_to_the_ordinary_rates(agent: Any) -> None:
    """gpt-4o-mini: 0.15 dollars for a million input tokens, half of it from the cache."""
    cached = Usage(input_tokens=1_000_000, output_tokens=0, cache_read_tokens=600_000)
    plain = Usage(input_tokens=1_000_000, output_tokens=0)

    metrics = recorded(agent, [("gpt-4o-mini", cached), ("gpt-4o-mini", plain)]).metrics()

    ((labels, cost),) = metrics["flowspan.cost.usd"]
    assert cost == pytest.approx(0.15 * 2 - 0.6 * 0.075)
    assert metrics["flowspan.cost.without_cache.usd"] == [(labels, pytest.approx(0.15 * 2))]


def test_a_written_cache_may_cost_more_than_it_saves(agent: Any) -> None:
    """Claude charges a quarter more for what it writes to the cache."""
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cache_write_tokens=1_000_000)

    metrics = recorded(agent, [("claude-haiku-4-5", usage)], provider="anthropic").metrics()

    ((_, cost),) = metrics["flowspan.cost.usd"]
    ((_, without),) = metrics["flowspan.cost.without_cache.usd"]
    assert cost == pytest.approx(without * 1.25)


def test_an_unknown_price_is_absent_and_counted(agent: Any) -> None:
    calls = [("nobody-knows-1", Usage(input_tokens=5, output_tokens=5))]
    recording = recorded(agent, calls)

    call = dict(recording.spans.of_kind("llm")[0].attributes or {})
    run = dict(recording.spans.of_kind("run")[0].attributes or {})
    assert "flowspan.cost.usd" not in call
    assert call["flowspan.cost.status"] == "unpriced"
    assert run["flowspan.rollup.unpriced_calls"] == 1
    assert "flowspan.rollup.cost.usd" not in run
    (point,) = recording.metrics()["flowspan.llm.calls"]
    assert point[0]["flowspan.cost.status"] == "unpriced"


def test_where_no_one_price_fits_there_is_none(agent: Any) -> None:
    """A row knows that several models answered: its call has tokens and no price."""
    known = {"flowspan.cost.status": "unpriced"}
    with record(integration(**known), priced=True) as recording:
        agent.run([("gpt-4o-mini", Usage(input_tokens=5, output_tokens=5))])

    call = dict(recording.spans.of_kind("llm")[0].attributes or {})
    run = dict(recording.spans.of_kind("run")[0].attributes or {})
    assert call["flowspan.cost.status"] == "unpriced"
    assert call["gen_ai.usage.input_tokens"] == 5
    assert "flowspan.cost.usd" not in call
    assert run["flowspan.rollup.unpriced_calls"] == 1


def test_a_call_without_usage_is_unpriced_and_a_failed_one_costs_nothing(agent: Any) -> None:
    recording = recorded(agent, [("gpt-4o-mini", None)])
    call = dict(recording.spans.of_kind("llm")[0].attributes or {})
    assert call["flowspan.cost.status"] == "unpriced"

    def failing(model: str, _: Any) -> None:
        raise ConnectionError(model)

    agent.call = failing
    with record(integration(), priced=True) as failed:  # noqa: SIM117 - the recording outlives it
        with pytest.raises(ConnectionError):
            agent.run([("gpt-4o-mini", None)])
    call = dict(failed.spans.of_kind("llm")[0].attributes or {})
    assert "flowspan.cost.status" not in call
    run = dict(failed.spans.of_kind("run")[0].attributes or {})
    assert run["flowspan.rollup.unpriced_calls"] == 0
    assert run["flowspan.rollup.errors"] == 1


def test_local_models_are_free_by_rule(agent: Any) -> None:
    recording = recorded(
        agent, [("llama3.2", Usage(input_tokens=5, output_tokens=5))], provider="ollama"
    )
    call = dict(recording.spans.of_kind("llm")[0].attributes or {})
    assert (call["flowspan.cost.usd"], call["flowspan.cost.status"]) == (0.0, "free")


def test_an_answer_of_a_hook_costs_nothing_and_says_so(agent: Any) -> None:
    class Answering:
        kinds: frozenset[Kind] = frozenset({"llm"})

        def before(self, visit: Visit) -> Replay | None:
            return Replay(SimpleNamespace(usage=Usage(input_tokens=1)))

        def after(self, visit: Visit, outcome: Outcome) -> Attributes | None:
            return None

    with record(integration(), hooks=(Answering(),), priced=True) as recording:
        agent.run([("gpt-4o-mini", None)])
    call = dict(recording.spans.of_kind("llm")[0].attributes or {})
    assert (call["flowspan.cost.usd"], call["flowspan.cost.status"]) == (0.0, "replayed")
    assert call["flowspan.replayed"] is True
