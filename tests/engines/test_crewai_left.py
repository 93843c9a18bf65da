"""CrewAI's streams, what is cancelled or left, and a hundred runs in one loop."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from crewai_kit import (
    HAS_ASYNC,
    MARKS,
    MODEL,
    Flow,
    Model,
    agent,
    crew,
    crewai,
    flow,
    recorded,
    task,
)
from traces import attributes, routes

from flowspan import semconv
from flowspan.testing import FakeProvider, Gate, Recording, Reply

pytestmark = MARKS
needs_async = pytest.mark.skipif(not HAS_ASYNC, reason="this version has no native coroutines")
needs_frames = pytest.mark.skipif(
    not hasattr(Flow, "stream_events"), reason="this version's flows stream nothing"
)

CREW = """\
invoke_workflow demo
  run_step it
    invoke_agent Researcher
      chat gpt-4o-mini"""


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recording(provider: FakeProvider) -> Iterator[Recording]:
    """Everything that the distribution would apply; every request must be a model call."""
    with recorded(provider) as recording:
        yield recording


# --- streams --------------------------------------------------------------------------------------


@needs_async
def test_a_stream_is_the_run_that_it_reads(recording: Recording) -> None:
    """A crew that streams is run once it is read, and is of whatever reads it."""
    stream = crew(task("it", agent()), stream=True).kickoff()
    assert len(recording.spans) == 0

    chunks = [chunk.content for chunk in stream]

    assert "done" in "".join(chunks)
    assert stream.result.raw == "done"
    assert recording.spans.tree() == CREW
    assert attributes(recording.spans[3])["gen_ai.request.stream"] is True


@needs_async
@pytest.mark.parametrize("way", ["kickoff", "akickoff"])
def test_a_stream_that_is_left_ends_its_run(recording: Recording, way: str) -> None:
    """A stream that is closed early leaves the crew at work, whose run ends when it is done."""

    def leave() -> None:
        stream = crew(task("it", agent()), stream=True).kickoff()
        next(iter(stream))
        stream.close()

    async def aleave() -> None:
        stream = await crew(task("it", agent()), stream=True).akickoff()
        async for _ in stream:
            break
        await stream.aclose()

    leave() if way == "kickoff" else asyncio.run(aleave())

    assert [span.name for span in recording.spans.roots()] == ["invoke_workflow demo"]


class Writes(Flow):
    """A crew in a flow."""

    @flow.start()
    def write(self) -> str:
        return str(crew(task("it", agent())).kickoff().raw)

    @flow.listen(write)
    def publish(self, written: str) -> str:
        return written


FLOW = """\
invoke_workflow Writes
  run_step write
    invoke_workflow demo
      run_step it
        invoke_agent Researcher
          chat gpt-4o-mini
  run_step publish"""


@needs_frames
@pytest.mark.parametrize("read", ["whole", "in part"])
def test_a_flow_that_streams_is_the_run_that_it_reads(recording: Recording, read: str) -> None:
    """Whoever stops reading waits for the rest, which the engine goes on with."""
    stream = Writes(stream=True).kickoff()
    assert len(recording.spans) == 0

    for _ in stream:
        if read == "in part":
            break
    stream.close()

    assert recording.spans.tree() == FLOW


@needs_frames
def test_streams_that_nobody_reads_are_no_runs(recording: Recording) -> None:
    """Nothing is run, and nothing stays open."""
    streams = [Writes(stream=True).kickoff(), crew(task("it", agent()), stream=True).kickoff()]
    del streams
    gc.collect()

    assert len(recording.spans) == 0


# --- cancelled ------------------------------------------------------------------------------------


@needs_async
def test_a_cancelled_crew_ends(recording: Recording, model: Model) -> None:
    """What awaits a crew may be cancelled: that is no error, and nothing stays open.

    The engine asks its models in threads, which go on and end as they would.
    """
    asyncio.run(cancelled(model, crew(task("it", agent())).akickoff()))

    assert (
        recording.spans.tree(semconv.INTERRUPTION)
        == """\
