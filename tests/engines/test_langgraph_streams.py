"""LangGraph: however a run is read, and wherever it is run, it is the same run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph_graphs import State, fanning_out
from langgraph_kit import broken
from langgraph_sdk.schema import StreamPart
from opentelemetry.trace import SpanKind

from flowspan import semconv
from flowspan.testing import Recording

# --- streams --------------------------------------------------------------------------------------

MODES = ("values", "updates", "custom", "messages", "checkpoints", "tasks", "debug")


@pytest.mark.parametrize("mode", [*MODES, ["values", "updates", "debug"]])
def test_streams_give_the_same_tree_in_all_modes(mode: Any, recording: Recording) -> None:
    """However a run is read, it is the same run."""
    program = fanning_out().compile(name="demo")
    program.invoke({"topic": "x"})
    list(program.stream({"topic": "x"}, stream_mode=mode, subgraphs=True))

    whole = recording.spans.tree(semconv.NODE_ID)
    assert whole[: len(whole) // 2] == whole[len(whole) // 2 + 1 :]


@pytest.mark.parametrize("mode", [*MODES, ["values", "updates", "debug"]])
async def test_streams_of_an_event_loop(mode: Any, recording: Recording) -> None:
    """So it is in an event loop."""
    program = fanning_out().compile(name="demo")
    await program.ainvoke({"topic": "x"})
    async for _ in program.astream({"topic": "x"}, stream_mode=mode):
        pass

    whole = recording.spans.tree(semconv.NODE_ID)
    assert whole[: len(whole) // 2] == whole[len(whole) // 2 + 1 :]
    assert broken(recording.spans) == []


async def test_events_are_a_run_too(recording: Recording) -> None:
    """``astream_events`` reads the graph's stream in a task of its own."""
    program = fanning_out().compile(name="demo")

    assert [event async for event in program.astream_events({"topic": "x"}, version="v2")]

    assert [span.name for span in recording.spans.roots()] == ["invoke_workflow demo"]
    assert len(recording.spans.of_kind("node")) == 10
    assert broken(recording.spans) == []


def test_batches_are_runs_of_their_own(recording: Recording) -> None:
    """Each input is a run and a trace."""
    fanning_out().compile(name="demo").batch([{"topic": "x"}, {"topic": "y"}])

    assert len(recording.spans.roots()) == len(recording.spans.trace_ids()) == 2
    assert broken(recording.spans) == []


# --- graphs elsewhere, other protocols ------------------------------------------------------------


class Elsewhere:
    """A client of LangGraph's server that answers without one."""

    def __init__(self) -> None:
        self.runs = self

    def stream(self, **_given: Any) -> Iterator[StreamPart]:
        yield StreamPart("values", {"topic": "far away"})


def test_a_remote_graph_is_an_agent_elsewhere(recording: Recording) -> None:
    """A graph on a server is an agent of span kind CLIENT, inside the node that calls it."""
    client: Any = Elsewhere()
    remote = RemoteGraph("helper", sync_client=client)
    graph: Any = StateGraph(State)
    graph.add_node("far", lambda state: remote.invoke(dict(state)))
    graph.add_edge(START, "far")

    result = graph.compile(name="demo").invoke({"topic": "x"})

    assert result["topic"] == "far away"
    agent = recording.spans.one("invoke_agent helper")
    assert agent.kind is SpanKind.CLIENT
    assert agent.parent is not None
    assert agent.parent.span_id == recording.spans.one("run_step far").context.span_id


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
def test_the_newest_protocol_of_streams_is_a_run(recording: Recording) -> None:
    """Where LangGraph has ``stream_events(version="v3")``, it reads the same stream."""
    program = fanning_out().compile(name="demo")
    if not hasattr(program, "_pregel_stream_v3"):
        pytest.skip("this LangGraph has no such protocol")

    output: Any = program.stream_events({"topic": "x"}, version="v3").output
    assert output["rounds"] == 2

    assert [span.name for span in recording.spans.roots()] == ["invoke_workflow demo"]
    assert len(recording.spans.of_kind("node")) == 10


def test_a_stream_that_is_read_by_several_threads(recording: Recording) -> None:
    """Web servers read a stream part by part in whatever thread is free."""
    parts = fanning_out().compile(name="demo").stream({"topic": "x"}, stream_mode="tasks")
    with ThreadPoolExecutor(3) as pool:
        while pool.submit(next, parts, None).result() is not None:
            pass

    assert len(recording.spans.roots()) == 1
    assert broken(recording.spans) == []
    assert len(recording.spans.of_kind("node")) == 10
