"""The only wrappers of calls: one for functions, one for what begins when it is first driven.

Each is called by wrapt as ``wrapper(wrapped, instance, args, kwargs)`` and adds nothing to the
original but an invocation: same result, same exception, same laziness.  What a call returned and
is still to come is seen to its end by ``following``; ``with`` blocks are in ``managers``, and what
happens to an observed object in ``stream_wrappers``.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation import managers, stream_wrappers, streams, taking
from flowspan.instrumentation.following import Pending, finished, lazily
from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.opening import begin, failed, meant, replayed
from flowspan.instrumentation.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flowspan.instrumentation.machine import Site
    from flowspan.instrumentation.opening import Wrapper

_LAZY: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def eager(site: Site, function: Any) -> Wrapper:
    """Wrapper of a function that runs when it is called.

    It may return a coroutine all the same (a decorator hides that its function is a coroutine
    function), which is seen to its end.
    """
    awaited = inspect.iscoroutinefunction(_innermost(function))

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            seen = begin(site, wrapped, instance, args, kwargs)
        except RecursionError:  # there is no room for us; perhaps there is for the program
            seen = None
        if seen is None:
            return wrapped(*args, **kwargs)
        if seen.replay is not None:
            answer = replayed(seen)
            return _given(answer) if awaited else answer
        attached = seen.enter()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            try:
                if attached is not None:
                    attached.detach()
                failed(seen, error)
            except RecursionError:
                streams.later.put(functools.partial(seen.fail, error))
                streams.later.put(seen.end_anyway)
            raise
        try:
            if attached is not None:
                attached.detach()
            return finished(seen, result)
        except RecursionError:
            streams.later.put(functools.partial(seen.complete, result))
            streams.later.put(seen.end_anyway)
            return result

    return call


async def _given(answer: Any) -> Any:
    return answer


def _innermost(function: Any) -> Any:
    try:
        return inspect.unwrap(function)
    except ValueError:  # it wraps itself
        return function


def lazy(site: Site) -> Wrapper:
    """Wrapper of a coroutine or generator function: nothing happens before it is first driven.

    Wrong arguments are refused where it is called, as without us.
    """

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if not (site.active and site.machine.active):
            return wrapped(*args, **kwargs)
        pending = Pending()
        inner = wrapped(*args, **kwargs)
        if not meant(site, instance, args, kwargs):
            return inner
        seen = functools.partial(begin, site, wrapped, instance, args, kwargs, True)
        return lazily(inner, seen, pending)

    return call


def making(site: Site) -> Wrapper:
    """Wrapper of a function that makes functions: calls of these are seen."""

    def call(
        wrapped: Callable[..., Any],
        _instance: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        made = wrapped(*args, **kwargs)
        return Wrapped(made, _of_function(site, made), site) if callable(made) else made

    return call


def asking_for_usage(site: Site, wrapper: Wrapper) -> Wrapper:
    """A wrapper that adds to a call what makes a stream say its usage: the user wants it so."""
    usage_request = site.patch.usage_request
    assert usage_request is not None  # noqa: S101 - asked by the caller

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if site.active and site.machine.active:
            more = site.ask("usage request", usage_request, Call(instance, args, kwargs))
            if more:
                kwargs = {**kwargs, **more}
        return wrapper(wrapped, instance, args, kwargs)

    return call


def wrapper_for(site: Site, function: Any) -> Wrapper:
    """The wrapper that fits a row and the function that it patches."""
    wrapper = _fitting(site, function)
    if site.machine.asks_for_usage and site.patch.usage_request is not None:
        return asking_for_usage(site, wrapper)
    return wrapper


def _fitting(site: Site, function: Any) -> Wrapper:
    if (other := _OF_ROLE.get(site.patch.role)) is not None:
        return other
    if (of_site := _OF_ROLE_AND_SITE.get(site.patch.role)) is not None:
        return of_site(site)
    return _of_function(site, function)


def _of_function(site: Site, function: Any) -> Wrapper:
    if (manager := managers.manager_wrapper(function)) is not None:
        return manager(site)
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & _LAZY:
        return lazy(site)
    return eager(site, function)


_OF_ROLE: Final[dict[str, Wrapper]] = {
    "iterate": stream_wrappers.iterate,
    "read": stream_wrappers.read,
    "next": stream_wrappers.advance,
    "close": stream_wrappers.close,
    "enter": managers.enter,
    "exit": managers.leave,
}
_OF_ROLE_AND_SITE: Final[dict[str, Callable[[Site], Wrapper]]] = {
    "take": taking.take,
    "hand": taking.hand,
    "make": making,
}