invoke_workflow demo flowspan.interruption='CancelledError'
  run_step it flowspan.interruption='CancelledError'
    invoke_agent Researcher flowspan.interruption='CancelledError'
      chat gpt-4o-mini"""
    )


def test_a_crew_in_a_thread_goes_on_when_nobody_awaits_it(
    recording: Recording, model: Model
) -> None:
    """``kickoff_async`` is a thread, which cannot be cancelled: its run ends when it does."""
    asyncio.run(cancelled(model, crew(task("it", agent())).kickoff_async()))

    assert recording.spans.tree(semconv.INTERRUPTION) == CREW


async def cancelled(model: Model, kickoff: Any) -> None:
    """Await until the model is asked, and no longer."""
    gate = Gate()
    model.will("Work on it", Reply("Final Answer: late", gate=gate))
    running = asyncio.ensure_future(kickoff)
    await asyncio.to_thread(gate.wait_until_reached)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.open()


def test_a_cancelled_flow_ends(recording: Recording) -> None:
    """The method that it was at is interrupted with it, and none of them has failed."""
    begun = asyncio.Event()

    class Waits(Flow):
        @flow.start()
        async def first(self) -> None: ...

        @flow.listen(first)
        async def second(self) -> None:
            begun.set()
            await asyncio.Event().wait()

    async def cancel() -> None:
        running = asyncio.create_task(Waits().kickoff_async())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())

    assert (
        recording.spans.tree(semconv.INTERRUPTION)
        == """\
invoke_workflow Waits flowspan.interruption='CancelledError'
  run_step first
  run_step second flowspan.interruption='CancelledError'"""
    )


@needs_frames
def test_the_loser_of_a_race_is_cancelled(recording: Recording) -> None:
    """Of methods of which one is enough, the engine cancels the others: none has failed."""

    class Race(Flow):
        @flow.start()
        async def begin(self) -> None: ...

        @flow.listen(begin)
        async def slow(self) -> None:
            await asyncio.Event().wait()

        @flow.listen(begin)
        async def fast(self) -> None: ...

        @flow.listen(flow.or_(slow, fast))
        async def end(self) -> str:
            return "over"

    assert Race().kickoff() == "over"
    # Which of the two begins first is left to a set.
    assert sorted(recording.spans.tree(semconv.INTERRUPTION).splitlines()) == [
        "  run_step begin",
        "  run_step end",
        "  run_step fast",
        "  run_step slow flowspan.interruption='CancelledError'",
        "invoke_workflow Race",
    ]


# --- many at once ---------------------------------------------------------------------------------


def test_a_hundred_crews_in_one_loop(recording: Recording) -> None:
    """Each is a trace of its own, and none is a parent of another's."""
    names = [f"job{number}" for number in range(100)]
    shared = crewai.LLM(model=MODEL)

    async def all_of_them() -> list[Any]:
        crews = [crew(task(name, agent(name, llm=shared)), name=name) for name in names]
        way = "akickoff" if HAS_ASYNC else "kickoff_async"
        return await asyncio.gather(*(getattr(one, way)() for one in crews))

    results = asyncio.run(all_of_them())

    assert [result.raw for result in results] == ["done"] * len(names)
    workflows = Counter(
        (span.context.trace_id, attributes(span)[semconv.WORKFLOW_NAME]) for span in recording.spans
    )
    assert len(recording.spans.trace_ids()) == len(workflows) == len(names)
    assert set(workflows.values()) == {4}


def test_a_hundred_flows_in_one_loop(recording: Recording) -> None:
    """Each is a trace of its own, with its own routes."""

    class Rounds(Flow):
        @flow.start()
        def begin(self) -> None:
            self.state["rounds"] = 0

        @flow.router(flow.or_(begin, "work"))
        async def judge(self) -> str:
            return "on" if self.state["rounds"] < 3 else "over"

        @flow.listen("on")
        def work(self) -> None:
            self.state["rounds"] += 1

        @flow.listen("over")
        async def publish(self) -> int:
            return int(self.state["rounds"])

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(Rounds().kickoff_async() for _ in range(100)))

    assert asyncio.run(all_of_them()) == [3] * 100

    spans = Counter(span.context.trace_id for span in recording.spans)
    assert len(spans) == 100
    assert set(spans.values()) == {10}
    assert routes(recording.spans) == {("judge", "work"): 300, ("judge", "publish"): 100}
