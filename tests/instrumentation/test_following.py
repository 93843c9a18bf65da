"""What a call returned and is still to come is seen to its end, and is what it was without us."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import gc
import inspect
import logging
import subprocess
import sys
import textwrap
import types
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import trace

from flowspan.errors import FlowspanError
from flowspan.instrumentation import streams
from flowspan.instrumentation.hooks import Outcome, Replay, Visit
from flowspan.instrumentation.integration import Call, Integration, Patch
from flowspan.semconv import Kind
from flowspan.testing import Recording, record
from flowspan.usage import Usage


def seen(name: str, **more: Any) -> Integration:
    run = Patch(target=f"toyengine:{name}", kind="run", name=name, **more)
    node = Patch(target="toyengine:Engine.node", kind="node", name="node")
    return Integration("toy", "", (run, node))


def ended(recording: Recording) -> dict[str, Any]:
    streams.settle()
    span = recording.spans.one()
    return {**(span.attributes or {}), "status": span.status.status_code.name}


# --- as without us ----------------------------------------------------------------------------


async def needs_one(x: int) -> int:
    await asyncio.sleep(0)
    return x


def counts_to(x: int) -> Iterator[int]:
    yield from range(x)


async def counts_async_to(x: int) -> AsyncIterator[int]:
    for i in range(x):
        yield i


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        if not args:
            raise LookupError("nothing to do")
        return function(*args)

    return inner


def made_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return asyncio.run(function(*args))

    return inner


@pytest.mark.parametrize("function", [needs_one, counts_to, counts_async_to])
def test_wrong_arguments_are_refused_where_the_call_is_made(
    toy: ModuleType, function: Callable[..., Any]
) -> None:
    vars(toy).update(f=function)
    with record(seen("f")) as recording:
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            toy.f()
        assert len(recording.spans) == 0


@pytest.mark.parametrize("function", [needs_one, counts_to, counts_async_to])
def test_what_is_returned_has_the_names_of_the_original(
    toy: ModuleType, function: Callable[..., Any]
) -> None:
    vars(toy).update(f=function)
    bare = function(1)
    with record(seen("f")):
        ours = toy.f(1)
        assert type(ours) is type(bare)
        assert (ours.__name__, ours.__qualname__) == (bare.__name__, bare.__qualname__)
    for one in (bare, ours):
        if inspect.iscoroutine(one):
            one.close()


@pytest.mark.parametrize("decorated", [needs_one, checked(needs_one)])
def test_a_coroutine_that_is_never_awaited_is_warned_of_once_by_its_name(
    toy: ModuleType, decorated: Callable[..., Any]
) -> None:
    vars(toy).update(f=decorated)
    with record(seen("f")), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        toy.f(1)
        gc.collect()
    assert [str(warning.message) for warning in caught] == [
        "coroutine 'needs_one' was never awaited"
    ]


@pytest.mark.parametrize("decorated", [needs_one, checked(needs_one)])
def test_a_coroutine_that_is_closed_before_it_began_is_not_warned_of(
    toy: ModuleType, decorated: Callable[..., Any]
) -> None:
    vars(toy).update(f=decorated)
    with record(seen("f")):
        toy.f(1).close()
        gc.collect()


@pytest.mark.parametrize("closed", [False, True])
def test_so_it_is_where_the_garbage_collector_finds_it(toy: ModuleType, *, closed: bool) -> None:
    """Which finalises what it has found in the order in which it was made; closed, it is silent."""
    vars(toy).update(needs_one=needs_one)
    gc.collect()
    with record(seen("needs_one")), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        circle: list[Any] = [toy.needs_one(1)]
        if closed:
            circle[0].close()
        circle.append(circle)
        del circle
        gc.collect()

    assert [str(warning.message) for warning in caught] == (
        [] if closed else ["coroutine 'needs_one' was never awaited"]
    )


def test_a_call_whose_coroutine_is_never_awaited_ends_all_the_same(toy: ModuleType) -> None:
    vars(toy).update(f=checked(needs_one))
    with record(seen("f")) as recording:
        toy.f(1).close()

        assert ended(recording)["flowspan.stream.abandoned"] is True


def test_a_coroutine_that_is_left_at_the_end_had_not_begun(toy: ModuleType) -> None:
    """A model call that nobody made has no tokens, not even estimated ones."""

    def none_of_it(_call: Call, _result: Any) -> Usage:
        return Usage(input_tokens=1)

    class Joined:
        def add(self, _chunk: Any) -> bool | None:
            raise AssertionError("there is none")

        def result(self) -> str:
            return "what was asked, at least"

    row = Patch(target="toyengine:f", kind="llm", usage=none_of_it, join=lambda _call: Joined())
    vars(toy).update(f=checked(needs_one))
    with record(Integration("toy", "", (row,)), priced=True) as recording:
        left = toy.f(1)
        streams.end_open()

        known = ended(recording)
        left.close()

    assert known["flowspan.stream.abandoned"] is True
    assert "gen_ai.usage.input_tokens" not in known
    assert "flowspan.cost.status" not in known


async def test_a_coroutine_awaited_twice_is_refused_as_before(toy: ModuleType) -> None:
    vars(toy).update(f=needs_one)
    with record(seen("f")) as recording:
        coroutine = toy.f(3)
        assert await coroutine == 3
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await coroutine
        assert len(recording.spans) == 1


def test_a_decorator_that_makes_a_coroutine_function_synchronous_is_believed(
    toy: ModuleType,
) -> None:
    vars(toy).update(f=made_sync(needs_one))
    with record(seen("f")) as recording:
        assert toy.f(7) == 7
        assert len(recording.spans) == 1


def test_what_a_decorator_does_at_the_call_is_done_at_the_call(toy: ModuleType) -> None:
    vars(toy).update(f=checked(needs_one))
    with record(seen("f")) as recording:
        with pytest.raises(LookupError):
            toy.f()
        assert ended(recording)["error.type"] == "LookupError"


async def test_a_generator_based_coroutine_can_be_awaited(toy: ModuleType) -> None:
    @types.coroutine
    def old(x: int) -> Generator[Any, Any, int]:
        yield
        return x

    vars(toy).update(f=old)
    with record(seen("f")) as recording:
        assert inspect.isawaitable(toy.f(1))
        assert await toy.f(5) == 5
        assert recording.spans.tree() == "invoke_workflow f"


def test_a_coroutine_driven_by_hand_in_copied_contexts_leaves_no_complaint(
    toy: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    vars(toy).update(f=needs_one)
    with record(seen("f")) as recording:
        coroutine = toy.f(1)
        contextvars.copy_context().run(coroutine.send, None)
        contextvars.copy_context().run(coroutine.close)
        assert ended(recording)["flowspan.stream.abandoned"] is True

        coroutine = toy.f(1)

        def inside() -> None:
            coroutine.send(None)
            contextvars.copy_context().run(coroutine.close)

        contextvars.copy_context().run(inside)
        streams.settle()
    assert len(recording.spans) == 2
    assert not [entry for entry in caplog.records if entry.levelno >= logging.WARNING]


# --- results that a plain function gives ------------------------------------------------------


async def test_a_task_is_seen_until_it_is_done_and_stays_the_same_object(toy: ModuleType) -> None:
    tasks = []

    def start(x: int) -> asyncio.Task[int]:
        tasks.append(asyncio.ensure_future(needs_one(x)))
        return tasks[0]

    vars(toy).update(f=start)
    replies = []

    def response(_: Any, reply: int) -> dict[str, Any]:
        replies.append(reply)
        return {}

    with record(seen("f", response=response)) as recording:
        task = toy.f(4)
        assert task is tasks[0]
        assert len(recording.spans) == 0
        assert await task == 4
        await asyncio.sleep(0)
        assert ended(recording)["status"] == "UNSET"
    assert replies == [4]


def test_a_failed_future_that_nobody_asked_still_complains(
    toy: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise LookupError("lost")

    async def main() -> None:
        task = toy.f()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    vars(toy).update(f=lambda: asyncio.ensure_future(fail()))
    with record(seen("f")) as recording:
        asyncio.run(main())
        assert ended(recording)["error.type"] == "LookupError"
    assert "Task exception was never retrieved" in caplog.text


async def test_a_cancelled_future_is_an_interruption(toy: ModuleType) -> None:
    future = asyncio.get_running_loop().create_future()
    vars(toy).update(f=lambda: future)
    with record(seen("f")) as recording:
        assert toy.f() is future
        future.cancel()
        await asyncio.sleep(0)
        assert ended(recording)["flowspan.interruption"] == "CancelledError"


def test_a_future_of_a_pool_is_seen_until_it_is_done(toy: ModuleType) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        vars(toy).update(f=lambda: pool.submit(lambda: 5))
        with record(seen("f")) as recording:
            assert toy.f().result() == 5
            pool.shutdown()
            assert ended(recording)["status"] == "UNSET"


def test_a_generator_that_a_plain_function_gives_is_seen_to_its_end(toy: ModuleType) -> None:
    vars(toy).update(f=lambda: toy.Engine().parts(2), g=lambda: toy.Engine().aparts(2))
    with record(seen("f")) as recording:
        outside = [trace.get_current_span().get_span_context().is_valid for _ in toy.f()]
        assert outside == [False, False]
        assert recording.spans.tree() == "invoke_workflow f\n  run_step node\n  run_step node"


async def test_an_async_generator_that_a_function_gives_is_seen_to_its_end(
    toy: ModuleType,
) -> None:
    async def stream() -> AsyncIterator[int]:
        result: AsyncIterator[int] = toy.Engine().aparts(2)
        return result

    vars(toy).update(f=lambda: toy.Engine().aparts(2), g=stream)
    for name in ("f", "g"):
        with record(seen(name)) as recording:
            found = getattr(toy, name)()
            parts = [part async for part in (await found if name == "g" else found)]
            assert parts == [0, 1]
            assert recording.spans.tree() == (
                f"invoke_workflow {name}\n  run_step node\n  run_step node"
            )


def test_a_generator_that_somebody_else_holds_is_left_alone(toy: ModuleType) -> None:
    kept = iter(toy.Engine().parts(3))
    vars(toy).update(f=lambda: kept)
    with record(seen("f")) as recording:
        assert [next(toy.f()), next(toy.f()), next(toy.f())] == [0, 1, 2]
        assert toy.f() is kept
        assert len([span for span in recording.spans if span.name == "invoke_workflow f"]) == 4


# --- generators -------------------------------------------------------------------------------


def _gen_with_answer() -> Generator[int, None, str]:
    try:
        yield 1
    except GeneratorExit:
        return "closed"
    return "drained"


@pytest.mark.parametrize("error", [GeneratorExit, GeneratorExit("mine"), KeyError("k")])
def test_what_is_thrown_in_meets_the_original_as_it_would_without_us(
    toy: ModuleType, error: Any
) -> None:
    def behaviour(make: Callable[[], Generator[int, None, str]]) -> Any:
        generator = make()
        next(generator)
        try:
            return generator.throw(error)
        except BaseException as raised:  # noqa: BLE001 - compared
            return type(raised), str(raised)

    def refuses() -> Generator[int, None, str]:
        while True:
            try:
                yield 1
            except GeneratorExit:
                yield 2

    for function in (_gen_with_answer, refuses):
        vars(toy).update(f=function)
        expected = behaviour(function)
        with record(seen("f")):
            assert behaviour(toy.f) == expected


def test_close_gives_what_the_original_gives(toy: ModuleType) -> None:
    def closed(make: Callable[[], Generator[int, None, str]]) -> Any:
        generator = make()
        next(generator)
        return generator.close()

    vars(toy).update(f=_gen_with_answer)
    expected = closed(_gen_with_answer)  # from Python 3.13 on the value that it returned
    with record(seen("f")):
        assert closed(toy.f) == expected


async def test_what_an_async_generator_does_when_it_is_closed_belongs_to_it(
    toy: ModuleType,
) -> None:
    async def careful() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            toy.Engine().node(7)

    vars(toy).update(f=careful)
    with record(seen("f")) as recording:
        async for _ in (generator := toy.f()):
            break
        await generator.aclose()
        streams.settle()
        assert recording.spans.tree() == "invoke_workflow f\n  run_step node"


def test_a_loop_that_ends_closes_an_open_async_generator_without_complaint(
    toy: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    kept = []

    async def careful() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0.01)
            kept.append("closed")

    async def main() -> None:
        generator = toy.f()
        kept.append(generator)
        await anext(generator)

    vars(toy).update(f=careful)
    for _ in range(10):
        with record(seen("f")) as recording:
            asyncio.run(main())
            assert ended(recording)["flowspan.stream.abandoned"] is True
        assert kept[-1] == "closed"
    assert not caplog.records


class Part:
    """Something that can be watched being freed."""


def test_parts_live_no_longer_than_without_us(toy: ModuleType) -> None:
    def parts() -> Iterator[Part]:
        yield Part()
        yield Part()

    vars(toy).update(f=parts)
    with record(seen("f")):
        generator = toy.f()
        reference = weakref.ref(next(generator))
        assert reference() is None
        generator.close()


@pytest.mark.parametrize("way", ["broken out of", "thrown into"])
async def test_an_async_generator_leaves_no_circles(toy: ModuleType, way: str) -> None:
    async def parts() -> AsyncIterator[int]:
        while True:
            try:
                yield 1
            except KeyError:
                yield 2

    async def use() -> None:
        generator = toy.f()
        await anext(generator)
        if way == "thrown into":
            assert await generator.athrow(KeyError()) == 2
        await generator.aclose()

    vars(toy).update(f=parts)
    with record(seen("f")):
        await use()
        streams.settle()
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                await use()
            streams.settle()
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("how", ["raised", "thrown", "awaited"])
def test_an_exception_and_what_its_frames_hold_live_no_longer_than_without_us(
    toy: ModuleType, how: str
) -> None:
    references = []

    def fail() -> None:
        part = Part()
        references.append(weakref.ref(part))
        raise LookupError

    def generate() -> Iterator[None]:
        while True:
            try:
                yield
            except KeyError:
                fail()

    async def wait() -> None:
        fail()

    def drive() -> None:
        try:
            if how == "raised":
                toy.f()
            elif how == "thrown":
                generator = toy.f()
                next(generator)
                generator.throw(KeyError())
            else:
                toy.f().send(None)
        except LookupError:
            pass

    vars(toy).update(f={"raised": fail, "thrown": generate, "awaited": wait}[how])
    gc.disable()
    try:
        with record(seen("f")):
            drive()
            assert [reference() for reference in references] == [None]
    finally:
        gc.enable()


# --- rows without a span ----------------------------------------------------------------------


def _told(call: Call, result: Any) -> dict[str, Any]:
    return {f"told.{getattr(call.function, '__name__', '')}": str(result)}


async def test_rows_without_a_span_follow_as_well(toy: ModuleType) -> None:
    """What they know goes to the call around them when the result has ended."""

    async def around() -> list[Any]:
        return [
            await toy.a(1),
            list(toy.b(2)),
            [part async for part in toy.c(2)],
            toy.d(),
            next(iter(toy.b(2))),
        ]

    @contextlib.contextmanager
    def block() -> Iterator[int]:
        yield 1

    def enter_block() -> int:
        with toy.e() as value:
            return int(value)

    vars(toy).update(around=around, a=needs_one, b=counts_to, c=counts_async_to)
    vars(toy).update(d=enter_block, e=block)
    remarks = [Patch(target=f"toyengine:{name}", response=_told) for name in "abcde"]
    run = Patch(target="toyengine:around", kind="run", name="around")
    with record(Integration("toy", "", (run, *remarks))) as recording:
        assert await toy.around() == [1, [0, 1], [0, 1], 1, 0]
        assert await toy.a(1) == 1  # outside any call
        attributes = dict(recording.spans.one().attributes or {})
        told = {key: value for key, value in attributes.items() if key.startswith("told.")}
        assert told == {
            "told.needs_one": "1",
            "told.counts_to": "None",
            "told.counts_async_to": "None",
            "told.enter_block": "1",
            "told.block": "1",
        }


async def test_what_is_suppressed_runs_as_before(toy: ModuleType) -> None:
    from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415

    vars(toy).update(f=counts_async_to, g=needs_one, h=counts_to)
    patches = [Patch(target=f"toyengine:{name}", kind="run") for name in "fgh"]
    with record(Integration("toy", "", tuple(patches))) as recording:
        with suppress_instrumentation():
            assert [part async for part in toy.f(2)] == [0, 1]
            assert await toy.g(1) == 1
            assert list(toy.h(2)) == [0, 1]
        assert len(recording.spans) == 0
        recording.patcher._machine.active = False  # type: ignore[union-attr]
        assert list(toy.h(2)) == [0, 1]


async def test_generators_with_a_joiner_have_its_result(toy: ModuleType) -> None:
    class Sum:
        def __init__(self, _: Any) -> None:
            self.sum = 0

        def add(self, chunk: int) -> None:
            self.sum += chunk

        def result(self) -> int:
            return self.sum

    vars(toy).update(f=counts_to, g=counts_async_to)
    for name in "fg":
        patches = seen(name, join=Sum, response=lambda _c, sum_: {"sum": sum_})
        with record(patches) as recording:
            if name == "f":
                assert list(toy.f(4)) == [0, 1, 2, 3]
            else:
                assert [part async for part in toy.g(4)] == [0, 1, 2, 3]
            assert ended(recording)["sum"] == 6


def test_a_generator_that_goes_on_when_it_is_closed_ends_there(toy: ModuleType) -> None:
    """Python makes an error of it, and nobody reads on: the call does not stay open."""

    def stubborn() -> Iterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2
        yield 3

    vars(toy).update(make=stubborn)
    with record(seen("make")) as recording:
        parts = toy.make()
        assert next(parts) == 1
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            parts.close()
        known = ended(recording)
        assert next(parts) == 3

    assert known["flowspan.stream.abandoned"] is True
    assert known["status"] == "UNSET"


def test_an_async_generator_that_goes_on_when_it_is_closed_ends_there(toy: ModuleType) -> None:
    """Likewise."""

    async def stubborn() -> AsyncIterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2
        yield 3

    async def drive(recording: Recording) -> dict[str, Any]:
        parts = toy.make()
        assert await anext(parts) == 1
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            await parts.aclose()
        return ended(recording)

    vars(toy).update(make=stubborn)
    with record(seen("make")) as recording:
        known = asyncio.run(drive(recording))

    assert known["flowspan.stream.abandoned"] is True
    assert known["status"] == "UNSET"


def test_a_generator_that_fails_while_it_is_closed_fails(toy: ModuleType) -> None:
    def careless() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise LookupError("while closing")

    vars(toy).update(f=careless)
    with record(seen("f")) as recording:
        generator = toy.f()
        next(generator)
        with pytest.raises(LookupError):
            generator.close()
        assert ended(recording)["error.type"] == "LookupError"


async def test_an_async_replay_may_be_async(toy: ModuleType) -> None:
    vars(toy).update(f=counts_async_to, g=counts_to)
    rows = Integration(
        "toy", "", tuple(Patch(target=f"toyengine:{name}", kind="run") for name in "fg")
    )
    with record(rows, hooks=(Hook(Replay(counts_async_to(2))),)):
        assert [part async for part in toy.f(9)] == [0, 1]
    with record(rows, hooks=(Hook(Replay(None)),)):
        assert [part async for part in toy.f(9)] == []
        assert list(toy.g(9)) == []


def test_a_future_that_takes_no_callbacks_is_the_result(toy: ModuleType) -> None:
    class Odd(concurrent.futures.Future[int]):
        pass

    future: Any = concurrent.futures.Future()
    future.add_done_callback = None
    vars(toy).update(f=lambda: future, g=Odd)
    with record(seen("f"), strict=False) as recording:
        assert toy.f() is future
        assert len(recording.spans) == 1
    with record(seen("g")) as recording:
        assert type(toy.g()) is Odd


# --- hooks ------------------------------------------------------------------------------------


class Hook:
    kinds: frozenset[Kind] = frozenset({"run"})

    def __init__(self, answer: Replay | None) -> None:
        self.answer = answer

    def before(self, visit: Visit) -> Replay | None:
        del visit
        if self.answer is None:
            raise FlowspanError("no more money")
        return self.answer

    def after(self, visit: Visit, outcome: Outcome) -> None:
        """Nothing to add."""


async def test_a_replay_is_given_in_the_form_that_the_call_would_have(toy: ModuleType) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the original runs though it is replayed")

    async def never_async(*_: Any) -> Any:
        never()

    def never_gen(*_: Any) -> Iterator[int]:
        never()
        yield 1

    async def never_agen(*_: Any) -> AsyncIterator[int]:
        never()
        yield 1

    vars(toy).update(a=never_async, b=checked(never_async), c=never_gen, d=never_agen)
    patches = [Patch(target=f"toyengine:{name}", kind="run", name=name) for name in "abcd"]
    with record(Integration("toy", "", tuple(patches)), hooks=(Hook(Replay([1, 2])),)) as recording:
        assert await toy.a(0) == [1, 2]
        assert await toy.b(0) == [1, 2]
        assert list(toy.c(0)) == [1, 2]
        assert [part async for part in toy.d(0)] == [1, 2]
        replayed = [(span.attributes or {})["flowspan.replayed"] for span in recording.spans]
        assert replayed == [True] * 4


async def test_a_refused_coroutine_is_not_said_to_be_never_awaited(toy: ModuleType) -> None:
    vars(toy).update(f=needs_one)
    with record(seen("f"), hooks=(Hook(None),)):
        with pytest.raises(FlowspanError, match="no more money"):
            await toy.f(1)
        gc.collect()


# --- observed objects -------------------------------------------------------------------------


def test_two_calls_that_give_the_same_stream_both_end_with_it(toy: ModuleType) -> None:
    def give(_call: Any, result: Any) -> Any:
        return result

    vars(toy).update(outer=lambda: toy.Model().stream(["a", "b"]))
    rows = Integration(
        "toy",
        "",
        (
            Patch(target="toyengine:outer", kind="agent", name="outer", lazy=give),
            Patch(target="toyengine:Model.stream", kind="llm", name="inner", lazy=give),
            Patch(target="toyengine:Stream.__iter__", role="iterate"),
            Patch(target="toyengine:Stream.close", role="close"),
        ),
    )
    with record(rows) as recording:
        stream = toy.outer()
        assert list(stream) == ["a", "b"]
        assert recording.spans.tree() == "invoke_agent outer\n  chat inner"


class Lazy:
    """A lazy result of an engine: its nodes run while it is read, in each of four ways."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.left = 2

    def __iter__(self) -> Iterator[int]:
        while self.left:
            try:
                yield self.take()
            except KeyError:
                yield -1

    async def __aiter__(self) -> AsyncIterator[int]:
        while self.left:
            try:
                yield await self.atake()
            except KeyError:
                yield -1

    def take(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        self.engine.node(self.left)
        return self.left

    async def atake(self) -> int:
        await asyncio.sleep(0)
        if not self.left:
            raise StopAsyncIteration
        return self.take()


class OwnLazy(Lazy):
    __iter__ = Lazy.__iter__
    __aiter__ = Lazy.__aiter__

    def take(self) -> int:
        return super().take()

    async def atake(self) -> int:
        return await super().atake()


def _same(_call: Any, result: Any) -> Any:
    return result


LAZY = (
    Patch(target="toyengine:f", kind="run", name="lazy", lazy=_same),
    Patch(target="toyengine:Engine.node", kind="node", name="node"),
    Patch(target="toyengine:OwnLazy.__iter__", role="iterate"),
    Patch(target="toyengine:OwnLazy.__aiter__", role="iterate"),
    Patch(target="toyengine:OwnLazy.take", role="next"),
    Patch(target="toyengine:OwnLazy.atake", role="next"),
)


@pytest.mark.parametrize("way", ["iterate", "aiterate", "take", "atake"])
async def test_what_runs_while_a_lazy_result_is_read_is_inside_its_call(
    toy: ModuleType, way: str
) -> None:
    vars(toy).update(OwnLazy=OwnLazy, f=lambda: OwnLazy(toy.Engine()))
    with record(Integration("toy", "", LAZY)) as recording:
        lazy = toy.f()
        if way == "iterate":
            assert list(lazy) == [1, 0]
        elif way == "aiterate":
            assert [part async for part in lazy] == [1, 0]
        elif way == "take":
            assert [lazy.take(), lazy.take()] == [1, 0]
        else:
            assert [await lazy.atake(), await lazy.atake()] == [1, 0]
        assert not trace.get_current_span().get_span_context().is_valid
        del lazy
        streams.settle()
        assert recording.spans.tree() == "invoke_workflow lazy\n  run_step node\n  run_step node"


class Plain:
    """An iterator of the plainest kind, for both ways: it cannot be closed or thrown into."""

    def __init__(self) -> None:
        self.left = 2

    def __iter__(self) -> Plain:
        return self

    def __aiter__(self) -> Plain:
        return self

    def __next__(self) -> int:
        self.left -= 1
        if self.left < 0:
            raise LookupError("no more")
        return self.left

    async def __anext__(self) -> int:
        return next(self)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("way", ["closed", "thrown into", "failed"])
async def test_an_iterator_that_only_iterates_is_reported_as_well(
    toy: ModuleType, way: str, *, is_async: bool
) -> None:
    async def after_one(iterator: Any) -> None:
        assert (await anext(iterator) if is_async else next(iterator)) == 1
        if way == "closed":
            await iterator.aclose() if is_async else iterator.close()
        elif way == "thrown into":
            await iterator.athrow(KeyError()) if is_async else iterator.throw(KeyError())
        else:
            for _ in range(2):
                await anext(iterator) if is_async else next(iterator)

    class OwnPlain(Plain):
        __iter__ = Plain.__iter__
        __aiter__ = Plain.__aiter__

    vars(toy).update(OwnPlain=OwnPlain, make=lambda: OwnPlain())  # noqa: PLW0108 - it is patched
    rows = (
        Patch(target="toyengine:make", kind="run", name="f", lazy=_same),
        Patch(target="toyengine:OwnPlain.__iter__", role="iterate"),
        Patch(target="toyengine:OwnPlain.__aiter__", role="iterate"),
    )
    with record(Integration("toy", "", rows)) as recording:
        made = toy.make()
        with contextlib.suppress(KeyError, LookupError):
            await after_one(aiter(made) if is_async else iter(made))
        del made
        gc.collect()
        assert ended(recording).get("error.type") == ("LookupError" if way == "failed" else None)


async def test_what_is_thrown_into_the_iteration_reaches_it(toy: ModuleType) -> None:
    vars(toy).update(OwnLazy=OwnLazy, f=lambda: OwnLazy(toy.Engine()))
    with record(Integration("toy", "", LAZY)):
        iterator: Any = iter(toy.f())
        assert [next(iterator), iterator.throw(KeyError()), next(iterator)] == [1, -1, 0]
        async_iterator: Any = aiter(toy.f())
        assert await anext(async_iterator) == 1
        assert await async_iterator.athrow(KeyError()) == -1
        assert await anext(async_iterator) == 0


@pytest.mark.parametrize("kind", ["generator", "stream"])
def test_no_thread_to_start_costs_the_program_nothing(
    toy: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads may be refused by the system, and from 3.12 on while the interpreter ends."""
    monkeypatch.setattr(streams, "_observed", streams._Observed())

    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    with record(
        Integration(
            "toy",
            "",
            (
                Patch(target="toyengine:Engine.parts", kind="run", name="parts"),
                Patch(target="toyengine:Model.stream", kind="run", lazy=lambda _c, result: result),
            ),
        )
    ) as recording:
        monkeypatch.setattr("flowspan.background.start_new_thread", refused)
        if kind == "generator":
            next(toy.Engine().parts(2))
        else:
            toy.Model().stream(["a"])
        gc.collect()
        assert ended(recording)["flowspan.stream.abandoned"] is True


def test_a_generator_that_is_open_when_the_process_ends_is_ended() -> None:
    program = """
    import sys
    from types import ModuleType
    toy = sys.modules["toyengine"] = ModuleType("toyengine")
    def parts():
        yield 1
        yield 2
    toy.parts = parts
    from flowspan.delivery.deadline import Deadline
    from flowspan.delivery.endings import Endings
    from flowspan.instrumentation.integration import Call, Integration, Patch
    from flowspan.testing import record
    recording = record(Integration("toy", "", (Patch(target="toyengine:parts", kind="run"),)))
    recorded = recording.__enter__()
    class Show:
        def force_flush(self, timeout_millis=0):
            print([span.name for span in recorded.spans])
    Endings((Show(),), Deadline(2.0)).install()
    kept = toy.parts()
    next(kept)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "['invoke_workflow toy']\n"
    assert done.stderr == ""


# --- what a generator leaves current --------------------------------------------------------------


class Speaker:
    """An engine that makes a span of its own in a generator, across its parts."""

    def parts(self, tracer: Any) -> Iterator[str]:
        with tracer.start_as_current_span("own"):
            yield "one"
            self.work()
            yield "two"
        self.work()

    async def parts_later(self, tracer: Any) -> AsyncIterator[str]:
        for part in self.parts(tracer):
            yield part

    def work(self) -> None:
        """What is seen of it."""


SPEAKER = Integration(
    "speaker",
    "",
    (
        Patch(target=f"{__name__}:Speaker.parts", label="run", kind="run", name="speaker"),
        Patch(target=f"{__name__}:Speaker.parts_later", label="run", kind="run", name="later"),
        Patch(target=f"{__name__}:Speaker.work", label="work", kind="node"),
    ),
)


@pytest.mark.parametrize("later", [True, False])
def test_what_a_generator_made_current_is_so_in_its_next_part(*, later: bool) -> None:
    """And not in between, where somebody else's work is."""
    with record(SPEAKER) as recording:
        tracer, speaker = recording.tracer_provider.get_tracer("engine"), Speaker()

        async def read() -> None:
            async for _ in speaker.parts_later(tracer):
                speaker.work()

        if later:
            asyncio.run(read())
        else:
            for _ in speaker.parts(tracer):
                speaker.work()

    by_id = {span.context.span_id: span.name for span in recording.spans}
    around = [
        span.parent and by_id[span.parent.span_id]
        for span in recording.spans.named("run_step work")
    ]
    assert around == [None, "own", None, "invoke_workflow speaker"]
