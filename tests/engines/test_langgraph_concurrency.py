"""LangGraph: many runs at once, runs that are left, runs that are cancelled."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from langgraph_kit import State, broken
from traces import INTEGRATIONS, attributes

from flowspan import semconv
from flowspan.instrumentation import streams
from flowspan.testing import RecordedSpans, Recording, record

_SPANS_OF_A_RUN = 9
_RUNS = 100


@pytest.fixture
def recording(caplog: pytest.LogCaptureFixture) -> Iterator[Recording]:
    """Everything that the distribution would apply; nothing is said of contexts."""
    caplog.set_level(logging.DEBUG, "opentelemetry")
    with record(*INTEGRATIONS) as recording:
        yield recording
    assert [line.getMessage() for line in caplog.records if "context" in line.getMessage()] == []
    assert streams._observed.open == set()


def program(*, asynchronous: bool, begun: Counter[str] | None = None) -> Any:
    """Begins, fans out to two workers of which one calls another graph, and joins."""
    inner: Any = StateGraph(State)
    graph: Any = StateGraph(State)
    counts: Counter[str] = Counter() if begun is None else begun

    def acting(name: str) -> Any:
        async def later(_state: State) -> Any:
            counts[name] += 1
            await asyncio.sleep(0)
            return {"draft": 1}

        return later if asynchronous else (lambda _state: {"draft": 1})

    inner.add_node("inner", acting("inner"))
    inner.add_edge(START, "inner")
    graph.add_node("begin", acting("begin"))
    graph.add_node("work", acting("work"))
    graph.add_node("nested", inner.compile())
    graph.add_edge(START, "begin")
    packets = [Send("work", {"item": 0}), Send("nested", {"item": 1})]
    graph.add_conditional_edges("begin", lambda _state: packets, ["work", "nested"])
    return graph.compile(name="demo", checkpointer=InMemorySaver())


def thread(number: int) -> Any:
    return {"configurable": {"thread_id": f"t{number}"}}


def are_whole(spans: RecordedSpans, count: int) -> None:
    """Each run is one trace of its own with all of its spans."""
    roots = spans.roots()
    assert broken(spans) == []
    assert len(roots) == len(spans.trace_ids()) == count
    assert len({attributes(root)[semconv.CONVERSATION_ID] for root in roots}) == count
    for root in roots:
        trace = [span for span in spans if span.context.trace_id == root.context.trace_id]
        assert len(trace) == _SPANS_OF_A_RUN
        assert {attributes(s)[semconv.RUN_ID] for s in trace} == {attributes(root)[semconv.RUN_ID]}


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_hundred_runs_in_one_loop(recording: Recording, *, asynchronous: bool) -> None:
    """Runs that take turns in one event loop, or in its threads, are traces of their own."""
    graph = program(asynchronous=asynchronous)

    await asyncio.gather(*(graph.ainvoke({"draft": 0}, thread(n)) for n in range(_RUNS)))

    are_whole(recording.spans, _RUNS)


async def test_a_hundred_streams_in_one_loop(recording: Recording) -> None:
    """Streams that are read in turns, one part each, are traces of their own."""
    graph = program(asynchronous=True)
    waiting = [graph.astream({"draft": 0}, thread(n), stream_mode="debug") for n in range(_RUNS)]

    while waiting:
        parts = await asyncio.gather(*(anext(stream, None) for stream in waiting))
        waiting = [stream for stream, part in zip(waiting, parts, strict=True) if part is not None]

    are_whole(recording.spans, _RUNS)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_hundred_runs_of_which_some_are_cancelled_or_left(
    seed: int, recording: Recording
) -> None:
    """At any moment: what has begun is counted, nothing failed, no run is in another's trace.

    Where the engine began with a node and was cancelled before its function, the node says so.
    """
    chance, begun = random.Random(seed), Counter[str]()  # noqa: S311 - not a secret
    graph = program(asynchronous=True, begun=begun)

    async def one(number: int) -> None:
        if number % 2:
            await graph.ainvoke({"draft": 0}, thread(number))
            return
        leaves = chance.randrange(8)
        async for part in graph.astream({"draft": 0}, thread(number), stream_mode="updates"):
            leaves -= bool(part)
            if leaves == 0:
                break

    async def cancelled(task: asyncio.Task[None], turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    tasks = [asyncio.create_task(one(number)) for number in range(_RUNS)]
    ends = [cancelled(task, chance.randrange(60)) for task in tasks if chance.random() < 0.4]
    await asyncio.gather(*tasks, *ends, return_exceptions=True)
    gc.collect()
    await asyncio.sleep(0)  # the loop closes what was dropped
    streams.settle()

    spans = recording.spans
    nodes = [attributes(span) for span in spans.of_kind("node")]
    found = Counter(known[semconv.STEP_NAME] for known in nodes)
    whole = Counter(
        known[semconv.STEP_NAME] for known in nodes if semconv.INTERRUPTION not in known
    )
    assert 50 < begun["inner"] < begun["begin"]
    assert all(whole[name] <= begun[name] <= found[name] for name in begun)
    assert broken(spans) == []
    assert all(span.status.is_unset for span in spans)
    assert len(spans.roots()) == len(spans.trace_ids())


def test_streams_that_are_read_in_turns(recording: Recording) -> None:
    """So they are without an event loop, on one thread."""
    graph = program(asynchronous=False)
    waiting = [graph.stream({"draft": 0}, thread(n), stream_mode="debug") for n in range(20)]

    while waiting:
        waiting = [stream for stream in waiting if next(stream, None) is not None]

    are_whole(recording.spans, 20)


def test_runs_in_a_pool_of_threads(recording: Recording) -> None:
    """Runs in threads are traces of their own."""
    graph = program(asynchronous=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: graph.invoke({"draft": 0}, thread(n)), range(_RUNS)))

    are_whole(recording.spans, _RUNS)


# --- runs that are left ---------------------------------------------------------------------------


def told_as_left(spans: RecordedSpans) -> None:
    """The run was left, and nothing failed; all that began has ended."""
    assert attributes(spans.roots()[0])[semconv.STREAM_ABANDONED] is True
    assert all(span.status.is_unset for span in spans)
    assert len(spans.roots()) == 1
    assert broken(spans) == []


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_stream_that_is_left(recording: Recording, parts: int) -> None:
    """Leaving the loop ends the run, and the steps that were under way."""
    graph = program(asynchronous=False)
    for number, _ in enumerate(graph.stream({"draft": 0}, thread(0), stream_mode="debug"), 1):
        if number == parts:
            break
    gc.collect()

    told_as_left(recording.spans)


def test_a_stream_that_is_never_read(recording: Recording) -> None:
    """It is no run."""
    program(asynchronous=False).stream({"draft": 0}, thread(0))
    gc.collect()

    assert len(recording.spans) == 0


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_stream_of_a_loop_that_is_left(recording: Recording, parts: int, *, closes: bool) -> None:
    """So it is in an event loop, which closes what was left at its end."""

    async def leave() -> None:
        graph = program(asynchronous=True)
        stream = graph.astream({"draft": 0}, thread(0), stream_mode="debug")
        for _ in range(parts):
            await anext(stream)
        if closes:
            await stream.aclose()

    asyncio.run(leave())
    gc.collect()

    told_as_left(recording.spans)


# --- cancellation ---------------------------------------------------------------------------------


def stuck(started: asyncio.Event) -> Any:
    async def wait(_state: State) -> Any:
        started.set()
        await asyncio.Event().wait()

    graph: Any = StateGraph(State)
    graph.add_node("wait", wait)
    graph.add_node("other", wait)
    graph.add_edge(START, "wait")
    graph.add_edge(START, "other")
    return graph.compile(name="demo")


async def test_cancellation(recording: Recording) -> None:
    """A run that is cancelled says so, with all that was under way, and nothing failed."""
    started = asyncio.Event()
    running = asyncio.create_task(stuck(started).ainvoke({"draft": 0}))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    spans = recording.spans
    assert [span.name for span in spans] == [
        "invoke_workflow demo",
        "run_step superstep",
        *sorted(["run_step wait", "run_step other"], key=[s.name for s in spans].index),
    ]
    nodes = spans.of_kind("node")
    assert {attributes(span).get(semconv.INTERRUPTION) for span in nodes} == {"CancelledError"}
    assert attributes(spans[0])[semconv.INTERRUPTION] == "CancelledError"
    assert all(span.status.is_unset for span in spans)


async def test_a_sibling_of_a_failing_node_is_cancelled(recording: Recording) -> None:
    """The one that failed is the error, the other was interrupted."""
    graph: Any = StateGraph(State)
    started = asyncio.Event()

    async def wait(_state: State) -> Any:
        started.set()
        await asyncio.Event().wait()

    async def fail(_state: State) -> Any:
        await started.wait()
        raise ValueError("no")

    graph.add_node("wait", wait)
    graph.add_node("fail", fail)
    graph.add_edge(START, "wait")
    graph.add_edge(START, "fail")
    with pytest.raises(ValueError, match="no"):
        await graph.compile().ainvoke({"draft": 0})

    by_name = {attributes(span).get(semconv.STEP_NAME): span for span in recording.spans}
    assert attributes(by_name["fail"])[semconv.ERROR_TYPE] == "ValueError"
    assert by_name["wait"].status.is_unset
    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 1


# --- the program's own contexts -------------------------------------------------------------------


def test_context_variables_of_the_program(recording: Recording) -> None:
    """What the program sets in its own context reaches nodes, as without us, and none leaks."""
    del recording
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[tuple[str, str]] = []

    def look(_state: State) -> Any:
        seen.append((threading.current_thread().name, variable.get()))
        variable.set("changed inside")
        return {}

    graph: Any = StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, look)
        graph.add_edge(START, name)
    variable.set("outside")
    graph.compile().invoke({"draft": 0})

    assert [value for _, value in seen] == ["outside", "outside"]
    assert variable.get() == "outside"
