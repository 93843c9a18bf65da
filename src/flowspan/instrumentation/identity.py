"""What is remembered of objects by who they are, not by what they are equal to.

A ``WeakKeyDictionary`` asks ``__hash__`` and ``__eq__`` of the program's objects, which may have
none or bad ones, and takes two that are equal for one.
"""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class ByIdentity(Generic[Value]):
    """A value for each of some objects, for as long as the object lives; nothing is put on it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Value]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, thing: Any) -> Value | None:
        """The value of an object, if there is one."""
        reference, value = self._known.get(id(thing), (None, None))
        return value if reference is not None and reference() is thing else None

    def set(self, thing: Any, value: Value) -> None:
        """Remember a value.

        Raises:
            TypeError: The object cannot be referred to weakly.
        """
        self._known[id(thing)] = self._reference(thing), value

    def set_once(self, thing: Any, value: Value) -> Value:
        """Remember a value unless there is one; returns the one that there is.

        Raises:
            TypeError: The object cannot be referred to weakly.
        """
        return self._known.setdefault(id(thing), (self._reference(thing), value))[1]

    def _reference(self, thing: Any) -> weakref.ref[Any]:
        known, identity = self._known, id(thing)

        def forget(reference: weakref.ref[Any]) -> None:
            if known.get(identity, (None,))[0] is reference:
                del known[identity]

        return weakref.ref(thing, forget)
