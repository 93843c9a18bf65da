"""LangGraph: interrupts and what resumes them, threads, checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from langgraph_graphs import State, fanning_out, thread
from traces import attributes, events

from flowspan import semconv
from flowspan.testing import Recording


def asking() -> Any:
    graph: Any = StateGraph(State)
    graph.add_node("ask", lambda _state: {"topic": interrupt("which?")})
    graph.add_node("tell", lambda _state: {"rounds": 1})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "tell")
    return graph.compile(checkpointer=InMemorySaver(), name="demo")


def test_an_interrupt_is_no_error(recording: Recording) -> None:
    """Node, step and run say what ended them, and nothing failed."""
    asking().invoke({}, thread())

    said = [attributes(span).get(semconv.INTERRUPTION) for span in recording.spans]
    assert said == ["GraphInterrupt"] * 3
    assert all(span.status.is_unset for span in recording.spans)
    assert not any(events(span, semconv.EVENT_EXCEPTION) for span in recording.spans)


def test_a_breakpoint_is_an_interrupt(recording: Recording) -> None:
    """``interrupt_before`` and ``interrupt_after`` say it on the run: no node was under way."""
    program = asking()
    program.invoke({}, thread(), interrupt_before=["ask"])
    program.invoke({}, thread("t2"), interrupt_after=["ask"])

    first, second = recording.spans.roots()
    assert attributes(first)[semconv.INTERRUPTION] == "GraphInterrupt"
    assert attributes(second)[semconv.INTERRUPTION] == "GraphInterrupt"
    assert all(span.status.is_unset for span in recording.spans)


def test_a_resumed_run_is_linked_to_the_one_it_resumes(recording: Recording) -> None:
    """It is a root of a trace of its own, in the same conversation."""
    program = asking()
    program.invoke({}, thread())
    program.invoke({}, thread("other"))
    program.invoke(Command(resume="bees"), thread())

    first, _, second = recording.spans.roots()
    assert first.context.trace_id != second.context.trace_id
    assert [link.context for link in second.links] == [first.context]
    assert attributes(first)[semconv.CONVERSATION_ID] == "t1"
    assert attributes(second)[semconv.CONVERSATION_ID] == "t1"
    assert attributes(second)[semconv.RESUMED] is True
    nodes = [attributes(s)[semconv.STEP_NAME] for s in recording.spans.of_kind("node")]
    assert nodes == ["ask", "ask", "ask", "tell"]


def test_a_further_turn_of_a_thread_resumes_nothing(recording: Recording) -> None:
    """New input in the same thread is the same conversation, and no resumption."""
    program = fanning_out().compile(checkpointer=InMemorySaver())
    program.invoke({"topic": "x"}, thread())
    program.invoke({"topic": "y", "rounds": 0}, thread())

    _, second = recording.spans.roots()
    assert second.links == ()
    assert semconv.RESUMED not in attributes(second)
    assert attributes(second)[semconv.CONVERSATION_ID] == "t1"


def test_checkpoints_are_events_of_the_run(recording: Recording) -> None:
    """Each one that is saved or gone on from, by its own id."""
    program = asking()
    program.invoke({}, thread())
    program.invoke(Command(resume="bees"), thread())

    saved = [
        event[semconv.CHECKPOINT_ID] for event in _of(recording, semconv.EVENT_CHECKPOINT_SAVED)
    ]
    restored = _of(recording, semconv.EVENT_CHECKPOINT_RESTORED)
    history = [
        state.config["configurable"]["checkpoint_id"]
        for state in program.get_state_history(thread())
    ]
    assert saved == history[::-1]
    assert [event[semconv.CHECKPOINT_ID] for event in restored] == [saved[1]]


def _of(recording: Recording, name: str) -> list[dict[str, Any]]:
    return [event for root in recording.spans.roots() for event in events(root, name)]


def test_checkpoints_that_are_saved_at_the_end_only(recording: Recording) -> None:
    """With ``durability="exit"`` there is one."""
    asking().invoke({}, thread(), durability="exit")

    assert len(_of(recording, semconv.EVENT_CHECKPOINT_SAVED)) == 1


@pytest.mark.parametrize("way", ["from a checkpoint", "after an update"])
def test_going_on_without_input_resumes(way: str, recording: Recording) -> None:
    """From a checkpoint of long ago, or after the program has changed the state itself."""
    program = asking()
    program.invoke({}, thread())
    program.invoke(Command(resume="bees"), thread())
    if way == "from a checkpoint":
        earlier = list(program.get_state_history(thread()))[1].config
    else:
        earlier = program.update_state(thread(), {"topic": "wasps"}, as_node="ask")

    assert program.invoke(None, earlier)["rounds"] == 1

    *_, before, last = recording.spans.roots()
    assert [link.context for link in last.links] == [before.context]
    assert attributes(last)[semconv.RESUMED] is True
    assert attributes(recording.spans[-1])[semconv.STEP_NAME] == "tell"


async def test_a_state_that_the_program_changes_itself_is_no_run(recording: Recording) -> None:
    """Though the engine runs what the node would have run after it, the choice of its edge too."""
    program = fanning_out().compile(checkpointer=InMemorySaver())
    program.update_state(thread(), {"rounds": 1}, as_node="plan")
    await program.aupdate_state(thread(), {"rounds": 2}, as_node="join")

    assert recording.spans.tree() == ""


def test_two_interrupts_at_once(recording: Recording) -> None:
    """Both nodes say it, and both are run again."""
    graph: Any = StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, lambda _state: {"items": [interrupt("well?")]})
        graph.add_edge(START, name)
    program = graph.compile(checkpointer=InMemorySaver())

    asked = program.invoke({}, thread())["__interrupt__"]
    program.invoke(Command(resume={one.id: 1 for one in asked}), thread())

    said = [attributes(span).get(semconv.INTERRUPTION) for span in recording.spans.of_kind("node")]
    assert said == ["GraphInterrupt", "GraphInterrupt", None, None]


async def test_an_interrupt_inside_a_graph_inside(recording: Recording) -> None:
    """It passes every run around it, and the resumed run goes all the way in."""
    inner: Any = StateGraph(State)
    inner.add_node("ask", lambda _state: {"topic": interrupt("which?")})
    inner.add_edge(START, "ask")
    graph: Any = StateGraph(State)
    graph.add_node("inside", inner.compile())
    graph.add_edge(START, "inside")
    program = graph.compile(checkpointer=InMemorySaver(), name="demo")

    await program.ainvoke({}, thread())
    await program.ainvoke(Command(resume="bees"), thread())

    once = [span.name for span in recording.spans][:6]
    assert [span.name for span in recording.spans] == once * 2
    said = [attributes(span).get(semconv.INTERRUPTION) for span in recording.spans]
    assert said == ["GraphInterrupt"] * 6 + [None] * 6
    assert all(span.status.is_unset for span in recording.spans)
    assert [len(span.links) for span in recording.spans.of_kind("run")] == [0, 0, 1, 0]
