"""Begins to see a call; what every wrapper does first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

from flowspan.errors import FlowspanError
from flowspan.instrumentation import carrying, guests, streams, surroundings
from flowspan.instrumentation.frame import INVOCATION_KEY, living, without_what_ended
from flowspan.instrumentation.inner import within
from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.invocation import Invocation
from flowspan.instrumentation.prompts import PromptRemark
from flowspan.instrumentation.remarks import Remark
from flowspan.instrumentation.suppression import is_suppressed
from flowspan.safety import guarded, swallow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from flowspan.instrumentation.frame import CallFrame
    from flowspan.instrumentation.machine import Site

    Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], Mapping[str, Any]], Any]


def begin(  # noqa: PLR0913, PLR0917 - the four of a wrapper, and what it has done itself
    site: Site,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    is_meant: bool = False,  # noqa: FBT001, FBT002 - as above
) -> Invocation | Remark | None:
    """Start seeing a call; ``None`` leaves it alone.

    Args:
        site: The row.
        wrapped: The original.
        instance: Of the call.
        args: Its arguments.
        kwargs: Its arguments by keyword.
        is_meant: Whether the row's ``glance`` has said so already.

    Raises:
        FlowspanError: A hook refused the call, as the user asked it to.
    """
    if not (site.active and site.machine.active):
        return None
    try:
        glance = site.glance
        if glance is not None and not is_meant and not glance(instance, args, kwargs):
            return None
        if site.first_call is not None:
            first_call, site.first_call = site.first_call, None
            if first_call is not None:  # another thread may have been quicker
                first_call()
        outer = get_current()
        alone = INVOCATION_KEY not in outer and not guests.live
        if (alone and site.needs_span_around) or is_suppressed(outer):
            return None
        return _opened(site, outer, wrapped, instance, args, kwargs)
    except FlowspanError:
        raise
    except Exception as error:  # noqa: BLE001 - the guard: the call goes on unseen
        swallow(site.place, error)
        return None


def meant(site: Site, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """What a row's ``glance`` says, where it is asked before anything begins."""
    if site.glance is None:
        return True
    try:
        return site.glance(instance, args, kwargs)
    except Exception as error:  # noqa: BLE001 - as above
        swallow(f"{site.place} glance", error)
        return False


def _opened(  # noqa: PLR0913, PLR0917 - the four of a wrapper, and where they were met
    site: Site,
    outer: Context,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Invocation | Remark | None:
    around: Any = outer.get(INVOCATION_KEY)
    parent = living(around)
    if guests.live:
        parent = guests.enclosing(outer, parent)
    content = site.machine.content != "off"
    call = Call(instance, args, kwargs, None, parent, site.machine.detail, None, content, wrapped)
    when = site.patch.when
    if when is not None and not guarded(f"{site.place} when", when, call):
        return None
    if site.kind is None:
        return _remark(site, call, parent)
    if site.kind == "llm" and parent is not None and parent.kind == "llm":
        return within(parent, site, call, outer)  # the outer layer owns the call: one span
    if around is not None and parent is None and site.kind == "run":
        outer = surroundings.within(without_what_ended(outer))
    invocation = Invocation(site, call, parent, outer)
    if around is not None and parent is None:
        invocation.run = around.run  # what outlives a run is still of it
    call.frame = invocation
    try:
        invocation.start()
    except Exception:
        if not invocation.ended:  # a refused call has ended
            streams.later.put(invocation.end_anyway)
        raise
    if guests.live and site.kind == "llm":
        guests.claim(invocation)
    return invocation


def _remark(site: Site, call: Call, parent: CallFrame | None) -> Remark | None:
    if site.patch.role == "receive":
        return carrying.received(site, call)
    if site.patch.prompt is not None:
        call.frame = parent
        return PromptRemark(site, call, parent).start()
    if parent is None:
        return None
    call.frame = parent
    if site.patch.role == "send":
        return carrying.Sending(site, call, parent)
    return Remark(site, call, parent).start()


def replayed(invocation: Invocation | Remark) -> Any:
    """A hook's answer in place of the call, which has ended with it."""
    answer = invocation.replay
    result = None if answer is None else answer.result
    completed(invocation, result)
    return result


def completed(invocation: Invocation | Remark, result: Any) -> None:
    """End a call that returned."""
    try:
        invocation.complete(result)
    except Exception as error:  # noqa: BLE001 - the guard, without building its place each time
        streams.later.put(invocation.end_anyway)
        swallow(f"{invocation.site.place} end", error)


def failed(invocation: Invocation | Remark, error: BaseException) -> None:
    """End a call that raised."""
    try:
        invocation.fail(error)
    except Exception as trouble:  # noqa: BLE001 - as above
        streams.later.put(invocation.end_anyway)
        swallow(f"{invocation.site.place} end", trouble)
