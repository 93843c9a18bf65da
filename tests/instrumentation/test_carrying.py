"""Objects on their way: what is done with one is part of the run that it was sent from."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation import carrying
from flowspan.instrumentation.integration import Call, Integration, Patch
from flowspan.testing import Recording, record


@dataclass
class Letter:
    """A message, which is equal to others and has no hash."""

    text: str


class Post:
    """An engine whose one task takes letters from a queue."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[Letter] = asyncio.Queue()

    async def run(self, text: str) -> None:
        await self.letters.put(Letter(text))
        await self.letters.join()

    async def leave(self, text: str) -> None:
        await self.letters.put(Letter(text))

    async def begin(self, _name: str) -> None:
        self.worker = asyncio.create_task(self.work())

    async def work(self) -> None:
        while True:
            await self.receive(await self.letters.get())
            self.letters.task_done()

    async def receive(self, letter: Letter) -> None:
        await asyncio.sleep(0)
        self.node(letter.text)

    def receive_now(self, letter: Letter) -> None:
        self.node(letter.text)

    def node(self, text: str) -> None:
        """What is seen of it."""
        if text == "bad":
            raise ValueError(text)


def _letter(call: Call, _result: Any) -> Any:
    return call.argument("letter", 0)


ROWS = Integration(
    "post",
    "",
    (
        *(
            Patch(target=f"{__name__}:Post.{way}", kind="run", name=lambda call: str(call.args[0]))
            for way in ("run", "leave", "begin")
        ),
        Patch(
            target=f"{__name__}:Letter.__init__",
            role="send",
            lazy=lambda call, _result: call.instance,
        ),
        Patch(target=f"{__name__}:Post.receive", role="receive", lazy=_letter),
        Patch(target=f"{__name__}:Post.receive_now", role="receive", lazy=_letter),
        Patch(target=f"{__name__}:Post.node", kind="node", label="node"),
    ),
)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(ROWS) as recording:
        yield recording
    assert not carrying._under_way


def workflow(span: Any) -> Any:
    return span.attributes[semconv.WORKFLOW_NAME]


async def test_what_is_received_is_part_of_the_run_that_sent_it(recording: Recording) -> None:
    """Whoever receives it is older than the run, and serves several at once."""
    post = Post()
    worker = asyncio.create_task(post.work())
    await asyncio.gather(*(post.run(f"run{number}") for number in range(20)))
    worker.cancel()

    assert len(recording.spans.roots()) == len(recording.spans.trace_ids()) == 20
    nodes = {span.context.trace_id: workflow(span) for span in recording.spans.of_kind("node")}
    assert nodes == {run.context.trace_id: workflow(run) for run in recording.spans.roots()}


async def test_a_worker_that_another_run_started(recording: Recording) -> None:
    """A letter of the second run is not the first one's, whose context the worker has."""
    post = Post()
    await post.begin("first")
    await post.run("second")
    post.worker.cancel()

    assert [workflow(span) for span in recording.spans] == ["first", "second", "second"]
    assert len(recording.spans.trace_ids()) == 2


async def test_what_outlives_its_run_is_still_of_it(recording: Recording) -> None:
    """A letter that nobody waits for is in the trace of the run that has ended."""
    post = Post()
    await post.leave("left")
    worker = asyncio.create_task(post.work())
    await post.letters.join()
    worker.cancel()

    assert recording.spans.tree() == "invoke_workflow left\n  run_step node"
    assert [span.attributes[semconv.RUN_ID] for span in recording.spans[:1]] == [
        span.attributes[semconv.RUN_ID] for span in recording.spans[1:]
    ]


async def test_a_failure_passes(recording: Recording) -> None:
    """As it was raised; the node that failed is in its run."""
    post = Post()
    await post.leave("bad")
    with pytest.raises(ValueError, match="bad"):
        await post.receive(post.letters.get_nowait())

    assert len(recording.spans.trace_ids()) == 1
    assert recording.spans[-1].attributes[semconv.ERROR_TYPE] == "ValueError"


async def test_threads_receive_as_well(recording: Recording) -> None:
    """A function that is no coroutine function, in a thread that began without a context."""
    post, sent = Post(), queue.Queue[Letter]()
    thread = threading.Thread(target=lambda: post.receive_now(sent.get()))
    thread.start()
    await post.leave("there")
    sent.put(post.letters.get_nowait())
    thread.join()

    assert [span.name for span in recording.spans] == ["invoke_workflow there", "run_step node"]
    assert len(recording.spans.trace_ids()) == 1


async def test_what_nobody_sent_is_received_where_it_is(recording: Recording) -> None:
    """A letter that was written outside of any run."""
    await Post().receive(Letter("alone"))

    assert recording.spans.one().name == "run_step node"


async def test_nothing_is_kept(recording: Recording) -> None:
    """A letter that is dropped is forgotten, and with it where it came from."""
    post = Post()
    await post.leave("dropped")
    letter = post.letters.get_nowait()
    reference = weakref.ref(letter)
    assert len(carrying._under_way) == 1
    del letter
    gc.collect()

    assert reference() is None
    assert not carrying._under_way
    assert recording.spans.one()
