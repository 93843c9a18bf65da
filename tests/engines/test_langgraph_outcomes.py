"""LangGraph with rules of outcomes: nodes that report failure in the state that they return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.func import entrypoint
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

RULES_OF_RUNS = """
[[outcomes]]
engine = "langgraph"
kind = ["run", "agent"]
name = "reader"
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


class Shown(TypedDict, total=False):
    """What a graph with an output of its own gives back."""

    stage: str


def compiled(node: Any, *, output: Any = None, name: str | None = None) -> Any:
    graph = StateGraph(State, output_schema=output)
    graph.add_node("extract", node)
    graph.add_node("store", store)
    graph.add_edge(START, "extract")
    graph.add_edge("extract", "store")
    graph.add_edge("store", END)
    return graph.compile(name=name)


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Integration:
    return loaded(RULES, tmp_path)


def loaded(rules: str, folder: Path) -> Integration:
    file = folder / "rules.toml"
    file.write_text(rules)
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


async def _read(stream: Any) -> list[Any]:
    return [part async for part in stream]


WAYS_OF_RUNS: dict[str, Callable[[Any, State], Any]] = {
    "invoke": lambda graph, state: graph.invoke(state),
    "ainvoke": lambda graph, state: asyncio.run(graph.ainvoke(state)),
    "stream": lambda graph, state: list(graph.stream(state, stream_mode="updates")),
    "astream": lambda graph, state: asyncio.run(_read(graph.astream(state))),
}


@pytest.mark.parametrize("way", WAYS_OF_RUNS)
@pytest.mark.parametrize("detail", ["minimal", "normal"])
@pytest.mark.parametrize(("topic", "error"), [("good", None), ("bad", "bad"), ("ugly", "no_text")])
def test_a_run_whose_final_state_means_failure_has_failed(
    tmp_path: Path, way: str, detail: Any, topic: str, error: str | None
) -> None:
    """However it is read; its nodes have not, as far as no rule is about them."""
    graph = compiled(extract_async if way.startswith("a") else extract, name="reader")
    expected = WAYS_OF_RUNS[way](graph, {"topic": topic})

    with record(INTEGRATION, loaded(RULES_OF_RUNS, tmp_path), detail=detail) as recording:
        assert WAYS_OF_RUNS[way](graph, {"topic": topic}) == expected

    (run,) = recording.spans.of_kind("run")
    assert (run.attributes or {}).get(semconv.ERROR_TYPE) == error
    assert run.status.is_unset == (error is None)
    assert all(span.status.is_unset for span in recording.spans.of_kind("node"))


def test_a_rule_sees_what_a_run_gives_back_and_all_of_its_state(tmp_path: Path) -> None:
    """A graph may give back a part of its state only."""
    graph = compiled(extract, output=Shown, name="reader")

    with record(INTEGRATION, loaded(RULES_OF_RUNS, tmp_path)) as recording:
        assert graph.invoke({"topic": "ugly"}) == {"stage": "error"}

    (run,) = recording.spans.of_kind("run")
    assert (run.attributes or {})[semconv.ERROR_TYPE] == "ugly"


def test_a_graph_inside_fails_by_itself(tmp_path: Path) -> None:
    """Neither the run around it nor the node that it is has failed because of it."""
    inner = compiled(extract, name="reader")
    graph = StateGraph(State)
    graph.add_node("inner", inner)
    graph.add_node("mended", lambda _state: {"stage": "done"})
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "mended")

    with record(INTEGRATION, loaded(RULES_OF_RUNS, tmp_path)) as recording:
        graph.compile(name="newsroom").invoke({"topic": "bad"})

    runs = {span.name: span for span in recording.spans.of_kind("run")}
    found = {name: (span.attributes or {}).get(semconv.ERROR_TYPE) for name, span in runs.items()}
    assert found == {"invoke_workflow newsroom": None, "invoke_workflow reader": "bad"}


def test_an_entrypoint_whose_answer_means_failure_has_failed(tmp_path: Path) -> None:
    @entrypoint()
    def reader(topic: str) -> State:
        return {**extract({"topic": topic}), "why": topic}

    with record(INTEGRATION, loaded(RULES_OF_RUNS, tmp_path)) as recording:
        reader.invoke("bad")

    (run,) = recording.spans.of_kind("run")
    assert (run.attributes or {})[semconv.ERROR_TYPE] == "bad"
