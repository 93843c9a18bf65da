"""How programs end their streams: each a thing that a user of the client may write.

Every ending is there twice, for streams that are read by ``for`` and by ``async for``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from conformance.vocabulary import Opened


class CallerError(Exception):
    """What the program itself raises while it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One way to end a stream.

    Attributes:
        name: For the names of tests and the coverage table.
        sync: Reads and leaves a stream.
        awaited: The same for an asynchronous one.
        applies: Whether a stream can be ended so.
        error: ``error.type`` of the call: the program failed in the stream's own block.
        reads: Whether it reads at all.
    """

    name: str
    sync: Callable[[Opened], Any]
    awaited: Callable[[Opened], Awaitable[Any]]
    applies: Callable[[Opened], bool] = lambda _: True
    error: str | None = None
    reads: bool = True


def _fail() -> NoReturn:
    raise CallerError


def _drain(opened: Opened) -> list[Any]:
    return list(opened.items())


async def _async_drain(opened: Opened) -> list[Any]:
    return [item async for item in opened.items()]


def _break(opened: Opened) -> None:
    for _ in opened.items():
        break


async def _async_break(opened: Opened) -> None:
    async for _ in opened.items():
        break


def _close(opened: Opened) -> None:
    assert opened.close is not None
    items = opened.items()
    next(iter(items))
    opened.close()


async def _async_close(opened: Opened) -> None:
    assert opened.close is not None
    items = opened.items()
    await anext(aiter(items))
    closing = opened.close()
    if isinstance(closing, Awaitable):
        await closing


def _leave_with(opened: Opened) -> None:
    with opened.subject:
        for _ in opened.items():
            break


async def _async_leave_with(opened: Opened) -> None:
    async with opened.subject:
        async for _ in opened.items():
            break


def _raise_in_loop(opened: Opened) -> None:
    try:
        for _ in opened.items():
            _fail()
    except CallerError:
        pass


async def _async_raise_in_loop(opened: Opened) -> None:
    try:
        async for _ in opened.items():
            _fail()
    except CallerError:
        pass


def _raise_in_with(opened: Opened) -> None:
    try:
        with opened.subject:
            for _ in opened.items():
                _fail()
    except CallerError:
        pass


async def _async_raise_in_with(opened: Opened) -> None:
    try:
        async with opened.subject:
            async for _ in opened.items():
                _fail()
    except CallerError:
        pass


def _drop(opened: Opened) -> None:
    next(iter(opened.items()))


async def _async_drop(opened: Opened) -> None:
    await anext(aiter(opened.items()))


def _never_read(opened: Opened) -> None:
    assert opened.subject is not None


async def _async_never_read(opened: Opened) -> None:
    assert opened.subject is not None


def _can_close(opened: Opened) -> bool:
    return opened.close is not None


def _has_block(opened: Opened) -> bool:
    return hasattr(type(opened.subject), "__exit__") or hasattr(type(opened.subject), "__aexit__")


DRAINED: Final = Ending(name="drained", sync=_drain, awaited=_async_drain)

EARLY: Final = (
    Ending(name="break", sync=_break, awaited=_async_break),
    Ending(name="close", sync=_close, awaited=_async_close, applies=_can_close),
    Ending(name="with left", sync=_leave_with, awaited=_async_leave_with, applies=_has_block),
    Ending(name="exception in the loop", sync=_raise_in_loop, awaited=_async_raise_in_loop),
    Ending(
        name="exception in with",
        sync=_raise_in_with,
        awaited=_async_raise_in_with,
        applies=_has_block,
        error="CallerError",
    ),
    Ending(name="dropped", sync=_drop, awaited=_async_drop),
    Ending(name="never read", sync=_never_read, awaited=_async_never_read, reads=False),
)
"""Endings that leave a stream before its end; none is an error of the provider's."""
