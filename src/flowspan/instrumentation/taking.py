"""Wrappers of the methods by which a body is read as files are: some bytes for each call.

Such methods call each other (``readline`` calls ``read``, which calls ``readany``): the innermost
one reports what it took, so that nothing counts twice and nothing is lost where the outer one
fails.  Nothing runs inside them that could ask for the current call, so none is made current.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from flowspan.instrumentation import streams
from flowspan.instrumentation.integration import Call
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from flowspan.instrumentation.machine import Site
    from flowspan.instrumentation.opening import Wrapper
    from flowspan.instrumentation.streams import Observation


class _Take:
    """One call of such a method."""

    __slots__ = ("_args", "_before", "_observation", "_site")

    def __init__(self, site: Site, observation: Observation, args: tuple[Any, ...]) -> None:
        self._site = site
        self._observation = observation
        self._args = args
        self._before = observation.count

    def begin(self) -> None:
        self._observation.taking += 1
        self._observation.busy = True

    def end(self) -> None:
        observation = self._observation
        observation.taking -= 1
        observation.busy = observation.taking > 0

    def took(self, result: Any) -> None:
        """It returned."""
        observation = self._observation
        if observation.over or observation.count != self._before:
            return
        taken = self._site.patch.taken
        if taken is None:
            chunk, last = result, not result
        else:
            instance, args, kwargs = self._args
            call = Call(instance, args, kwargs)
            answer = guarded(f"{self._site.place} taken", taken, call, result)
            chunk, last = answer or (b"", False)
        if chunk:
            observation.chunk(chunk)
        if last:
            observation.drained()

    def failed(self, error: BaseException) -> None:
        """It raised; what had been read by then may be in the exception."""
        partial = getattr(error, "partial", None)
        if isinstance(partial, bytes) and self._observation.count == self._before:
            self._observation.chunk(partial)
        self._observation.failed(error)


def take(site: Site) -> Wrapper:
    """Wrapper of a method that returns the next bytes of a body, sync or async."""

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        observation = streams.find(instance)
        if observation is None or (observation.busy and not observation.taking):
            return wrapped(*args, **kwargs)
        seen = _Take(site, observation, (instance, args, kwargs))
        seen.begin()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            seen.failed(error)
            raise
        finally:
            seen.end()
        if inspect.iscoroutine(result):
            return _like(result, _awaited(seen, result))
        seen.took(result)
        return result

    return call


async def _awaited(seen: _Take, coroutine: Coroutine[Any, Any, Any]) -> Any:
    seen.begin()
    try:
        result = await coroutine
    except BaseException as error:
        seen.failed(error)
        raise
    finally:
        seen.end()
    seen.took(result)
    return result


def _like(inner: Any, outer: Any) -> Any:
    outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
    return outer


def hand(site: Site) -> Wrapper:
    """Wrapper of a method whose result is observed from now on in place of the object."""
    lazy = site.patch.lazy

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        observation = streams.find(instance)
        if observation is None or observation.busy:
            return wrapped(*args, **kwargs)
        attached = observation.invocation.enter()
        observation.busy = True
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            observation.refused(error)
            raise
        finally:
            observation.busy = False
            if attached is not None:
                attached.detach()
        seen = Call(instance, args, kwargs, observation.invocation.call.frame)
        subject = None if lazy is None else guarded(f"{site.place} lazy", lazy, seen, result)
        if subject is None:
            observation.returned(result)
        else:
            streams.hand_over(observation, instance, subject)
        return result

    return call
