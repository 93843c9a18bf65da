"""Context managers: the call lasts as long as the ``with`` block, and is current inside it.

Functions made by ``contextlib`` are recognised.  An object of a class of its own is observed (the
``lazy`` of the row that returned it); rows of the roles ``enter`` and ``exit`` tell of its block.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager, contextmanager
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Self

from flowspan.instrumentation import streams
from flowspan.instrumentation.opening import begin, completed, failed, replayed
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from types import TracebackType

    from flowspan.instrumentation.attachment import Attached
    from flowspan.instrumentation.invocation import Invocation
    from flowspan.instrumentation.machine import Site
    from flowspan.instrumentation.opening import Wrapper
    from flowspan.instrumentation.remarks import Remark
    from flowspan.instrumentation.streams import Observation


# --- functions made by contextlib -------------------------------------------------------------


class _Around:
    """The block of one call: its context, and what it entered with.

    Attributes:
        value: What ``as`` is given.
    """

    def __init__(self, seen: Invocation | Remark | None) -> None:
        self._seen = seen
        self._attached: Attached | None = None
        self.value: Any = None

    def __enter__(self) -> Self:
        self._attached = None if self._seen is None else self._seen.enter()
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._attached is not None:
            self._attached.detach()
        seen = self._seen
        if seen is None:
            return
        if error is None:
            completed(seen, self.value)
        elif isinstance(error, GeneratorExit):  # dropped: perhaps inside the garbage collector
            streams.end_later(seen.abandon)
        else:
            failed(seen, error)


def _made_by_contextlib(site: Site) -> Wrapper:
    @contextmanager
    def block(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[Any]:
        seen = begin(site, wrapped, instance, args, kwargs)
        if seen is not None and seen.replay is not None:
            yield replayed(seen)
            return
        with _Around(seen) as around, wrapped(*args, **kwargs) as around.value:
            yield around.value

    return _of_block(block)


def _made_by_contextlib_for_async(site: Site) -> Wrapper:
    @asynccontextmanager
    async def block(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AsyncIterator[Any]:
        seen = begin(site, wrapped, instance, args, kwargs)
        if seen is not None and seen.replay is not None:
            yield replayed(seen)
            return
        with _Around(seen) as around:
            async with wrapped(*args, **kwargs) as around.value:
                yield around.value

    return _of_block(block)


def _of_block(block: Callable[..., Any]) -> Wrapper:
    """A wrapper that returns a manager of the same type, which may be used as a decorator, too."""

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        original = wrapped(*args, **kwargs)  # it has not begun; wrong arguments are refused here
        manager = block(wrapped, instance, args, kwargs)
        manager.__doc__ = original.__doc__
        return manager

    return call


_OF_CODE: Final[dict[CodeType, Callable[[Site], Wrapper]]] = {
    contextmanager(lambda: iter(())).__code__: _made_by_contextlib,
    asynccontextmanager(lambda: None).__code__: _made_by_contextlib_for_async,  # type: ignore[arg-type, return-value]
}


def manager_wrapper(function: Any) -> Callable[[Site], Wrapper] | None:
    """What makes the wrapper of a function that ``contextlib`` made; ``None`` for others."""
    code = getattr(function, "__code__", None)
    return _OF_CODE.get(code) if isinstance(code, CodeType) else None


# --- objects that are entered and left --------------------------------------------------------


def enter(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of ``__enter__`` or ``__aenter__`` of an observed object."""
    observation = streams.find(instance)
    if observation is None or observation.busy or observation.attached is not None:
        return wrapped(*args, **kwargs)
    attached = observation.invocation.enter()
    observation.busy = True
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _leave(observation, attached, error)
        raise
    finally:
        observation.busy = False
    if inspect.iscoroutine(result):
        if attached is not None:
            attached.detach()
        return _entered(observation, result)
    observation.attached = attached
    return result


async def _entered(observation: Observation, awaitable: Any) -> Any:
    attached = observation.invocation.enter()
    observation.busy = True
    try:
        result = await awaitable
    except BaseException as error:
        _leave(observation, attached, error)
        raise
    finally:
        observation.busy = False
    observation.attached = attached
    return result


def leave(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of ``__exit__`` or ``__aexit__`` of an observed object."""
    observation = streams.find(instance)
    if observation is None or observation.busy:
        return wrapped(*args, **kwargs)
    observation.busy = True
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _leave(observation, observation.attached, error)
        raise
    finally:
        observation.busy = False
    if inspect.iscoroutine(result):
        return _left(observation, instance, result, args)
    _passed(observation, instance, result, args)
    return result


async def _left(
    observation: Observation, instance: Any, awaitable: Any, args: tuple[Any, ...]
) -> Any:
    observation.busy = True
    try:
        result = await awaitable
    except BaseException as error:
        _leave(observation, observation.attached, error)
        raise
    finally:
        observation.busy = False
    _passed(observation, instance, result, args)
    return result


def _passed(observation: Observation, instance: Any, result: Any, args: tuple[Any, ...]) -> None:
    """It was left; by an exception that it did not suppress, if there is one."""
    error = args[1] if len(args) > 1 else None
    if error is not None and guarded("exit of a context manager", bool, result):
        error = None
    if error is None:
        if observation.attached is not None:
            observation.attached.detach()
        if observation.joiner is None:
            observation.drained(instance)
        else:
            observation.dropped()
    else:
        _leave(observation, observation.attached, error)


def _leave(observation: Observation, attached: Attached | None, error: BaseException) -> None:
    if attached is not None:
        attached.detach()
    observation.failed(error)
