"""Wrappers of the methods by which an observed object is read and closed.

They do nothing for an object that is not observed (see ``streams``).  Its call is current while a
chunk is being made, and at no other time.  While one report is being made, what the object does to
itself is not reported again.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from flowspan.instrumentation import streams
from flowspan.instrumentation.following import first_step

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Generator,
        Iterator,
        Mapping,
    )

    from flowspan.instrumentation.streams import Observation


def iterate(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method that returns an iterator over chunks, sync or async."""
    observation = streams.find(instance)
    iterator = wrapped(*args, **kwargs)
    if observation is None or observation.busy:
        return iterator
    return _reports(observation, wrapped, iterator, observation.invocation.enter)


def read(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method that returns an iterator over the bytes of a body.

    Nothing runs inside it that could ask for the current call, so none is made current, which is
    a good part of what a chunk costs.
    """
    observation = streams.find(instance)
    iterator = wrapped(*args, **kwargs)
    if observation is None or observation.busy:
        return iterator
    return _reports(observation, wrapped, iterator, _nothing_current)


def _nothing_current() -> None:
    return None


def _reports(observation: Observation, method: Any, iterator: Any, enter: Callable[[], Any]) -> Any:
    if _is_async(iterator, method):
        return _reported_async(observation, iterator, enter)
    return _reported(observation, iterator, enter)


def _is_async(iterator: Any, method: Any) -> bool:
    """Which kind of iterator it is; one of both kinds is what its method's name says."""
    if hasattr(iterator, "__next__"):
        return hasattr(iterator, "__anext__") and getattr(method, "__name__", "") == "__aiter__"
    return hasattr(iterator, "__anext__")


def _reported(
    observation: Observation, iterator: Iterator[Any], enter: Callable[[], Any]
) -> Generator[Any, None, None]:
    advance = following = iter(iterator).__next__
    part: list[Any] = []  # taken out before it is given on: it must not live longer here
    while True:
        attached = enter()
        observation.busy = True
        try:
            part.append(advance())
        except StopIteration:
            observation.drained()
            return
        except BaseException as error:
            observation.failed(error)
            raise
        finally:
            observation.busy = False
            if attached is not None:
                attached.detach()
        observation.chunk(part[0])
        try:
            yield part.pop()
            advance = following
        except GeneratorExit:
            if (close := getattr(iterator, "close", None)) is not None:
                with _quietly(observation):
                    close()
            raise
        except BaseException as error:
            if (throw := getattr(iterator, "throw", None)) is None:
                raise
            advance = partial(throw, error)


async def _reported_async(
    observation: Observation, iterator: AsyncIterator[Any], enter: Callable[[], Any]
) -> AsyncGenerator[Any, None]:
    step = [first_step(iterator)]
    part: list[Any] = []
    while True:
        attached = enter()
        observation.busy = True
        try:
            part.append(await step.pop())
        except StopAsyncIteration:
            observation.drained()
            return
        except BaseException as error:
            observation.failed(error)
            raise
        finally:
            observation.busy = False
            if attached is not None:
                attached.detach()
        observation.chunk(part[0])
        try:
            yield part.pop()
            step.append(iterator.__anext__())
        except GeneratorExit:
            if (close := getattr(iterator, "aclose", None)) is not None:
                with _quietly(observation):
                    await close()
            raise
        except BaseException as error:
            if (throw := getattr(iterator, "athrow", None)) is None:
                raise
            step.append(throw(error))


@contextmanager
def _quietly(observation: Observation) -> Generator[None, None, None]:
    """What closes its response where its iterator is left (urllib3) does not end the call yet.

    The program may still be in a ``with`` block of the response, which knows why.
    """
    before, observation.busy = observation.busy, True
    try:
        yield
    finally:
        observation.busy = before


def advance(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method that returns one chunk, or raises at the end; sync or async."""
    observation = streams.find(instance)
    if observation is None or observation.busy:
        return wrapped(*args, **kwargs)
    attached = observation.invocation.enter()
    observation.busy = True
    try:
        chunk = wrapped(*args, **kwargs)
    except StopIteration:
        observation.drained()
        raise
    except BaseException as error:
        observation.failed(error)
        raise
    finally:
        observation.busy = False
        if attached is not None:
            attached.detach()
    if inspect.isawaitable(chunk):
        return _advanced(observation, chunk)
    observation.chunk(chunk)
    return chunk


async def _advanced(observation: Observation, awaitable: Any) -> Any:
    attached = observation.invocation.enter()
    observation.busy = True
    try:
        chunk = await awaitable
    except StopAsyncIteration:
        observation.drained()
        raise
    except BaseException as error:
        observation.failed(error)
        raise
    finally:
        observation.busy = False
        if attached is not None:
            attached.detach()
    observation.chunk(chunk)
    return chunk


def close(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method that closes the object, sync or async."""
    observation = streams.find(instance)
    if observation is not None and not observation.busy:
        observation.closed()
    return wrapped(*args, **kwargs)
