"""LangGraph: the program does not notice that it is watched, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from traces import INTEGRATIONS, attributes

from flowspan import semconv
from flowspan.instrumentation import streams
from flowspan.instrumentation.engines.langgraph import INTEGRATION
from flowspan.testing import record


class State(TypedDict, total=False):
    """The state of these tests' graphs."""

    number: int
    kept: Any


class Kept:
    """A value that can be watched from outside, and does not like to be touched."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(self) -> int:
        raise AssertionError("hashed")

    def __repr__(self) -> str:
        raise AssertionError("shown")

    def __len__(self) -> int:
        raise AssertionError("measured")

    def __reduce__(self) -> Any:
        raise AssertionError("pickled")


def of_everything(checkpointer: Any = None, *, callback: Any = None) -> Any:
    """A graph that loops, fans out, retries, interrupts and has another one inside."""
    tried: Counter[int] = Counter()
    inner: Any = StateGraph(State)
    inner.add_node("inner", lambda state: {"number": state["number"] + 1})
    inner.add_edge(START, "inner")

    def flaky(state: State) -> Any:
        tried[state["number"]] += 1
        if tried[state["number"]] < 2:
            raise ConnectionError("not now")
        return {"number": state["number"] + 10}

    graph: Any = StateGraph(State)
    policy = RetryPolicy(initial_interval=0, jitter=False)
    graph.add_node("flaky", flaky, retry_policy=policy)
    graph.add_node("nested", inner.compile())
    graph.add_node("ask", lambda _state: {"number": interrupt("how many?")})
    graph.add_node("sent", lambda packet: {"kept": packet["kept"]})
    graph.add_edge(START, "flaky")
    graph.add_edge("flaky", "nested")
    graph.add_edge("nested", "ask")
    packet = Send("sent", {"kept": "by packet"})
    graph.add_conditional_edges("ask", lambda _state: [packet], ["sent"])
    compiled = graph.compile(checkpointer=checkpointer or InMemorySaver(), name="demo")
    return compiled if callback is None else compiled.with_config(callbacks=[callback])


def everything(program: Any) -> list[Any]:
    """All that a program can see of two runs: each part of their streams."""
    config: Any = {"configurable": {"thread_id": "t"}}
    modes = ["values", "updates", "tasks"]
    parts = list(program.stream({"number": 1}, config, stream_mode=modes))
    parts += list(program.stream(Command(resume=5), config, stream_mode=modes))
    return [_without_ids(part) for part in parts]


def _without_ids(part: Any) -> Any:
    """A part of a stream without what is new in every run."""
    if isinstance(part, dict):
        return {key: _without_ids(value) for key, value in part.items() if key != "id"}
    if isinstance(part, list | tuple):
        return [_without_ids(item) for item in part]
    return part.value if type(part).__name__ == "Interrupt" else part


def saved(checkpointer: InMemorySaver) -> list[Any]:
    """What checkpoints hold, without what is new in every run."""
    return [
        (
            dict(found.checkpoint["channel_values"]),
            sorted(found.checkpoint),
            dict(found.metadata),
            sorted(found.config["configurable"]),
            [(channel, str(value)[:20]) for _, channel, value in found.pending_writes or ()],
        )
        for found in checkpointer.list({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})
    ]


def test_results_and_checkpoints_are_the_same() -> None:
    """Every part of every stream, and what is in every checkpoint."""
    plain, watched = InMemorySaver(), InMemorySaver()
    expected = everything(of_everything(plain))

    with record(*INTEGRATIONS, detail="full"):
        found = everything(of_everything(watched))

    assert expected == found
    assert saved(plain) == saved(watched)
    assert b"flowspan" not in pickle.dumps([list(v.items()) for v in watched.storage["t"].values()])


def test_objects_are_the_programs_own() -> None:
    """A state's values are the same objects in every node, whatever they forbid to be done."""
    kept, seen = Kept(), []

    def look(state: State) -> Any:
        seen.append(state["kept"])
        return {"kept": state["kept"]}

    graph: Any = StateGraph(State)
    graph.add_node("a", look)
    graph.add_node("b", look)
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    with record(*INTEGRATIONS, detail="full", content="full"):
        result = graph.compile().invoke({"kept": kept})

    assert all(value is kept for value in (*seen, result["kept"]))


