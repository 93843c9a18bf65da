"""LangGraph: whole trees of runs, and what each of its features leaves in them."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send
from langgraph_graphs import State, fanning_out, thread
from langgraph_kit import broken
from traces import INTEGRATIONS, attributes, events, routes

from flowspan import semconv
from flowspan.testing import Recording, record

# --- nodes, routes, state -------------------------------------------------------------------------


def test_whole_run(recording: Recording) -> None:
    """A run has supersteps, and these have nodes; packets of a fan-out are told apart."""
    fanning_out().compile(name="demo").invoke({"topic": "bees"})

    once = """\
  run_step superstep flowspan.step.index={}
    run_step plan flowspan.node.id='plan'
  run_step superstep flowspan.step.index={}
    run_step work flowspan.node.id='work:0'
    run_step work flowspan.node.id='work:1'
    run_step work flowspan.node.id='work:2'
  run_step superstep flowspan.step.index={}
    run_step join flowspan.node.id='join'
"""
    expected = f"invoke_workflow demo\n{once.format(1, 2, 3)}{once.format(4, 5, 6)}"
    assert expected == recording.spans.tree("flowspan.step.index", "flowspan.node.id") + "\n"
    assert broken(recording.spans) == []
    assert attributes(recording.spans[0])[semconv.ENGINE] == "langgraph"


def test_routes_are_decisions(recording: Recording) -> None:
    """What a conditional edge decides is told by the node before it, with the word for it."""
    fanning_out().compile().invoke({"topic": "bees"})

    assert routes(recording.spans) == {("plan", "work"): 6, ("join", "plan"): 1, ("join", "end"): 1}
    joins = recording.spans.named("run_step join")
    assert [events(span, semconv.EVENT_ROUTE_TAKEN) for span in joins] == [
        [{semconv.ROUTE_FROM: "join", semconv.ROUTE_TO: "plan", semconv.ROUTE_ACTION: "True"}],
        [{semconv.ROUTE_FROM: "join", semconv.ROUTE_ACTION: "False"}],
    ]


def test_changes_are_names_of_keys(recording: Recording) -> None:
    """A node tells which keys of the state it wrote, added ones apart, and no values."""
    fanning_out().compile().invoke({"topic": "bees"})

    found = [
        (attributes(span)[semconv.STEP_NAME], change)
        for span in recording.spans.of_kind("node")
        for change in events(span, semconv.EVENT_STATE_CHANGED)
    ]
    name, change = found[0]
    assert name == "plan"
    assert change[semconv.STATE_ADDED] == ("rounds",)
    assert {name for name, _ in found} == {"plan", "work", "join"}
    assert "bees" not in str(
        [dict(event.attributes or {}) for span in recording.spans for event in span.events]
    )


def test_commands_are_routes(recording: Recording) -> None:
    """``Command(goto)`` is a decision too: names, packets and lists of both."""
    graph: Any = StateGraph(State)

    def decide(_state: State) -> Any:
        return Command(goto=[Send("a", {"item": 1}), "b"], update={"rounds": 1})

    graph.add_node("decide", decide, destinations=("a", "b"))
    graph.add_node("a", lambda packet: {"items": [packet["item"]]})
    graph.add_node("b", lambda _state: Command(goto=END))
    graph.add_edge(START, "decide")

    graph.compile().invoke({})

    assert routes(recording.spans) == {("decide", "a"): 1, ("decide", "b"): 1, ("b", "end"): 1}


def test_the_choice_of_the_first_node_is_the_runs(recording: Recording) -> None:
    """A conditional entry is decided before any node runs: the run tells it."""
    graph: Any = StateGraph(State)
    graph.add_node("a", lambda _state: {"rounds": 1})
    graph.add_conditional_edges(START, lambda _state: "a", ["a"])

    graph.compile(name="demo").invoke({"topic": "x"})

    run = recording.spans.named("invoke_workflow demo")[0]
    assert events(run, semconv.EVENT_ROUTE_TAKEN) == [
        {semconv.ROUTE_FROM: "__start__", semconv.ROUTE_TO: "a"}
    ]


def test_details(recording: Recording) -> None:
    """At detail ``minimal`` there are runs and nodes, and nothing between them."""
    del recording
    with record(*INTEGRATIONS, detail="minimal") as minimal:
        fanning_out().compile(name="demo", checkpointer=InMemorySaver()).invoke(
            {"topic": "x"}, thread()
        )

    kinds = {attributes(span)[semconv.KIND] for span in minimal.spans}
    assert kinds == {"run", "node"}
    assert {event.name for span in minimal.spans for event in span.events} <= {
        semconv.EVENT_ROUTE_TAKEN
    }


# --- graphs in graphs -----------------------------------------------------------------------------


def child(name: str | None = None) -> Any:
    graph: Any = StateGraph(State)
    graph.add_node("inner", lambda _state: {"rounds": 7})
    graph.add_edge(START, "inner")
    return graph.compile(name=name)


def test_a_graph_inside_a_node_is_a_nested_run(recording: Recording) -> None:
    """As a node of its own or called by one; without a name it has its node's."""
    graph: Any = StateGraph(State)
    called = child("called")
    graph.add_node("research", child())
    graph.add_node("call", lambda _state: called.invoke({}))
    graph.add_edge(START, "research")
    graph.add_edge("research", "call")

    graph.compile(name="outer").invoke({})

    assert (
        recording.spans.tree(semconv.WORKFLOW_NAME)
        == """\
invoke_workflow outer gen_ai.workflow.name='outer'
  run_step superstep gen_ai.workflow.name='outer'
    run_step research gen_ai.workflow.name='outer'
      invoke_workflow research gen_ai.workflow.name='research'
        run_step superstep gen_ai.workflow.name='research'
          run_step inner gen_ai.workflow.name='research'
  run_step superstep gen_ai.workflow.name='outer'
    run_step call gen_ai.workflow.name='outer'
      invoke_workflow called gen_ai.workflow.name='called'
        run_step superstep gen_ai.workflow.name='called'
          run_step inner gen_ai.workflow.name='called'"""
    )
    assert len({attributes(span)[semconv.RUN_ID] for span in recording.spans}) == 1


