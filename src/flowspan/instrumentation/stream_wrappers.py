"""Wrappers of the methods by which an observed object is read and closed.

They do nothing for an object that is not observed (see ``streams``).  While one report is being
made, what the object does to itself is not reported again.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from flowspan.instrumentation import streams

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
    if hasattr(iterator, "__anext__"):
        return _reported_async(observation, iterator)
    return _reported(observation, iterator)


def _reported(observation: Observation, iterator: Iterator[Any]) -> Generator[Any, None, None]:
    take = observation.chunk
    advance = iter(iterator).__next__
    try:
        while True:
            observation.busy = True
            try:
                chunk = advance()
            except StopIteration:
                observation.drained()
                return
            except BaseException as error:
                observation.failed(error)
                raise
            finally:
                observation.busy = False
            take(chunk)
            yield chunk
    except GeneratorExit:
        if (close := getattr(iterator, "close", None)) is not None:
            close()
        raise


async def _reported_async(
    observation: Observation, iterator: AsyncIterator[Any]
) -> AsyncGenerator[Any, None]:
    take = observation.chunk
    try:
        while True:
            observation.busy = True
            try:
                chunk = await anext(iterator)
            except StopAsyncIteration:
                observation.drained()
                return
            except BaseException as error:
                observation.failed(error)
                raise
            finally:
                observation.busy = False
            take(chunk)
            yield chunk
    except GeneratorExit:
        if (close := getattr(iterator, "aclose", None)) is not None:
            await close()
        raise


def advance(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method that returns one chunk, or raises at the end; sync or async."""
    observation = streams.find(instance)
    if observation is None or observation.busy:
        return wrapped(*args, **kwargs)
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
    if inspect.isawaitable(chunk):
        return _advanced(observation, chunk)
    observation.chunk(chunk)
    return chunk


async def _advanced(observation: Observation, awaitable: Any) -> Any:
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
