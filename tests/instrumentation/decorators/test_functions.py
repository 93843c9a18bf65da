"""Decorated functions of every kind: one span for each call, and the program as it was."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from span_kit import attributes

import flowspan
from flowspan import semconv
from flowspan.testing import Recording, record


def seen(function: Any, *args: Any, **options: Any) -> Any:
    with record(**options) as recording:
        function(*args)
    return recording.spans


@flowspan.tool
def add(one: int, other: int = 1) -> int:
    return one + other


@flowspan.tool("search")
async def search(query: str) -> str:
    await asyncio.sleep(0)
    return add(len(query)) * query


@flowspan.node
def parts(count: int) -> Iterator[int]:
    for at in range(count):
        yield add(at)


@flowspan.agent
async def answers(count: int) -> AsyncIterator[str]:
    for at in range(count):
        yield await search("x" * at)


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @flowspan.node("{self.name}", id="{key}")
    def work(self, key: str) -> str:
        return self.look(key)

    @flowspan.tool
    async def wait(self) -> str:
        return self.name

    @flowspan.tool
    @staticmethod
    def look(key: str) -> str:
        return key.upper()

    @staticmethod
    @flowspan.tool
    def glance(key: str) -> str:
        return key

    @flowspan.step
    @classmethod
    def made(cls, name: str) -> Desk:
        return cls(name)

    @classmethod
    @flowspan.step
    def built(cls, name: str) -> Desk:
        return cls(name)

    @property
    @flowspan.tool
    def size(self) -> int:
        return len(self.name)


@flowspan.run("article", topic="{topic}")
def write(topic: str) -> list[Any]:
    desk = Desk.made(topic)
    return [desk.work("k"), list(parts(2)), asyncio.run(search(topic)), desk.size]


def test_a_decorated_program_is_one_tree() -> None:
    spans = seen(write, "tea")

    assert (
        spans.tree("topic", semconv.NODE_ID, semconv.KIND)
        == """\
invoke_workflow article topic='tea' flowspan.kind='run'
  run_step Desk.made flowspan.kind='step'
  run_step tea flowspan.node.id='k' flowspan.kind='node'
    execute_tool Desk.look flowspan.kind='tool'
  run_step parts flowspan.node.id='parts' flowspan.kind='node'
    execute_tool add flowspan.kind='tool'
    execute_tool add flowspan.kind='tool'
  execute_tool search flowspan.kind='tool'
    execute_tool add flowspan.kind='tool'
  execute_tool Desk.size flowspan.kind='tool'"""
    )
    assert spans[0].attributes[semconv.ENGINE] == "decorators"
    assert len({span.attributes[semconv.RUN_ID] for span in spans}) == 1


@pytest.mark.parametrize("on", [True, False])
def test_results_are_what_they_were(*, on: bool) -> None:
    async def all_answers() -> list[str]:
        return [each async for each in answers(2)]

    def use() -> Any:
        desk = Desk.built("tea")
        return (
            write("tea"),
            asyncio.run(all_answers()),
            desk.work("k"),
            Desk.work(desk, "k"),
            asyncio.run(desk.wait()),
            Desk.look("k"),
            desk.look("k"),
            desk.glance("k"),
            Desk.made("x").name,
            add(one=1, other=2),
        )

    expected = (
        ["K", [1, 2], "tea" * 4, 3], ["", "xx"], "K", "K", "tea", "K", "K", "k", "x", 3
    )  # fmt: skip
    with record() if on else contextlib.nullcontext():
        assert use() == expected


def test_an_async_generator_is_current_while_its_parts_run() -> None:
    async def use() -> None:
        async for _ in answers(2):
            add(1)

    spans = seen(lambda: asyncio.run(use()))

    assert (
        spans.tree()
        == """\
invoke_agent answers
  execute_tool search
    execute_tool add
  execute_tool search
    execute_tool add
