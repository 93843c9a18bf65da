"""What gives a function its span where several things reach it: the nearest one.

A row follows subclasses, and another one names a subclass itself, or a class in between: the one
whose class comes first in the method resolution order says what the call is.  Patterns come last.
Nearer than all rows of a map is the code itself: a decorator says what its function is.
Rows without a kind make no span, so they apply beside any other.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation.decorators.functions import plan_of
from flowspan.instrumentation.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowspan.instrumentation.machine import Site

_WRAPPING: Final = frozenset({FunctionType, type(functools.cache(len))})
"""What keeps the function that it stands for, as ``functools`` has it."""


def settled(found: Any, owner: Any, name: str, site: Site) -> Any:
    """What a row is to be applied to.

    Args:
        found: The method as it is, perhaps seen by other rows.
        owner: The class that it is found in.
        name: Its name there.
        site: The row.

    Returns:
        The method without the span that this row replaces; ``None`` where another one is nearer.
    """
    if _steps_aside(site) and says_itself(found):
        return None
    around: Wrapped | None = None
    for layer in _layers(found):
        further = _distance(layer._self_site, site, owner)  # noqa: SLF001 - wrapt has no other door
        if further < 0:
            return None
        if further > 0:
            if around is None:
                return layer.__wrapped__
            if name in vars(owner):
                around.skip(layer)
                return found
        around = layer
    return found


def says_itself(found: Any) -> bool:
    """Whether a function was given a role with a span where it is defined.

    Other decorators may be around the one that gives it.
    """
    seen: set[int] = set()  # one that wraps itself would be asked for ever
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        plan = plan_of(found)
        if plan is not None and plan.mark.kind != "prompt":
            return True
        found = _inside(found) if plan is None else plan.function
    return False


def _inside(found: Any) -> Any:
    """What a function stands for; other objects are asked nothing, which may run code of theirs."""
    if type(found) is Wrapped:
        return found.__wrapped__
    if isinstance(found, staticmethod | classmethod):
        return found.__func__
    return vars(found).get("__wrapped__") if type(found) in _WRAPPING else None


def without_spans(found: Any) -> Any:
    """A function that is given a role now, without the spans of rows that step aside for that.

    What it is found in keeps them: a class may inherit the function and not own it.
    """
    if type(found) is not Wrapped:
        return found
    site, inner = found._self_site, without_spans(found.__wrapped__)  # noqa: SLF001 - as below
    if _steps_aside(site):
        return inner
    if inner is found.__wrapped__:
        return found
    return Wrapped(inner, found._self_wrapper, site)  # noqa: SLF001 - as below


def _steps_aside(site: Site) -> bool:
    return site.kind is not None and site.integration.yields


def _layers(found: Any) -> Iterator[Wrapped]:
    while type(found) is Wrapped:
        yield found
        found = found.__wrapped__


def _distance(other: Site, site: Site, owner: Any) -> int:
    """How much farther off the class of another row is; 0 where the two may both apply."""
    same = other.integration is site.integration and other is not site
    if not same or other.kind is None or site.kind is None or not isinstance(owner, type):
        return 0
    return _place(other, owner) - _place(site, owner)


def _place(site: Site, owner: type) -> int:
    """Where the class that a row names stands in the order; a pattern names none and is last."""
    order = owner.__mro__
    base = None if site.base is None else site.base()
    return order.index(base) if base in order else len(order)
