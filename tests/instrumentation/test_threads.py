"""One run is one trace, through threads and pools of every kind, and nothing outlives it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import context as otel_context

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.threads import ThreadContext, _starting
from flowspan.testing import record

ROWS = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="toyengine:Engine.arun", kind="run", name="demo"),
        Patch(target="toyengine:helper", kind="internal"),
    ),
)
TREE = "invoke_workflow demo\n  helper"

Work = Callable[[], Any]


@pytest.fixture(autouse=True)
def _carried() -> Iterator[None]:
    carrier = ThreadContext()
    carrier.install()
    yield
    carrier.uninstall()
    assert "Wrapped" not in type(vars(threading.Thread)["start"]).__name__


def plain_thread(work: Work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def own_run(work: Work) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            work()

    worker = Worker()
    worker.start()
    worker.join()


def timer(work: Work) -> None:
    thread = threading.Timer(0.001, work)
    thread.start()
    thread.join()


def pool(work: Work) -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()


def pool_map(work: Work) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert len(list(executor.map(lambda _: work(), [1]))) == 1


def copied_context(work: Work) -> None:
    contextvars.copy_context().run(work)


@pytest.mark.parametrize(
    "way",
    [plain_thread, own_run, timer, pool, pool_map, copied_context],
    ids=lambda way: way.__name__,
)
def test_a_thread_belongs_to_the_run_that_started_it(
    toy: ModuleType, way: Callable[[Work], None]
) -> None:
    with record(ROWS) as recording:
        engine = toy.Engine()
        engine.node = lambda *_: way(lambda: toy.helper(1))
        engine.run(1)
        assert recording.spans.tree() == TREE


@pytest.mark.parametrize("way", ["executor", "to_thread", "task"])
async def test_work_given_away_by_a_coroutine_belongs_to_its_run(toy: ModuleType, way: str) -> None:
    async def work() -> None:
        if way == "executor":
            await asyncio.get_running_loop().run_in_executor(None, toy.helper, 1)
        elif way == "to_thread":
            await asyncio.to_thread(toy.helper, 1)
        else:

            async def helper() -> None:
                toy.helper(1)

            async with asyncio.TaskGroup() as group:
                group.create_task(helper())

    vars(toy).update(work=work)
    rows = Integration(
        "toy", "", (Patch(target="toyengine:work", kind="run", name="demo"), *ROWS.patches)
    )
    with record(rows) as recording:
        await toy.work()
        assert recording.spans.tree() == TREE


def test_a_pool_belongs_to_no_run(toy: ModuleType) -> None:
    """Its threads are started in some run, and serve all of them."""
    with ThreadPoolExecutor(1) as executor, record(ROWS) as recording:
        for _ in range(3):
            engine = toy.Engine()
            engine.node = lambda *_: executor.submit(toy.helper, 1).result()
            engine.run(1)
        executor.submit(toy.helper, 1).result()
        assert recording.spans.tree() == "\n".join([*[TREE] * 3, "helper"])


class State:
    pass


@pytest.mark.parametrize("kind", ["pool", "thread"])
def test_a_thread_that_lives_on_keeps_nothing_of_the_run(kind: str) -> None:
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()
    executor = ThreadPoolExecutor(1)
    thread = threading.Thread(target=work.get)
    state = State()
    reference = weakref.ref(state)
    token = otel_context.attach(otel_context.set_value("state", state))
    if kind == "pool":
        executor.submit(int).result()
        assert not vars(next(iter(executor._threads))).get("_otel_context")
    otel_context.detach(token)
    del token, state
    gc.collect()
    assert reference() is None
    thread.start()
    work.put(None)
    thread.join()
    executor.shutdown()
    assert not _starting


def test_a_thread_that_cannot_be_started_leaves_nothing_behind() -> None:
    thread = threading.Thread(target=int)
    token = otel_context.attach(otel_context.set_value("key", "value"))
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="only be started once"):
        thread.start()
    with ThreadPoolExecutor(1) as executor, pytest.raises(TypeError):
        executor.submit()  # type: ignore[call-arg]
    otel_context.detach(token)
    assert not _starting


def test_an_error_in_a_pool_is_the_programs() -> None:
    def fail() -> None:
        raise LookupError("mine")

    token = otel_context.attach(otel_context.set_value("key", "value"))
    with ThreadPoolExecutor(1) as executor, pytest.raises(LookupError, match="mine"):
        executor.submit(fail).result()
    otel_context.detach(token)


def test_somebody_elses_patch_is_left_alone() -> None:
    inner = ThreadContext()
    inner.install()
    before = vars(threading.Thread)["start"]

    def theirs(self: threading.Thread) -> None:
        before.__get__(self, type(self))()

    threading.Thread.start = theirs  # type: ignore[method-assign]
    inner.uninstall()
    assert vars(threading.Thread)["start"] is theirs
    threading.Thread.start = before.__wrapped__  # type: ignore[method-assign]