execute_tool add
execute_tool add"""
    )


def test_a_generator_may_be_sent_to_thrown_into_and_closed() -> None:
    log: list[Any] = []

    @flowspan.node
    def talk() -> Any:
        try:
            while True:
                try:
                    log.append((yield "said"))
                except KeyError as error:
                    log.append(type(error))
        finally:
            log.append("closed")

    with record() as recording:
        talking = talk()
        assert next(talking) == "said"
        talking.send(1)
        talking.throw(KeyError())
        talking.close()

    assert log == [1, KeyError, "closed"]
    assert attributes(recording.spans.one())[semconv.STREAM_ABANDONED] is True


def test_a_coroutine_that_is_cancelled_is_no_error() -> None:
    @flowspan.node
    async def wait() -> None:
        await asyncio.Event().wait()

    async def use() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    span = seen(lambda: asyncio.run(use())).one()

    assert span.status.is_unset
    assert span.attributes[semconv.INTERRUPTION] == "CancelledError"


def test_a_failure_is_the_program_s_own_and_counted_once() -> None:
    @flowspan.node
    def fail() -> None:
        raise LookupError("gone")

    @flowspan.run
    def outer() -> None:
        fail()

    with record() as recording, pytest.raises(LookupError, match="gone"):
        outer()

    assert recording.spans.tree() == "invoke_workflow outer !\n  run_step fail !"
    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 1


def test_control_flow_is_no_error() -> None:
    class Pause(Exception):  # noqa: N818 - it is none
        pass

    @flowspan.node(quiet=[Pause, "StopEarly"])
    def pause() -> None:
        raise Pause

    with record() as recording, pytest.raises(Pause):
        pause()

    assert recording.spans.one().status.is_unset


def test_what_is_said_of_results_and_errors_is_read_after_the_call() -> None:
    @flowspan.tool(hits="{len(result)}", attributes={"app.code": "{error.code}"}, quiet="Stop")
    def find(words: list[str]) -> list[str]:
        if not words:
            error = LookupError()
            error.code = 7  # type: ignore[attr-defined]
            raise error
        return words

    with record() as recording:
        find(["a", "b"])
        with pytest.raises(LookupError):
            find([])

    assert [
        (attributes(span).get("hits"), attributes(span).get("app.code")) for span in recording.spans
    ] == [(2, None), (None, 7)]


def test_numbers_and_lists_are_attributes_as_they_stand() -> None:
    @flowspan.tool(limit=3, ratio=0.5, deep=True, tags=["a", "{kind}"])
    def find(kind: str) -> None: ...

    found = attributes(seen(find, "b").one())

    assert {key: found[key] for key in ("limit", "ratio", "deep", "tags")} == {
        "limit": 3,
        "ratio": 0.5,
        "deep": True,
        "tags": ("a", "b"),
    }


def test_what_a_function_changes_in_a_state_is_told() -> None:
    @flowspan.node(state="shared")
    def act(shared: dict[str, int]) -> None:
        shared["count"] += 1

    (event,) = seen(act, {"count": 1}).one().events

    assert (event.name, event.attributes) == (
        semconv.EVENT_STATE_CHANGED,
        {semconv.STATE_CHANGED: ("count",), semconv.STATE_SIZE: 1},
    )


def test_the_inputs_that_tell_loops_may_be_named() -> None:
    @flowspan.node(inputs="goal")
    def act(goal: str, at: int) -> None: ...

    @flowspan.run
    def go() -> None:
        for at in range(5):
            act("tea", at)

    assert [event.name for event in seen(go)[0].events] == [semconv.EVENT_LOOP_SUSPECTED]


def test_functions_made_by_contextlib_last_as_long_as_their_block() -> None:
    @flowspan.step
    @contextlib.contextmanager
    def opened(name: str) -> Iterator[str]:
        yield name

    def use() -> None:
        with opened("x") as name:
            assert name == "x"
            add(1)

    assert seen(use).tree() == "run_step opened\n  execute_tool add"


def test_callables_that_are_no_functions_can_be_decorated() -> None:
    cached = flowspan.tool(functools.cache(lambda value: value + 1))
    partial = flowspan.tool(functools.partial(add, 1))

    assert cached(1) == 2
    assert cached.cache_info().misses == 1
    assert partial(2) == 3
    spans = seen(lambda: (cached(1), partial(2), flowspan.tool("length")(len)("abc")))
    assert (
        spans.tree()
        == """\
