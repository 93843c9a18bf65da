"""A patched function as an object: transparent, and to picklers and copiers simply the original."""

from __future__ import annotations

import sys
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

import wrapt

if TYPE_CHECKING:
    _Bound = wrapt.BoundFunctionWrapper[..., Any]
    _Function = wrapt.FunctionWrapper[..., Any]
else:  # generic from wrapt 2 on
    _Bound, _Function = wrapt.BoundFunctionWrapper, wrapt.FunctionWrapper

_bind: Any = _Function.__get__
"""Asked for at every access of a patched method, where ``super()`` would cost as much again."""


class BoundWrapped(_Bound):
    """A patched method, bound or reached through its class; pickles as the original would."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as ``getattr(instance, name)`` where bound, else by its global name."""
        del protocol
        original = self.__wrapped__
        if isinstance(original, MethodType):
            return getattr, (original.__self__, original.__name__)
        return _reduced(self)

    def __reduce__(self) -> Any:
        """Pickle as the original would."""
        return self.__reduce_ex__(2)

    def __copy__(self) -> BoundWrapped:
        """Methods are not copied."""
        return self

    def __deepcopy__(self, memo: Any) -> BoundWrapped:
        """Methods are not copied."""
        return self


class Wrapped(_Function):
    """A patched function.

    It pickles by its name where its name finds it, as functions do; else as the original, so that
    picklers that take classes and functions by value (dill, cloudpickle) never meet anything of
    ours.
    """

    __bound_function_wrapper__ = BoundWrapped

    def __init__(self, wrapped: Any, wrapper: Any, site: Any) -> None:
        super().__init__(wrapped, wrapper)
        self._self_site = site
        self._self_static = isinstance(wrapped, staticmethod)
        self._self_of_a_class = isinstance(wrapped, classmethod)
        self._self_unbound: Any = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind; a function that is not bound is the same object every time, as the original is."""
        if (instance is not None and not self._self_static) or self._self_of_a_class:
            return _bind(self, instance, owner)
        if self._self_unbound is None:
            self._self_unbound = _bind(self, None, owner)
        return self._self_unbound

    def skip(self, inner: Wrapped) -> None:
        """Call what ``inner`` calls, which is directly inside."""
        self.__wrapped__ = inner.__wrapped__
        self._self_unbound = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as a global name, or as the original."""
        del protocol
        return _reduced(self)

    def __reduce__(self) -> Any:
        """Pickle as a global name, or as the original."""
        return _reduced(self)

    def __copy__(self) -> Wrapped:
        """Functions are not copied."""
        return self

    def __deepcopy__(self, memo: Any) -> Wrapped:
        """Functions are not copied."""
        return self


def _reduced(wrapped: Any) -> Any:
    found: Any = sys.modules.get(wrapped.__module__)
    for part in wrapped.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is wrapped:
        return wrapped.__qualname__
    # ``cast`` gives its second argument back: a pickle can be read where flowspan is not installed.
    return cast, (None, wrapped.__wrapped__)


def patched_by(found: Any, site: Any) -> Wrapped | None:
    """The patched function that an attribute is, reached through its class or not.

    Args:
        found: What is found under the attribute's name.
        site: Where its row was applied; what others have patched, or other rows, does not count.
    """
    # The class of a proxy is the class of what it stands for; ``type`` tells them apart.
    if type(found) is BoundWrapped:
        found = found._self_parent  # noqa: SLF001 - wrapt has no other door
    return found if type(found) is Wrapped and found._self_site is site else None  # noqa: SLF001