def test_a_command_for_the_graph_around_is_its_nodes_decision(recording: Recording) -> None:
    """``Command(graph=PARENT)`` ends the inner graph, is no error, and routes the outer one."""
    inner: Any = StateGraph(State)
    inner.add_node("leave", lambda _state: Command(goto="after", graph=Command.PARENT))
    inner.add_edge(START, "leave")
    graph: Any = StateGraph(State)
    graph.add_node("inside", inner.compile(), destinations=("after",))
    graph.add_node("after", lambda _state: {"rounds": 1})
    graph.add_edge(START, "inside")

    result = graph.compile().invoke({})

    assert result == {"rounds": 1, "items": []}
    assert routes(recording.spans) == {("inside", "after"): 1}
    assert [span.name for span in recording.spans if not span.status.is_unset] == []


# --- attempts, failures, caches -------------------------------------------------------------------


def failing(times: int, attempts: int) -> Any:
    graph: Any = StateGraph(State)
    left = [times]

    def flaky(_state: State) -> Any:
        if left[0]:
            left[0] -= 1
            raise ConnectionError("not now")
        return {"rounds": 1}

    policy = RetryPolicy(initial_interval=0, jitter=False, max_attempts=attempts)
    graph.add_node("flaky", flaky, retry_policy=policy)
    graph.add_edge(START, "flaky")
    return graph.compile(name="demo")


def test_attempts_are_of_one_node(recording: Recording) -> None:
    """A node that is tried again is one span that says how often, and no error if it succeeds."""
    failing(2, 3).invoke({})

    node = recording.spans.of_kind("node")[0]
    assert attributes(node)[semconv.ATTEMPT] == 3
    assert events(node, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ConnectionError"},
        {semconv.ATTEMPT: 3, semconv.ERROR_TYPE: "ConnectionError"},
    ]
    assert all(span.status.is_unset for span in recording.spans)
    retries = recording.metrics()[semconv.METRIC_RETRIES]
    assert [value for _, value in retries] == [2]


def test_a_node_that_fails_fails_its_run_once(recording: Recording) -> None:
    """After the last attempt node, step and run have failed, and it counts as one error."""
    with pytest.raises(ConnectionError):
        failing(2, 2).invoke({})

    failed = [span.name for span in recording.spans if not span.status.is_unset]
    assert failed == ["invoke_workflow demo", "run_step superstep", "run_step flaky"]
    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 1
    assert attributes(recording.spans[2])[semconv.ATTEMPT] == 2


def test_too_many_rounds_are_an_error(recording: Recording) -> None:
    """A graph that does not come to its end fails by LangGraph's own error."""
    graph: Any = StateGraph(State)
    graph.add_node("again", lambda _state: {"rounds": 1})
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")

    with pytest.raises(GraphRecursionError):
        graph.compile().invoke({}, {"recursion_limit": 3})

    assert attributes(recording.spans[0])[semconv.ERROR_TYPE] == "GraphRecursionError"


def test_a_cached_node_says_so(recording: Recording) -> None:
    """What LangGraph's cache answers is a node that was not run."""
    graph: Any = StateGraph(State)
    graph.add_node("slow", lambda _state: {"rounds": 1}, cache_policy=CachePolicy())
    graph.add_edge(START, "slow")
    program = graph.compile(cache=InMemoryCache())

    program.invoke({"topic": "x"})
    program.invoke({"topic": "x"})

    hits = [attributes(span).get(semconv.CACHE_HIT) for span in recording.spans.of_kind("node")]
    assert hits == [None, True]


# --- the functional API ---------------------------------------------------------------------------


@task
def double(number: int) -> int:
    """A task."""
    return number * 2


@task
async def double_later(number: int) -> int:
    """A task of an event loop."""
    return number * 2


TASKS_TREE = """\
invoke_workflow flow
  run_step superstep
    run_step flow flowspan.node.id='flow'
      run_step {name} flowspan.node.id='{name}:0'
      run_step {name} flowspan.node.id='{name}:1'"""


def test_tasks_are_nodes_inside_the_entrypoint(recording: Recording) -> None:
    """The functional API: the function is the workflow, its tasks are nodes of their own."""

    @entrypoint()
    def flow(count: int) -> int:
        return sum(future.result() for future in [double(number) for number in range(count)])

    assert flow.invoke(2) == 2
    *around, one, other = recording.spans.tree(semconv.NODE_ID).splitlines()
    in_order = [*around, *sorted([one, other])]  # they begin in threads, in any order
    assert in_order == TASKS_TREE.format(name="double").splitlines()


async def test_tasks_of_an_event_loop(recording: Recording) -> None:
    """So they are where the function is a coroutine."""

    @entrypoint()
    async def flow(count: int) -> int:
        return sum([await double_later(number) for number in range(count)])

    assert await flow.ainvoke(2) == 2
    assert recording.spans.tree(semconv.NODE_ID) == TASKS_TREE.format(name="double_later")
