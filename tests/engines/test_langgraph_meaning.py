"""LangGraph: what users declare of its nodes, what looks like a loop, states of every sort."""

from __future__ import annotations

import inspect
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph_graphs import State
from pydantic import BaseModel
from traces import INTEGRATIONS, attributes, events

from flowspan import semconv
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import Recording, record


def test_a_failure_that_is_only_in_the_state(tmp_path: Path) -> None:
    """A node that reports its failure fails where the user has said what that looks like."""
    rule = tmp_path / "rules.toml"
    rule.write_text("""
        [[outcomes]]
        engine = "langgraph"
        name = "extract*"
        when = { path = "result['topic']", equals = "error" }
        error = "no_text"
    """)
    rules, problems = load_map(rule)
    graph: Any = StateGraph(State)
    graph.add_node("extract", lambda _state: {"topic": "error"})
    graph.add_node("report", lambda _state: {"topic": "error"})
    graph.add_edge(START, "extract")
    graph.add_edge("extract", "report")

    assert rules is not None
    with record(*INTEGRATIONS, rules) as recording:
        graph.compile().invoke({})

    assert problems == []
    failed = {span.name: attributes(span).get(semconv.ERROR_TYPE) for span in recording.spans}
    assert failed["run_step extract"] == "no_text"
    assert failed["run_step report"] is None
    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 1


@pytest.mark.parametrize("moves", [True, False])
def test_a_node_that_comes_again_with_the_same(recording: Recording, *, moves: bool) -> None:
    """Round after round with the same state is suspected to be a loop, once; progress is none."""
    rounds = iter(range(12))
    graph: Any = StateGraph(State)
    graph.add_node("again", lambda state: {"rounds": state["rounds"] + moves})
    graph.add_edge(START, "again")
    graph.add_conditional_edges(
        "again", lambda _state: "again" if next(rounds) < 10 else END, ["again", END]
    )

    graph.compile().invoke({"rounds": 0})

    found = [e for s in recording.spans for e in events(s, semconv.EVENT_LOOP_SUSPECTED)]
    assert [event[semconv.STEP_NAME] for event in found] == ([] if moves else ["again"])


class Model(BaseModel):
    """A state of pydantic's."""

    rounds: int = 0


@dataclass
class Data:
    """A state that is a dataclass."""

    rounds: int = 0


@pytest.mark.parametrize("kind", [Model, Data])
def test_states_that_are_objects(kind: Any, recording: Recording) -> None:
    """Their fields are the keys."""
    graph: Any = StateGraph(kind)
    graph.add_node("count", lambda state: {"rounds": state.rounds + 1})
    graph.add_edge(START, "count")

    assert graph.compile().invoke({"rounds": 1}) == {"rounds": 2}

    (change,) = events(recording.spans.of_kind("node")[0], semconv.EVENT_STATE_CHANGED)
    assert change[semconv.STATE_CHANGED] == ("rounds",)


def test_a_state_without_keys(recording: Recording) -> None:
    """A state that is one value has LangGraph's own word for it."""
    graph: Any = StateGraph(Annotated[list[str], operator.add])  # type: ignore[arg-type]
    graph.add_node("add", lambda _state: ["b"])
    graph.add_edge(START, "add")

    assert graph.compile().invoke(["a"]) == ["a", "b"]

    (change,) = events(recording.spans.of_kind("node")[0], semconv.EVENT_STATE_CHANGED)
    assert "__root__" in str(change)


def test_an_error_handler_is_a_fallback(recording: Recording) -> None:
    """It is a node of its own, and the step says in whose place."""
    if "error_handler" not in inspect.signature(StateGraph.add_node).parameters:
        pytest.skip("this LangGraph has no error handlers")

    def broken(_state: State) -> Any:
        raise ValueError("no")

    graph: Any = StateGraph(State)
    graph.add_node("broken", broken, error_handler=lambda _state: {"topic": "saved"})
    graph.add_edge(START, "broken")

    assert graph.compile().invoke({})["topic"] == "saved"

    step = recording.spans.of_kind("step")[0]
    assert events(step, semconv.EVENT_FALLBACK) == [
        {semconv.NODE_ID: "broken", semconv.ERROR_TYPE: "ValueError"}
    ]
    assert recording.spans.roots()[0].status.is_unset
