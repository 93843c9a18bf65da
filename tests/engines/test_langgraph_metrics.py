"""LangGraph: what metrics say of each node, as dashboards add it up, against a plain counter."""

from __future__ import annotations

import operator
import time
from collections import Counter, defaultdict
from typing import Annotated, Any, TypedDict

import openai
import pytest
from langgraph.graph import END, START, StateGraph

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, ReceivedRequest, Recording, Reply
from flowspan.usage import Usage

PRICES = {"gpt-4o": (2.5, 10.0), "gpt-4o-mini": (0.15, 0.6)}
"""Of a million tokens of input and of output."""

LABELS = (semconv.STEP_NAME, semconv.REQUEST_MODEL)


class State(TypedDict, total=False):
    """What the nodes write: each its own line."""

    lines: Annotated[list[str], operator.add]


@pytest.fixture
def model() -> Any:
    """Answers a prompt by its length, so that nodes differ in what they use."""

    def respond(request: ReceivedRequest) -> Reply:
        size = len(request.text)
        return Reply("done", usage=Usage(input_tokens=10 * size, output_tokens=size))

    return respond


class Plain:
    """A program that counts by itself what its nodes do."""

    def __init__(self) -> None:
        self.rounds: Counter[str] = Counter()
        self.tokens: Counter[tuple[str, str, str]] = Counter()
        self.seconds: Counter[str] = Counter()

    def graph(self) -> Any:
        """Three nodes at once, a node that is tried until it has been three times, and a last."""
        built: Any = StateGraph(State)
        for name, asked in (
            ("weather", "gpt-4o-mini"),
            ("sights", "gpt-4o"),
            ("food", "gpt-4o-mini"),
            ("judge", "gpt-4o"),
            ("plan", "gpt-4o"),
        ):
            built.add_node(name, self.node(name, asked))
        for name in ("weather", "sights", "food"):
            built.add_edge(START, name)
        built.add_edge(["weather", "sights", "food"], "judge")
        again = {True: "judge", False: "plan"}
        built.add_conditional_edges("judge", lambda _state: self.rounds["judge"] < 3, again)
        built.add_edge("plan", END)
        return built.compile(name="day")

    def node(self, name: str, asked: str) -> Any:
        """A node that asks a model."""

        def ask(_state: State) -> State:
            begun = time.perf_counter()
            with openai.OpenAI(max_retries=1) as client:
                said = client.chat.completions.create(
                    model=asked, messages=[{"role": "user", "content": f"{name}, please"}]
                )
            self.rounds[name] += 1
            assert said.usage is not None
            self.tokens[name, asked, "input"] += said.usage.prompt_tokens
            self.tokens[name, asked, "output"] += said.usage.completion_tokens
            self.seconds[name] += int((time.perf_counter() - begun) * 1e9)
            return {"lines": [name]}

        return ask


def test_metrics_of_a_node_are_what_the_node_used(
    recording: Recording, provider: FakeProvider
) -> None:
    """Time, rounds, calls, tokens by model, dollars; what the SDK repeats counts once."""
    plain = Plain()
    provider.fail(Fault.rate_limited())

    plain.graph().invoke({"lines": []})

    metrics = recording.metrics()
    tokens = {
        (*(labels[name] for name in LABELS), labels[semconv.TOKEN_TYPE]): count
        for labels, count in metrics[semconv.METRIC_TOKENS]
    }
    assert tokens == plain.tokens
    charged = provider.ledger.total()
    assert sum(tokens.values()) == (charged.input_tokens or 0) + (charged.output_tokens or 0)
    times = {
        labels[semconv.STEP_NAME]: point
        for labels, point in metrics[semconv.METRIC_NODE_DURATION]
        if labels[semconv.ENGINE] == "langgraph"
    }
    assert {name: point["count"] for name, point in times.items()} == plain.rounds
    for name, point in times.items():
        assert point["sum"] * 1e9 > 0.9 * plain.seconds[name]  # two clocks, and one is set at times
    calls = Counter[str]()
    for labels, count in metrics[semconv.METRIC_LLM_CALLS]:
        calls[labels[semconv.STEP_NAME]] += count
    assert calls == plain.rounds
    expected: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (name, asked, side), count in plain.tokens.items():
        expected[name, asked] += count * PRICES[asked][side == "output"] / 1e6
    dollars = {
        tuple(labels[name] for name in LABELS): amount
        for labels, amount in metrics[semconv.METRIC_COST_USD]
    }
    assert dollars == pytest.approx(expected)
    ((_, whole),) = metrics[semconv.METRIC_RUN_COST_USD]
    assert whole["sum"] == pytest.approx(sum(expected.values()))
    assert sum(count for _, count in metrics[semconv.METRIC_RETRIES]) == 1
