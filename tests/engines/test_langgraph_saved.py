"""LangGraph: what is saved, copied and pickled is byte for byte what it is without flowspan."""

from __future__ import annotations

import asyncio
import copy
import importlib
import itertools
import operator
import pickle
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from langgraph_graphs import thread
from traces import INTEGRATIONS

from flowspan.testing import record

dill = pytest.importorskip("dill")


class State(TypedDict, total=False):
    """The state of these graphs."""

    number: int
    items: Annotated[list[Any], operator.add]


seen: list[bytes] = []
"""What nodes pickled of their own states and configs."""


def plan(state: State, config: RunnableConfig) -> Any:
    seen.append(pickle.dumps((state, copy.deepcopy(state), sorted(config["configurable"]))))
    return Command(
        update={"number": state.get("number", 0) + 1}, goto=[Send("work", {"items": []})]
    )


def work(state: State) -> State:
    seen.append(dill.dumps(state))
    return {"items": [interrupt("well?")]}


def route(state: State) -> str:
    return "plan" if state["number"] < 2 else "__end__"


@task
def doubled(number: int) -> int:
    return number * 2


@entrypoint()
def functional(number: int) -> int:
    return int(doubled(number).result())


def of_everything(saver: Any = None) -> Any:
    inner: Any = StateGraph(State)
    inner.add_node("inner", route_again)
    inner.add_edge(START, "inner")
    graph: Any = StateGraph(State)
    graph.add_node("plan", plan, destinations=("work",))
    graph.add_node("work", work)
    graph.add_node("nested", inner.compile())
    graph.add_edge(START, "plan")
    graph.add_edge("work", "nested")
    graph.add_conditional_edges("nested", route, ["plan", "__end__"])
    return graph.compile(checkpointer=saver)


def route_again(state: State) -> State:
    return {"items": [len(state["items"])]}


# --- what is saved --------------------------------------------------------------------------------


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes ids, versions and times begin anew, the same each time."""
    numbers = itertools.count()

    def identity(*_args: Any, **_kwargs: Any) -> uuid.UUID:
        return uuid.UUID(int=next(numbers))

    now = SimpleNamespace(now=lambda _zone=None: datetime(2026, 1, 1, tzinfo=UTC))
    for name in ("langgraph.pregel._checkpoint", "langgraph.checkpoint.base"):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "uuid6", identity)
        monkeypatch.setattr(module, "datetime", now, raising=False)

    def again() -> None:
        nonlocal numbers
        numbers = itertools.count()
        random.seed(7)
        seen.clear()

    return again


def invoked(program: Any) -> Any:
    program.invoke({"number": 0}, thread(), durability="sync")
    program.invoke(Command(resume="one"), thread(), durability="sync")
    return program.invoke(Command(resume="two"), thread(), durability="sync")


def awaited(program: Any) -> Any:
    async def runs() -> Any:
        await program.ainvoke({"number": 0}, thread(), durability="sync")
        await program.ainvoke(Command(resume="one"), thread(), durability="sync")
        return await program.ainvoke(Command(resume="two"), thread(), durability="sync")

    return asyncio.run(runs())


@pytest.mark.parametrize("way", [invoked, awaited])
def test_checkpoints_are_the_same_to_the_byte(
    way: Callable[[Any], Any], timeless: Callable[[], None]
) -> None:
    """Their ids, their versions, what they hold, what waits to be written; and what nodes see."""

    def saved() -> list[Any]:
        timeless()
        saver = InMemorySaver()
        result = way(of_everything(saver))
        storage = {space: dict(found) for space, found in saver.storage["t1"].items()}
        writes = sorted(saver.writes.items(), key=repr)
        return [result, storage, writes, sorted(saver.blobs.items(), key=repr), list(seen)]

    plain = saved()
    assert plain == saved()

    with record(*INTEGRATIONS, detail="full") as recording:
        watched = saved()

    assert len(recording.spans.of_kind("run")) > 3
    assert watched == plain


# --- copies ---------------------------------------------------------------------------------------

THINGS: dict[str, Callable[[], Any]] = {
    "graph": of_everything,
    "builder": lambda: of_everything().builder,
    "node": lambda: of_everything().nodes["plan"],
    "task": lambda: doubled,
    "entrypoint": lambda: functional,
}


@pytest.mark.parametrize("thing", THINGS)
def test_graphs_are_pickled_as_without(thing: str) -> None:
    """By pickle where LangGraph allows it, by dill, which takes functions and classes by value."""

    def pickled() -> list[Any]:
        return [outcome(dumps, THINGS[thing]()) for dumps in (pickle.dumps, dill.dumps)]

    plain = pickled()
    with record(*INTEGRATIONS):
        watched = pickled()

    assert watched == plain
    assert any(type(found) is bytes for found in plain)


def outcome(dumps: Callable[[Any], bytes], thing: Any) -> Any:
    try:
        return dumps(thing)
    except (AttributeError, TypeError, pickle.PicklingError, RecursionError) as error:
        return type(error)
