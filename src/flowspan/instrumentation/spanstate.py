"""Compares a state before and after a call: which keys were added, changed or removed.

The price depends on the number of keys and never on what they hold: nothing is copied,
serialised or compared deeply.  A value counts as changed where it is another object, or a
built-in collection of another length.  What this cannot see, on purpose: a change inside an
object that leaves the length alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MemberDescriptorType
from typing import Any, Final, NamedTuple

MOST_NAMES: Final = 100
"""How many key names an event lists."""

_ATOMS: Final = frozenset({bool, int, float, complex, str, bytes, type(None)})
_SIZED: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset, str, bytes, bytearray, deque)


class Look(NamedTuple):
    """What is remembered of a value.

    Attributes:
        kind: Its type.
        identity: The value itself where it is a plain number or text, which may be kept alive
            without harm and whose address Python soon gives to another one; its ``id`` otherwise.
        size: The length of a built-in collection.
    """

    kind: type
    identity: Any
    size: int | None


class Change(NamedTuple):
    """Names of the keys that differ, and how many there are now."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    size: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def parts(state: Any) -> Mapping[Any, Any]:
    """The named parts of a state: keys of a dict, or attributes of an object.

    No code of the program runs: a dict is copied as a dict, an object is read by its
    ``__dict__`` and ``__slots__``, not by its properties.
    """
    if isinstance(state, dict):
        return dict.copy(state)
    found = dict(_slots(state))
    try:
        found.update(object.__getattribute__(state, "__dict__"))
    except AttributeError:
        return found
    return found


def look(state: Any) -> dict[Any, Look]:
    """What is remembered of a state, to be given to :func:`compare` later."""
    return {key: _look(value) for key, value in parts(state).items()}


def compare(before: Mapping[Any, Look], after: Mapping[Any, Look]) -> Change:
    """The difference between two looks at a state."""
    return Change(
        [name_of(key) for key in after if key not in before][:MOST_NAMES],
        [name_of(key) for key in after if key in before and _differ(before[key], after[key])][
            :MOST_NAMES
        ],
        [name_of(key) for key in before if key not in after][:MOST_NAMES],
        len(after),
    )


def name_of(key: Any) -> str:
    """The text for a key; one that is neither text nor number is named by its type."""
    return str(key) if type(key) in _ATOMS else f"<{type(key).__name__}>"


def _look(value: Any) -> Look:
    kind = type(value)
    return Look(kind, value if kind in _ATOMS else id(value), _size(value))


def _size(value: Any) -> int | None:
    for collection in _SIZED:
        if isinstance(value, collection):
            size: int = collection.__len__(value)  # the subclass may have one of its own, and slow
            return size
    return None


def _differ(before: Look, after: Look) -> bool:
    if before.kind is not after.kind or before.size != after.size:
        return True
    return before.identity is not after.identity and before.identity != after.identity


def _slots(state: Any) -> list[tuple[str, Any]]:
    found = []
    for owner in type(state).__mro__:
        for name, member in vars(owner).items():
            if isinstance(member, MemberDescriptorType) and not name.startswith("__"):
                try:
                    found.append((name, member.__get__(state)))
                except AttributeError:  # a slot that was never filled
                    continue
    return found
