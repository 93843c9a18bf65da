"""What a call returned and is still to come, seen to its end: coroutines, generators, futures.

Each is replaced by one of the same type that drives it and adds nothing but the invocation (a
future stays, and tells when it is done).  The span is current while a part of the original runs
and at no other time: around each ``next()``, never across a ``yield``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation import streams
from flowspan.instrumentation.attachment import Footing
from flowspan.instrumentation.invocation import Invocation
from flowspan.instrumentation.opening import completed, failed, replayed
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

    from flowspan.instrumentation.remarks import Remark
    from flowspan.instrumentation.streams import Observation

    Seen = Invocation | Remark
    Begin = Callable[[], Seen | None]


class Pending:
    """A coroutine or generator that has not begun, and perhaps never will.

    A coroutine that is never awaited is Python's to warn of, once: of the outer one, which has the
    inner one's name.  The inner one is closed without a word.

    Where it can be, it is made before the inner one: of what the garbage collector finds at once,
    the oldest is finalised first.
    """

    __slots__ = ("_begin", "_inner", "_waiting")

    def __init__(self) -> None:
        self._inner: Any = None
        self._begin: Begin = _left_alone
        self._waiting: Observation | None = None

    def of(self, inner: Any, begin: Begin, waiting: Observation | None = None) -> Pending:
        """Take what is pending, and what starts seeing it."""
        self._inner = inner
        self._begin = begin
        self._waiting = waiting
        return self

    def begun(self) -> tuple[Any, Seen | None]:
        """The original, to be driven now, and its invocation; no original where it is replayed.

        Raises:
            FlowspanError: A hook refused the call, as the user asked it to.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            streams.release(waiting)
        try:
            seen = self._begin()
        except BaseException:
            self._close()
            raise
        if seen is not None and seen.replay is not None:
            self._close()
            return None, seen
        inner, self._inner = self._inner, None
        return inner, seen

    def _close(self) -> None:
        if isinstance(self._inner, types.CoroutineType):
            self._inner.close()

    def __del__(self) -> None:
        self._close()
        if self._waiting is not None:
            streams.end_later(self._waiting.dropped)


def _left_alone() -> None:
    return None


def lazily(inner: Any, begin: Begin, pending: Pending) -> Any:
    """What the program gets in place of a coroutine or generator that begins a call when it runs.

    Args:
        inner: The original; anything else is given back as it is.
        begin: Starts seeing the call.
        pending: Made before the original.
    """
    driver = _driver(inner)
    return inner if driver is None else _like(inner, driver(pending.of(inner, begin)))


def finished(seen: Seen, result: Any) -> Any:
    """End a call that returned, or leave it open until its result has ended.

    Returns:
        What the program gets: the result, or one of its type that drives it.
    """
    if type(result) in _TO_COME:
        return _followed(seen, result)
    if seen.site.patch.lazy is None or not _observed(seen, result):
        completed(seen, result)
    return result


def _followed(seen: Seen, result: Any) -> Any:
    driver = _driver(result)
    # What somebody else holds as well may be driven or dropped without us: it is left alone.
    if driver is not None and sys.getrefcount(result) > _OURS:
        driver = None
    if driver is not _awaited and _observed(seen, result):
        return result
    if driver is not None:
        waiting = streams.follow(seen, waiting=driver is _awaited)
        return _like(result, driver(Pending().of(result, lambda: seen, waiting)))
    if type(result) not in _FUTURES or not guarded("future", _when_done, seen, result):
        completed(seen, result)
    return result


def _observed(seen: Seen, result: Any) -> bool:
    lazy = seen.site.patch.lazy
    if lazy is None or not isinstance(seen, Invocation):
        return False
    subject = guarded(f"{seen.site.place} lazy", lazy, seen.call, result)
    if subject is None or not guarded("stream", streams.observe, subject, seen):
        return False
    if subject is seen.call.instance:  # a call that kept it alive would never see it dropped
        seen.call.instance = seen.call.function = None
    return True


def _like(inner: Any, outer: Any) -> Any:
    outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
    return outer


# --- coroutines and futures -------------------------------------------------------------------


async def _awaited(pending: Pending) -> Any:
    inner, seen = pending.begun()
    if seen is None:
        return await inner
    if inner is None:
        return replayed(seen)
    attached = seen.enter()
    try:
        result = await inner
    except BaseException as error:
        if attached is not None:
            attached.detach()
        if isinstance(error, GeneratorExit):  # dropped: perhaps inside the garbage collector
            streams.end_later(seen.abandon)
        else:
            failed(seen, error)
        raise
    if attached is not None:
        attached.detach()
    return finished(seen, result)


def _when_done(seen: Seen, future: Any) -> bool:
    observation = streams.follow(seen)
    future.add_done_callback(functools.partial(guarded, "end of a future", _done, observation))
    return True


def _done(observation: Observation, future: Any) -> None:
    if future.cancelled():
        observation.failed(asyncio.CancelledError())
    # Asked for its exception, a future would no longer complain that nobody did.
    elif (error := getattr(future, "_exception", None)) is not None:
        observation.failed(error)
    else:
        observation.drained(future.result())