def test_exceptions_are_the_programs_own() -> None:
    """The object itself, with its cause, and with the notes that LangGraph adds."""
    error = ValueError("no")
    error.__cause__ = KeyError("why")

    def fail(_state: State) -> Any:
        raise error

    graph: Any = StateGraph(State)
    graph.add_node("fail", fail)
    graph.add_edge(START, "fail")
    with record(*INTEGRATIONS), pytest.raises(ValueError, match="no") as caught:
        graph.compile().invoke({"number": 1})

    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)
    assert len(error.__notes__) == 1


class Callbacks(BaseCallbackHandler):
    """Writes down what LangChain's own tracing is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._lock = threading.Lock()

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        with self._lock:
            self.told.append(f"start {kwargs.get('name')}")

    def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
        with self._lock:
            self.told.append("end")

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        with self._lock:
            self.told.append(f"error {type(error).__name__}")


def test_callbacks_are_told_the_same() -> None:
    """LangChain's callbacks, on which other tracing is built, go on as before."""
    plain, watched = Callbacks(), Callbacks()
    everything(of_everything(callback=plain))

    with record(*INTEGRATIONS):
        everything(of_everything(callback=watched))

    assert plain.told == watched.told
    assert plain.told


# --- other versions -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(len(INTEGRATION.patches)))
def test_what_a_version_lacks_costs_its_row_and_no_more(place: int) -> None:
    """With any place missing the program runs as before, and what is left is one trace."""
    expected = everything(of_everything())
    rows = list(INTEGRATION.patches)
    lost = rows[place]
    rows[place] = replace(lost, target=f"{lost.target}_of_another_version", names=())

    with record(replace(INTEGRATION, patches=tuple(rows))) as recording:
        found = everything(of_everything())

    assert expected == found
    assert len(recording.spans) > 0
    runs = {attributes(span)[semconv.RUN_ID] for span in recording.spans.of_kind("run")}
    if lost.label not in ("run", "agent"):
        assert len(runs) == len(recording.spans.roots()) == 2


def test_every_place_is_there(recwarn: pytest.WarningsRecorder) -> None:
    """The version that is installed has every place that is not said to be optional."""
    del recwarn
    import langgraph.pregel.remote  # noqa: F401, PLC0415 - imported by those who use it

    with record(INTEGRATION) as recording:
        rows = [row for row in recording.statuses() if not row.optional]
        missing = [row.target for row in rows if row.state != "applied"]

    assert missing == []


# --- what it costs --------------------------------------------------------------------------------


def looping(rounds: int, checkpointer: Any = None) -> Any:
    graph: Any = StateGraph(State)
    graph.add_node("a", lambda state: {"number": state["number"] + 1})
    graph.add_node("b", lambda _state: {})
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_conditional_edges(
        "b", lambda state: "a" if state["number"] < rounds else END, ["a", END]
    )
    return graph.compile(checkpointer=checkpointer)


