"""Graphs that several of LangGraph's tests run."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class State(TypedDict, total=False):
    """The state of these graphs."""

    topic: str
    rounds: int
    items: Annotated[list[int], operator.add]


def thread(name: str = "t1") -> Any:
    """The config of a thread."""
    return {"configurable": {"thread_id": name}}


def fanning_out() -> Any:
    """Plans, sends three packets, joins, and goes round once more."""
    graph: Any = StateGraph(State)
    graph.add_node("plan", lambda state: {"rounds": state.get("rounds", 0) + 1})
    graph.add_node("work", lambda packet: {"items": [packet["item"]]})
    graph.add_node("join", lambda _state: {"topic": "joined"})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda _state: [Send("work", {"item": item}) for item in range(3)], ["work"]
    )
    graph.add_edge("work", "join")
    graph.add_conditional_edges(
        "join", lambda state: state["rounds"] < 2, {True: "plan", False: END}
    )
    return graph
