"""The only wrappers: functions, coroutines, generators, async generators, and what streams do.

Each is called by wrapt as ``wrapper(wrapped, instance, args, kwargs)`` and adds nothing to the
original but an invocation: same result, same exception, same laziness.  The span is current while
the original runs and at no other time: around each ``next()`` of an iterator, never across its
``yield``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

from flowspan.errors import FlowspanError
from flowspan.instrumentation import stream_wrappers, streams
from flowspan.instrumentation.frame import INVOCATION_KEY
from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.invocation import Invocation
from flowspan.instrumentation.remarks import Remark
from flowspan.instrumentation.suppression import is_suppressed
from flowspan.safety import guarded, swallow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping

    from opentelemetry.context import Context

    from flowspan.instrumentation.attachment import Attached
    from flowspan.instrumentation.machine import Site

    Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], Mapping[str, Any]], Any]


def begin(
    site: Site,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Invocation | Remark | None:
    """Start seeing a call; ``None`` leaves it alone.

    Raises:
        FlowspanError: A hook refused the call, as the user asked it to.
    """
    if not (site.active and site.machine.active):
        return None
    try:
        if site.first_call is not None:
            site.first_call()
            site.first_call = None
        outer = get_current()
        if is_suppressed(outer):
            return None
        return _opened(site, outer, wrapped, instance, args, kwargs)
    except FlowspanError:
        raise
    except Exception as error:  # noqa: BLE001 - the guard: the call goes on unseen
        swallow(site.place, error)
        return None


def _opened(  # noqa: PLR0913, PLR0917 - the four of a wrapper, and where they were met
    site: Site,
    outer: Context,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Invocation | Remark | None:
    parent = _living(outer.get(INVOCATION_KEY))
    content = site.machine.content != "off"
    call = Call(instance, args, kwargs, None, parent, site.machine.detail, None, content, wrapped)
    when = site.patch.when
    if when is not None and not guarded(f"{site.place} when", when, call):
        return None
    if site.kind is None:
        return _remark(site, call, parent)
    if site.kind == "llm" and parent is not None and parent.kind == "llm":
        return None  # the outer layer owns the call: one span, one usage
    invocation = Invocation(site, call, parent, outer)
    call.frame = invocation
    return invocation.start()


def _remark(site: Site, call: Call, parent: Invocation | None) -> Remark | None:
    if parent is None:
        return None
    call.frame = parent
    return Remark(site, call, parent).start()


def _living(frame: Any) -> Invocation | None:
    """A frame that has ended takes nothing more; its run may still go on around it."""
    while frame is not None and frame.ended:
        frame = frame.parent
    found: Invocation | None = frame
    return found


def _finish(invocation: Invocation | Remark, result: Any) -> None:
    """End the call, or leave it open until its lazy result has ended."""
    lazy = invocation.site.patch.lazy
    if lazy is not None and isinstance(invocation, Invocation):
        subject = guarded(f"{invocation.site.place} lazy", lazy, invocation.call, result)
        if subject is not None and streams.observe(subject, invocation):
            return
    guarded(f"{invocation.site.place} end", invocation.complete, result)


def _failed(invocation: Invocation | Remark, error: BaseException, partial: Any = None) -> None:
    guarded(f"{invocation.site.place} end", invocation.fail, error, partial)


# --- functions and coroutines -----------------------------------------------------------------


def plain(site: Site) -> Wrapper:
    """Wrapper of a function; a coroutine that it returns is seen to its end."""

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        invocation = begin(site, wrapped, instance, args, kwargs)
        if invocation is None:
            return wrapped(*args, **kwargs)
        if invocation.replay is not None:
            return _replayed(invocation)
        attached = invocation.enter()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            if attached is not None:
                attached.detach()
            _failed(invocation, error)
            raise
        if attached is not None:
            attached.detach()
        if inspect.iscoroutine(result):
            return _seen_to_its_end(invocation, result)
        _finish(invocation, result)
        return result

    return call


def coroutine(site: Site) -> Wrapper:
    """Wrapper of a coroutine function."""

    async def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        invocation = begin(site, wrapped, instance, args, kwargs)
        if invocation is None:
            return await wrapped(*args, **kwargs)
        if invocation.replay is not None:
            return _replayed(invocation)
        return await _seen_to_its_end(invocation, wrapped(*args, **kwargs))

    return call


async def _seen_to_its_end(invocation: Invocation | Remark, awaitable: Awaitable[Any]) -> Any:
    attached = invocation.enter()
    try:
        result = await awaitable
    except BaseException as error:
        if attached is not None:
            attached.detach()
        if isinstance(error, GeneratorExit):  # dropped: perhaps inside the garbage collector
            streams.end_later(invocation.abandon)
        else:
            _failed(invocation, error)
        raise
    if attached is not None:
        attached.detach()
    _finish(invocation, result)
    return result


def _replayed(invocation: Invocation | Remark) -> Any:
    answer = invocation.replay
    result = None if answer is None else answer.result
    guarded(f"{invocation.site.place} end", invocation.complete, result)
    return result


# --- generators -------------------------------------------------------------------------------


class _Parts:
    """The parts of a generator's work, joined."""

    __slots__ = ("_invocation", "_observation")

    def __init__(self, invocation: Invocation | Remark) -> None:
        self._invocation = invocation
        self._observation: streams.Observation | None = None
        if isinstance(invocation, Invocation):
            join = invocation.site.patch.join
            joiner = None
            if join is not None:
                joiner = guarded(f"{invocation.site.place} join", join, invocation.call)
            self._observation = streams.Observation(invocation, joiner)

    def enter(self) -> Attached | None:
        return self._invocation.enter()

    def chunk(self, chunk: Any) -> None:
        if self._observation is not None and self._observation.joiner is not None:
            self._observation.chunk(chunk)

    def drained(self, result: Any) -> None:
        if self._observation is not None and self._observation.joiner is not None:
            self._observation.drained()
        else:
            guarded(f"{self._invocation.site.place} end", self._invocation.complete, result)

    def failed(self, error: BaseException) -> None:
        if self._observation is not None and self._observation.joiner is not None:
            self._observation.failed(error)
        else:
            _failed(self._invocation, error)

    def dropped(self) -> None:
        if self._observation is not None:
            streams.end_later(self._observation.dropped)
        else:
            streams.end_later(self._invocation.abandon)


