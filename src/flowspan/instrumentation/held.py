"""Functions that objects hold in an attribute, seen where the library calls them.

Nothing is put on the objects.  The class gets a descriptor that keeps each value where it was, in
the object's own dictionary, and gives it as it is to everybody but the functions that the row
names: those get one that can be called, inspected and compared in the same way.
"""

from __future__ import annotations

import functools
import sys
import weakref
from typing import TYPE_CHECKING, Any

from flowspan.instrumentation.wrapped import Wrapped
from flowspan.instrumentation.wrappers import wrapper_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from flowspan.instrumentation.machine import Site
    from flowspan.instrumentation.opening import Wrapper


class _Held:
    """The attribute on its class."""

    def __init__(self, name: str, default: Any, site: Site) -> None:
        self._name = name
        self.default = default
        self._site = site
        self._module = site.patch.module
        self._within = frozenset(site.patch.within)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        del owner
        value = self.default if instance is None else vars(instance).get(self._name, self.default)
        if instance is None or not callable(value) or not self._is_to_be_seen(sys._getframe(1)):  # noqa: SLF001 - the one door to the caller
            return value
        seen = functools.partial(_called, wrapper_for(self._site, value), instance)
        return Wrapped(value, seen, self._site)

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = value

    def __delete__(self, instance: Any) -> None:
        if self._name not in vars(instance):
            raise AttributeError(self._name)
        del vars(instance)[self._name]

    def _is_to_be_seen(self, caller: FrameType) -> bool:
        if caller.f_code.co_name not in self._within or not self._site.active:
            return False
        return caller.f_globals.get("__name__") == self._module


def _called(
    wrapper: Wrapper,
    holder: Any,
    wrapped: Callable[..., Any],
    _instance: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    return wrapper(wrapped, holder, args, kwargs)


class Holding:
    """A class whose attribute is watched; it is not kept alive."""

    __slots__ = ("_name", "_ours", "_owner")

    def __init__(self, owner: Any, name: str, ours: _Held) -> None:
        self._owner = weakref.ref(owner)
        self._name = name
        self._ours = ours

    def undo(self) -> None:
        """Put back what was there, unless somebody else has replaced it since."""
        owner = self._owner()
        if owner is None or vars(owner).get(self._name) is not self._ours:
            return
        setattr(owner, self._name, self._ours.default)


def hold(owner: type, name: str, site: Site) -> Holding:
    """Watch an attribute of a class.

    Raises:
        AttributeError: The class itself has no such attribute, as a default for its objects.
    """
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name}")
    ours = _Held(name, vars(owner)[name], site)
    setattr(owner, name, ours)
    return Holding(owner, name, ours)