execute_tool <lambda>
execute_tool add
  execute_tool add
execute_tool length"""
    )


def test_it_does_not_matter_when_flowspan_is_switched_on() -> None:
    def early() -> int:
        return 1

    decorated = flowspan.tool(early)
    with record() as one:
        later = flowspan.tool(early)
        decorated()
        later()
    with record() as two:
        decorated()
    decorated()

    assert (len(one.spans), len(two.spans)) == (2, 1)


def test_what_begins_while_flowspan_is_off_is_not_seen_when_it_comes() -> None:
    @flowspan.node
    def act() -> Iterator[int]:
        yield add(1)

    stream = act()
    with record() as recording:
        list(stream)

    assert recording.spans.tree() == "execute_tool add"


def test_said_twice_of_one_function_it_is_one_span_and_the_outer_words_count() -> None:
    @flowspan.node("outer")
    @flowspan.node("inner")
    def act() -> None: ...

    assert seen(act).tree() == "run_step outer"


def test_two_roles_are_two_spans() -> None:
    @flowspan.run
    @flowspan.node
    async def act() -> None: ...

    assert seen(lambda: asyncio.run(act())).tree() == "invoke_workflow act\n  run_step act"


def test_somebody_else_s_decorator_between_two_of_ours_is_kept() -> None:
    calls = []

    def other(function: Any) -> Any:
        @functools.wraps(function)
        def inner(*args: Any) -> Any:
            calls.append(args)
            return function(*args)

        return inner

    @flowspan.node("outer")
    @other
    @flowspan.node("inner")
    def act() -> None: ...

    assert seen(act).tree() == "run_step outer\n  run_step inner"
    assert calls == [()]


@pytest.mark.parametrize(("detail", "kinds"), [
    ("minimal", {"run", "node", "agent"}),
    ("normal", {"run", "node", "agent", "step", "tool"}),
])  # fmt: skip
def test_the_detail_that_is_asked_for_holds(detail: Any, kinds: set[str]) -> None:
    def use() -> None:
        for role in (flowspan.run, flowspan.step, flowspan.node, flowspan.agent, flowspan.tool):
            role(lambda: None)()
            with role("block") as span:
                span.event("hello")

    spans = seen(use, detail=detail)

    assert {span.attributes[semconv.KIND] for span in spans} == kinds
    assert len(spans) == 2 * len(kinds)


def test_a_hundred_runs_in_one_loop_are_a_hundred_trees() -> None:
    async def use() -> None:
        @flowspan.run
        async def go(at: int) -> None:
            await asyncio.sleep(0)
            [part async for part in answers(2)]

        await asyncio.gather(*map(go, range(100)))

    spans = seen(lambda: asyncio.run(use()))

    assert len(spans.roots()) == len(spans.trace_ids()) == 100
    sizes = Counter(span.context.trace_id for span in spans)
    assert set(sizes.values()) == {6}


def test_threads_of_a_pool_see_their_own_calls() -> None:
    with record() as recording, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(add, range(100))) == list(range(1, 101))

    assert len(recording.spans) == 100


def test_what_fails_inside_flowspan_is_not_the_program_s_business(
    recording_calmly: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowspan.instrumentation.decorators import rows  # noqa: PLC0415 - broken here alone

    def broken(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(rows, "patch_of", broken)

    @flowspan.tool
    def act() -> int:
        return 1

    assert (act(), act()) == (1, 1)
    assert len(recording_calmly.spans) == 0


@pytest.fixture
def recording_calmly() -> Iterator[Recording]:
    with record(strict=False) as recording:
        yield recording