def generator(site: Site) -> Wrapper:
    """Wrapper of a generator function: nothing happens before the first ``next()``."""

    def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Generator[Any, Any, Any]:
        invocation = begin(site, wrapped, instance, args, kwargs)
        if invocation is None:
            return (yield from wrapped(*args, **kwargs))
        return (yield from _steps(invocation, wrapped(*args, **kwargs)))

    return call


def _steps(
    invocation: Invocation | Remark, inner: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    parts = _Parts(invocation)
    advance: Callable[..., Any] = inner.send
    value: Any = None
    while True:
        attached = invocation.enter()
        try:
            chunk = advance(value)
        except StopIteration as stop:
            if attached is not None:
                attached.detach()
            parts.drained(stop.value)
            return stop.value
        except BaseException as error:
            if attached is not None:
                attached.detach()
            parts.failed(error)
            raise
        if attached is not None:
            attached.detach()
        parts.chunk(chunk)
        try:
            value = yield chunk
            advance = inner.send
        except GeneratorExit:
            _close_inner(invocation, inner, parts)
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in by the caller, passed on
            value, advance = error, inner.throw


def _close_inner(
    invocation: Invocation | Remark, inner: Generator[Any, Any, Any], parts: _Parts
) -> None:
    attached = invocation.enter()
    try:
        inner.close()
    except BaseException as error:
        parts.failed(error)
        raise
    finally:
        if attached is not None:
            attached.detach()
    parts.dropped()


def async_generator(site: Site) -> Wrapper:
    """Wrapper of an async generator function."""

    async def call(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[Any, Any]:
        invocation = begin(site, wrapped, instance, args, kwargs)
        inner = wrapped(*args, **kwargs)
        parts = None if invocation is None else _Parts(invocation)
        advance: Callable[..., Any] = inner.asend
        value: Any = None
        while True:
            try:
                chunk = await _async_part(parts, advance(value))
            except StopAsyncIteration:
                return
            try:
                value = yield chunk
                advance = inner.asend
            except GeneratorExit:
                if parts is not None:
                    parts.dropped()
                await inner.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller, passed on
                value, advance = error, inner.athrow

    return call


async def _async_part(parts: _Parts | None, awaitable: Awaitable[Any]) -> Any:
    if parts is None:
        return await awaitable
    attached = parts.enter()
    try:
        chunk = await awaitable
    except BaseException as error:
        if attached is not None:
            attached.detach()
        if isinstance(error, StopAsyncIteration):
            parts.drained(None)
        else:
            parts.failed(error)
        raise
    if attached is not None:
        attached.detach()
    parts.chunk(chunk)
    return chunk


def _kind_of(function: Any) -> Callable[[Site], Wrapper]:
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return coroutine
    if inspect.isasyncgenfunction(function):
        return async_generator
    if inspect.isgeneratorfunction(function):
        return generator
    return plain


def wrapper_for(site: Site, function: Any) -> Wrapper:
    """The wrapper that fits a row and the function that it patches."""
    role = site.patch.role
    if role == "call":
        return _kind_of(function)(site)
    return _OF_ROLE[role]


_OF_ROLE = {
    "iterate": stream_wrappers.iterate,
    "next": stream_wrappers.advance,
    "close": stream_wrappers.close,
}