# --- generators -------------------------------------------------------------------------------


def _steps(pending: Pending) -> Generator[Any, Any, Any]:
    inner, seen = pending.begun()
    if seen is None:
        return (yield from inner)
    if inner is None:
        return (yield from replayed(seen) or ())
    observation, footing = streams.follow(seen), Footing(seen.enter)
    advance: Callable[..., Any] = inner.send
    value: Any = None
    closing = False
    part: list[Any] = []  # taken out before it is given on: it must not live longer here
    while True:
        footing.enter()
        try:
            part.append(advance(value))
        except BaseException as error:
            footing.leave()
            _over(observation, error, StopIteration, closing=closing)
            if isinstance(error, StopIteration):
                return error.value
            raise
        finally:
            value = None
        footing.leave()
        if closing or observation.joiner is not None:
            _came(observation, part[0], closing=closing)
        try:
            value = yield part.pop()
            advance = inner.send
        except BaseException as error:  # noqa: BLE001 - thrown in by the caller, passed on
            value, advance, closing = error, inner.throw, isinstance(error, GeneratorExit)


@types.coroutine
def _awaitable_steps(pending: Pending) -> Generator[Any, Any, Any]:
    return (yield from _steps(pending))


async def _async_steps(pending: Pending) -> AsyncGenerator[Any, Any]:
    inner, seen = pending.begun()
    if seen is not None and inner is None:
        async for answer in _each(replayed(seen)):
            yield answer
        return
    observation = None if seen is None else streams.follow(seen)
    footing = Footing(_nowhere if seen is None else seen.enter)
    step = [first_step(inner)]  # taken out before it is awaited, as parts are: it may hold an error
    closing = False
    part: list[Any] = []
    while True:
        try:
            part.append(await _async_part(observation, footing, step, closing=closing))
        except StopAsyncIteration:
            return
        try:
            step.append(inner.asend((yield part.pop())))
        except BaseException as error:  # noqa: BLE001 - thrown in by the caller, passed on
            step.append(inner.athrow(error))
            closing = isinstance(error, _LEAVING)


def first_step(inner: AsyncIterator[Any]) -> Any:
    """The first step of an async iterator inside one of ours.

    An event loop closes the generators that it has seen begin: when it ends, and when they are
    dropped.  It is to see ours alone, which closes the original: closing both at once, it would
    find each closing the other, and complain.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _left_to_the_outer)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _left_to_the_outer(_inner: Any) -> None:
    """Nothing: where the collector finds both in one circle, it comes to the inner one as well."""


def _nowhere() -> None:
    """Nothing becomes current."""


async def _async_part(
    observation: Observation | None, footing: Footing, step: list[Any], *, closing: bool
) -> Any:
    if observation is None:
        return await step.pop()
    footing.enter()
    try:
        chunk = await step.pop()
    except BaseException as error:
        footing.leave()
        _over(observation, error, StopAsyncIteration, closing=closing)
        raise
    footing.leave()
    if closing or observation.joiner is not None:
        _came(observation, chunk, closing=closing)
    return chunk


def _came(observation: Observation, part: Any, *, closing: bool) -> None:
    """Tell of a part; after one that comes while a generator is closed, nobody reads on."""
    if closing:
        streams.end_later(observation.dropped)
    else:
        observation.chunk(part)


def _over(
    observation: Observation, error: BaseException, end: type[Exception], *, closing: bool
) -> None:
    """Tell how a generator ended; later if it is being closed, perhaps by the collector."""
    if closing:
        dropped = isinstance(error, (*_LEAVING, end))
        streams.end_later(
            observation.dropped if dropped else functools.partial(observation.failed, error)
        )
    elif isinstance(error, end):
        observation.drained(getattr(error, "value", None))
    else:
        observation.failed(error)


async def _each(answer: Any) -> AsyncGenerator[Any, None]:
    if hasattr(answer, "__aiter__"):
        async for part in answer:
            yield part
    else:
        for part in answer or ():
            yield part


def _driver(result: Any) -> Callable[[Pending], Any] | None:
    driver = _DRIVERS.get(type(result))
    if driver is _steps and result.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return _awaitable_steps
    return driver


_DRIVERS: dict[type, Callable[[Pending], Any]] = {
    types.CoroutineType: _awaited,
    types.GeneratorType: _steps,
    types.AsyncGeneratorType: _async_steps,
}
_LEAVING: Final = (GeneratorExit, asyncio.CancelledError)
"""What reaches a generator that nobody reads on: where the loop ends while it closes what was left,
the closing itself is cancelled, and nothing of the call is."""
_FUTURES: Final = frozenset({asyncio.Future, asyncio.Task, concurrent.futures.Future})
_TO_COME: Final = _FUTURES | _DRIVERS.keys()
_OURS: Final = 4
"""References to a result that nobody else holds: the wrapper's, two here and ``getrefcount``'s."""
