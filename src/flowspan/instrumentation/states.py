"""Compares a state before and after a call: which keys were added, changed or removed.

The price depends neither on what the keys hold nor, above :data:`MOST_KEYS`, on how many there are:
nothing is copied, serialised or compared deeply, and of a large state the oldest and the newest
keys are looked at.  A value counts as changed where it is another object, or a built-in collection
of another length.  What this cannot see, on purpose: a change inside an object that leaves the
length alone, and one of a key in the middle of a large state.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import compress, count, filterfalse, islice, repeat, takewhile
from operator import is_, is_not, itemgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys

MOST_NAMES: Final = 100
"""How many key names an event lists."""

MOST_KEYS: Final = 100
"""How many keys are looked at: where there are more, the first half of these and the last."""

LONG: Final = 4096
"""Texts above this length are told apart by identity: comparing them would take its time."""

ATOMS: Final[frozenset[type]] = frozenset({bool, int, float, complex, str, bytes, type(None)})
_TEXTS: Final = frozenset({str, bytes})
_SIZED: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset, str, bytes, bytearray, deque)
_EXACTLY_SIZED: Final = frozenset({dict, list, tuple, set, frozenset, bytearray, deque})


class Looked(NamedTuple):
    """What is remembered of a state.

    Attributes:
        keys: Those that were looked at.
        values: What each held: a plain number or text itself, which may be kept alive without
            harm and whose address Python soon gives to another one; for any other value its
            ``id``, the length of a built-in collection, and its type.
        size: How many keys there are.
    """

    keys: list[Any]
    values: list[Any]
    size: int

    @property
    def whole(self) -> bool:
        """Whether every key was looked at."""
        return self.size <= MOST_KEYS


NOTHING_SEEN: Final = Looked([], [], 0)
"""A state that is not there."""


class Change(NamedTuple):
    """Names of the keys that differ, and how many there are now."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    size: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def parts(state: Any, most: int = MOST_KEYS) -> list[tuple[Any, Any]]:
    """The named parts of a state, keys of a dict or attributes of an object: the oldest and newest.

    No code of the program runs: a dict is read as a dict, an object by its ``__dict__`` and
    ``__slots__``, not by its properties.
    """
    return some_of(contents_of(state), most)


def look(state: Any, keys: Iterable[Any] | None = None) -> Looked:
    """What is remembered of a state, to be given to :func:`compare` later.

    Args:
        state: A dict or an object.
        keys: Those to look at; the oldest and the newest unless said.
    """
    return _looked(_named(state, keys))


def compare(before: Looked, state: Any, keys: Iterable[Any] | None = None) -> Change:
    """The difference between a look at a state and what it is now."""
    contents = _named(state, keys)
    return _change(before, _looked(contents), contents)


def compare_update(before: Looked, update: Mapping[Any, Any]) -> Change:
    """What an update changes in a state that it has not been written to yet."""
    is_dict = issubclass(type(update), dict)
    after = _looked(cast("dict[Any, Any]", update) if is_dict else dict(update))
    added, changed = _differing(before, after)
    if not before.whole:
        added = []  # a key that was not looked at may have been there
    return Change(_names(added), _names(changed), [], before.size + len(added))


def name_of(key: Any) -> str:
    """The text for a key; one that is neither text nor number is named by its type."""
    return str(key) if type(key) in ATOMS else f"<{type(key).__name__}>"


def size_of(value: Any) -> int | None:
    """The length of a built-in collection or text; ``None`` of anything else."""
    for collection in _SIZED:
        if issubclass(
            type(value), collection
        ):  # what it says of its class may be of another object
            size: int = collection.__len__(value)  # the subclass may have one of its own, and slow
            return size
    return None


# --- what there is ----------------------------------------------------------------------------


def contents_of(state: Any) -> dict[Any, Any]:
    """A dict itself, or the attributes of an object; not to be changed."""
    if issubclass(type(state), dict):  # a proxy may say that it is one
        return cast("dict[Any, Any]", state)
    slots = _slots(type(state))
    found = dict(_filled(state, slots)) if slots else {}
    try:
        attributes = object.__getattribute__(state, "__dict__")
    except AttributeError:
        return found
    if found or not isinstance(attributes, dict):
        found.update(attributes)
        return found
    return attributes


def _named(state: Any, keys: Iterable[Any] | None) -> dict[Any, Any]:
    contents = contents_of(state)
    if keys is None:
        return contents
    return {key: dict.get(contents, key) for key in keys if dict.__contains__(contents, key)}


