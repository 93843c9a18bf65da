"""Which row gives a method its span where several of an integration reach it: the nearest one.

A row follows subclasses, and another one names a subclass itself, or a class in between: the one
whose class comes first in the method resolution order says what the call is.  Patterns come last.
Rows without a kind make no span, so they apply beside any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowspan.instrumentation.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowspan.instrumentation.machine import Site


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
