"""Runs one way of calling a model from connecting to disconnecting, as a program would."""

from __future__ import annotations

import asyncio
import gc
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from conformance.endings import DRAINED, Ending
from conformance.vocabulary import Opened, Way
from flowspan.testing import FakeProvider, Gate

_SETTLE_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.001


@dataclass(slots=True)
class Driven:
    """What a program got.

    Attributes:
        result: The result of a whole call, or what its ending made of a stream.
        error: The exception that it got instead.
        applied: False where the stream cannot be ended in that manner; it was dropped then.
    """

    result: Any = None
    error: BaseException | None = None
    applied: bool = True


def always() -> bool:
    """Nothing is to be waited for."""
    return True


def drive(
    way: Way,
    provider: FakeProvider,
    ending: Ending = DRAINED,
    *,
    settled: Callable[[], bool] = always,
    connect: Callable[[FakeProvider], Any] | None = None,
) -> Driven:
    """Make one call and, if it is a stream, end it so.

    Args:
        way: How to call.
        provider: Whom to call.
        ending: What to do with a stream.
        settled: Asked before the client is closed until it is true (but for a few seconds at
            most): whether everything has been seen.
        connect: Makes the client, if not ``way.connect``.
    """
    make = connect or way.connect
    if way.asynchronous:
        return asyncio.run(_drive_awaited(way, make, provider, ending, settled))
    client = make(provider)
    try:
        driven = _called(way, client, ending)
        _collect_until(settled if driven.applied else always)
    finally:
        if way.disconnect is not None:
            way.disconnect(client)
    return driven


def drive_cancelled(
    way: Way, provider: FakeProvider, gate: Gate, *, settled: Callable[[], bool]
) -> Driven:
    """Cancel the task of an asynchronous way while its answer stands at a gate.

    A stream is cancelled once its first item was read: before, it is not known how far it came.
    """

    async def cancelled() -> Driven:
        begun = asyncio.Event()
        client = way.connect(provider)
        try:
            task = asyncio.create_task(_called_awaited(way, client, _saying(begun)))
            await asyncio.to_thread(gate.wait_until_reached)
            if way.stream:
                await begun.wait()
            task.cancel()
            try:
                driven = await task
            except asyncio.CancelledError as error:
                driven = Driven(error=error)
            await _async_collect_until(settled)
        finally:
            await _disconnect(way, client)
        return driven

    return asyncio.run(cancelled())


def _saying(begun: asyncio.Event) -> Ending:
    """A stream is read to its end, and its first item is told."""

    async def read(opened: Opened) -> None:
        async for _ in opened.items():
            begun.set()

    return replace(DRAINED, awaited=read)


def _called(way: Way, client: Any, ending: Ending) -> Driven:
    try:
        result = way.run(client)
        if not isinstance(result, Opened):
            return Driven(result)
        if not ending.applies(result):
            return Driven(applied=False)
        return Driven(ending.sync(result))
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        return Driven(error=error)


async def _drive_awaited(
    way: Way,
    connect: Callable[[FakeProvider], Any],
    provider: FakeProvider,
    ending: Ending,
    settled: Callable[[], bool],
) -> Driven:
    client = connect(provider)
    try:
        driven = await _called_awaited(way, client, ending)
        await _async_collect_until(settled if driven.applied else always)
    finally:
        await _disconnect(way, client)
    return driven


async def _called_awaited(way: Way, client: Any, ending: Ending) -> Driven:
    try:
        result = await way.run(client)
        if not isinstance(result, Opened):
            return Driven(result)
        if not ending.applies(result):
            return Driven(applied=False)
        return Driven(await ending.awaited(result))
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        return Driven(error=error)


async def _disconnect(way: Way, client: Any) -> None:
    if way.disconnect is not None:
        closing = way.disconnect(client)
        if inspect.isawaitable(closing):
            await closing


# --- what was dropped ends when it is collected ---------------------------------------------------


def _collect_until(settled: Callable[[], bool]) -> None:
    for _ in _collections(settled):
        time.sleep(_PAUSE_SECONDS)


async def _async_collect_until(settled: Callable[[], bool]) -> None:
    for _ in _collections(settled):
        await asyncio.sleep(_PAUSE_SECONDS)


def _collections(settled: Callable[[], bool]) -> Iterator[None]:
    """What is young is collected after every pause, what is old at growing intervals: it is dear.

    Most of what waits for nothing but the provider, which takes a moment to see what was left.
    """
    begun = time.monotonic()
    due = _PAUSE_SECONDS
    while not settled() and (waited := time.monotonic() - begun) < _SETTLE_SECONDS:
        if waited < due:
            gc.collect(1)
        else:
            gc.collect()
            due = 2 * (time.monotonic() - begun)
        yield