def calls_of(run: Callable[[], object]) -> Counter[str]:
    """How often functions of flowspan's were called, and what they called outside Python."""
    counts: Counter[str] = Counter()

    def count(frame: Any, event: str, argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("flowspan."):
            called = getattr(argument, "__qualname__", "?") if event == "c_call" else ""
            counts[f"{event} {module}.{frame.f_code.co_name} {called}"] += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counts


def test_a_large_state_costs_what_a_small_one_does() -> None:
    """With ten megabytes of state exactly the same is called as with a tenth of it.

    Nothing walks through it but the look for loops, at a few dozen values: a state of a hundred
    bytes, which has fewer, saves those.
    """
    small = {"number": 0, "kept": ["x" * 100]}
    middle = {"number": 0, "kept": [["y" * 1000] * 500, dict.fromkeys(range(10_000), "z" * 50)]}
    large = {"number": 0, "kept": [["y" * 1000] * 5000, dict.fromkeys(range(100_000), "z" * 50)]}
    program = looping(5)
    with record(*INTEGRATIONS):
        program.invoke(small)
        of_small, of_middle, of_large = (
            calls_of(partial(program.invoke, state)) for state in (small, middle, large)
        )

    assert of_middle == of_large
    assert 100 < of_small.total() < of_large.total() < 2 * of_small.total()


# --- what is kept ---------------------------------------------------------------------------------


class Weak:
    """A value that can be referred to weakly."""


def _ways() -> Iterator[tuple[str, Callable[[Any, Any], None]]]:
    def invoked(program: Any, state: Any) -> None:
        program.invoke(state)

    def left(program: Any, state: Any) -> None:
        for _ in program.stream(state, stream_mode="debug"):
            break

    def awaited(program: Any, state: Any) -> None:
        asyncio.run(program.ainvoke(state))

    yield from (("invoked", invoked), ("left", left), ("awaited", awaited))


@pytest.mark.parametrize("way", [way for _, way in _ways()], ids=[name for name, _ in _ways()])
def test_nothing_is_pinned(way: Callable[[Any, Any], None]) -> None:
    """When a run is over, nothing of ours holds its state, nor the graph itself."""
    with record(*INTEGRATIONS) as recording:
        program, value = looping(3), Weak()
        references = weakref.ref(value), weakref.ref(program)
        way(program, {"number": 0, "kept": value})
        assert len(recording.spans) > 1
        del program, value
        gc.collect()

        assert [reference() for reference in references] == [None, None]


def _repeated() -> Iterator[tuple[str, Callable[[], object]]]:
    small, saver = looping(1), InMemorySaver()
    threads = looping(1, saver)
    config: Any = {"configurable": {"thread_id": "t"}}

    def saved() -> None:
        threads.invoke({"number": 0}, config)
        saver.delete_thread("t")

    yield "invoked", lambda: small.invoke({"number": 0})
    yield "left", lambda: next(small.stream({"number": 0}))
    yield "saved", saved
    yield "awaited", lambda: asyncio.run(small.ainvoke({"number": 0}))


@pytest.mark.parametrize(
    "way", [way for _, way in _repeated()], ids=[name for name, _ in _repeated()]
)
def test_memory_is_flat(way: Callable[[], object]) -> None:
    """Runs leave nothing behind but their spans, and conversations only their newest."""

    def runs(count: int) -> int:
        for _ in range(count):
            way()
        streams.settle()
        recording._exporter.clear()
        gc.collect()
        return sys.getallocatedblocks()

    with record(INTEGRATION) as recording:
        # What is kept for later, by Python and the engine, is kept in the first of these.
        used = [runs(100) for _ in range(4)]

    grown = min(after - before for before, after in itertools.pairwise(used))
    assert grown < 100  # an object for each run would be seen, each time


# --- the functional API ---------------------------------------------------------------------------


def test_the_functional_api_is_unchanged() -> None:
    """Results of tasks and what is saved for the next call."""

    @task
    def add(left: int, right: int) -> int:
        return left + right

    def made() -> Any:
        @entrypoint(checkpointer=InMemorySaver())
        def flow(number: int, *, previous: int | None = None) -> int:
            return add(number, previous or 0).result()

        return flow

    config: Any = {"configurable": {"thread_id": "t"}}
    plain = made()
    expected = [plain.invoke(number, config) for number in (1, 2, 3)]
    with record(*INTEGRATIONS):
        watched = made()
        found = [watched.invoke(number, config) for number in (1, 2, 3)]

    assert expected == found == [1, 3, 6]