def some_of(contents: dict[Any, Any], most: int) -> list[tuple[Any, Any]]:
    """The pairs of a dict: all, or the oldest and the newest."""
    items = dict.items(contents)  # past the iterator of a subclass
    return _ends(items, most) if dict.__len__(contents) > most else list(items)


def _ends(view: dict_keys[Any, Any] | dict_items[Any, Any], most: int) -> list[Any]:
    """The oldest and the newest of what a dict has."""
    half = most // 2
    with contextlib.suppress(RuntimeError):  # another thread is adding keys
        return [*islice(view, half), *reversed(list(islice(reversed(view), half)))]
    known = list(view)
    return [*known[:half], *known[-half:]]


_slots_of: Final[WeakKeyDictionary[type, tuple[tuple[str, Any], ...]]] = WeakKeyDictionary()
"""The slots of classes that were looked at."""


def _slots(kind: type) -> tuple[tuple[str, Any], ...]:
    found = _slots_of.get(kind)
    if found is None:
        _slots_of[kind] = found = tuple(
            (name, member)
            for owner in kind.__mro__
            for name, member in vars(owner).items()
            if isinstance(member, MemberDescriptorType) and not name.startswith("__")
        )
    return found


def _filled(state: Any, slots: tuple[tuple[str, Any], ...]) -> list[tuple[str, Any]]:
    found = []
    for name, member in slots:
        try:
            found.append((name, member.__get__(state)))
        except AttributeError:  # a slot that was never filled
            continue
    return found


# --- looking and comparing --------------------------------------------------------------------


def _looked(contents: dict[Any, Any]) -> Looked:
    """What is remembered of a dict; no line here is run for each key that holds a plain value."""
    size = dict.__len__(contents)
    if size > MOST_KEYS:
        keys = _ends(dict.keys(contents), MOST_KEYS)
        values = _held(contents, keys)
    else:  # at once: another thread may be adding keys
        whole = contents.copy() if type(contents) is dict else dict(some_of(contents, MOST_KEYS))
        keys, values = list(whole), list(whole.values())
    if not ATOMS.issuperset(map(type, values)):
        values = [value if type(value) in ATOMS else _mark(value) for value in values]
    return Looked(keys, values, size)


def _held(contents: dict[Any, Any], keys: list[Any]) -> list[Any]:
    """What a dict holds under some of its keys."""
    if type(contents) is dict:
        with contextlib.suppress(KeyError):  # another thread has removed one
            return list(itemgetter(*keys)(contents))
    return list(map(partial(dict.get, contents), keys))


def _mark(value: Any) -> tuple[int, int | None, type]:
    kind = type(value)
    return (id(value), len(value) if kind in _EXACTLY_SIZED else size_of(value), kind)


def _change(before: Looked, after: Looked, contents: dict[Any, Any]) -> Change:
    added, changed = _differing(before, after)
    if not before.whole and added:
        added = _newest(before, after)
    removed = []
    all_seen = before.whole == after.whole and len(added) < MOST_KEYS // 2
    if not all_seen or after.size < before.size + len(added):
        removed = list(filterfalse(partial(dict.__contains__, contents), before.keys))
    return Change(_names(added), _names(changed), _names(removed), after.size)


def _names(keys: list[Any]) -> list[str]:
    return [name_of(key) for key in keys[:MOST_NAMES]] if keys else keys


def _differing(before: Looked, after: Looked) -> tuple[list[Any], list[Any]]:
    """The keys that were not there, and those that held something else."""
    added, changed = [], []
    if len(before.keys) == len(after.keys) and all(map(is_, before.keys, after.keys)):
        former = before.values  # as most calls leave it
    else:
        known = dict(zip(before.keys, before.values, strict=True))
        former = list(map(known.get, after.keys, repeat(before)))
    for at in compress(count(), map(is_not, former, after.values)):
        if former[at] is before:
            added.append(after.keys[at])
        elif _differ(former[at], after.values[at]):
            changed.append(after.keys[at])
    return added, changed


def _newest(before: Looked, after: Looked) -> list[Any]:
    """What was added to a large state: new keys come last, behind one that was known."""
    known = dict.fromkeys(before.keys)
    found = list(takewhile(lambda key: key not in known, reversed(after.keys)))
    return found[::-1]


def _differ(was: Any, now: Any) -> bool:
    kind = type(now)
    if type(was) is not kind:
        return True
    if kind in _TEXTS and len(now) > LONG:
        return True  # another object, as was asked before
    return bool(was != now)
