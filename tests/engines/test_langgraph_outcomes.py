"""LangGraph with rules of outcomes: nodes that report failure in the state that they return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from flowspan import semconv
from flowspan.instrumentation.engines.langgraph import INTEGRATION
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import record

RULES = """
[[outcomes]]
engine = "langgraph"
name = "extract*"
when = { path = "result['stage']", equals = "error" }
error = "{result['why'] or state['topic']}"
"""


class State(TypedDict, total=False):
    """What the nodes share."""

    topic: str
    stage: str
    why: str


def extract(state: State) -> State:
    if state["topic"] == "good":
        return {"stage": "done"}
    return {"stage": "error"} if state["topic"] == "bad" else {"stage": "error", "why": "no_text"}


async def extract_async(state: State) -> State:
    await asyncio.sleep(0)
    return extract(state)


def extract_by_command(state: State) -> Command[Any]:
    return Command(update=extract(state))


def store(state: State) -> State:
    return {"stage": state["stage"]}


def compiled(node: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("extract", node)
    graph.add_node("store", store)
    graph.add_edge(START, "extract")
    graph.add_edge("extract", "store")
    graph.add_edge("store", END)
    return graph.compile()


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Integration:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    found, problems = load_map(file)
    assert problems == []
    assert found is not None
    return found


WAYS: dict[str, tuple[Any, Callable[[Any, State], Any]]] = {
    "sync": (extract, lambda graph, state: graph.invoke(state)),
    "async": (extract_async, lambda graph, state: asyncio.run(graph.ainvoke(state))),
    "stream": (extract, lambda graph, state: list(graph.stream(state))),
    "command": (extract_by_command, lambda graph, state: graph.invoke(state)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("topic", "error"), [("good", None), ("bad", "bad"), ("ugly", "no_text")])
def test_a_node_whose_update_means_failure_has_failed(
    rules: Integration, way: str, topic: str, error: str | None
) -> None:
    """Not the node after it, which only passes the state on, nor the run."""
    node, start = WAYS[way]
    graph = compiled(node)
    expected = start(graph, {"topic": topic})

    with record(INTEGRATION, rules) as recording:
        assert start(graph, {"topic": topic}) == expected

    nodes = {span.name: span for span in recording.spans.of_kind("node")}
    found = {name: (span.attributes or {}).get(semconv.ERROR_TYPE) for name, span in nodes.items()}
    assert found == {"run_step extract": error, "run_step store": None}
    assert recording.spans.of_kind("run")[0].status.is_unset
