"""What something looks like, in one number: to see cheaply that it comes again.

Nothing is serialised, copied or kept, and no code of the program runs: some dozens of values are
looked at, the nearest first, by their small values, sizes and names.  The number means nothing in
another process.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.states import ATOMS, contents_of, some_of


class Reach(NamedTuple):
    """How far a look goes.

    Attributes:
        tokens: What is found out before no further object is looked at.
        objects: Collections and objects that are looked into.
        items: Of one collection: where there are more, some at its beginning and at its end.
        places: Where a long text is looked at: at its end, or also at its beginning and middle.
    """

    tokens: int
    objects: int
    items: int
    places: int


NEAR: Final = Reach(48, 8, 16, 1)
"""A look that every call of a node can afford: ten microseconds."""

WIDE: Final = Reach(96, 16, 16, 3)
"""A look at a result, which is looked at only where the inputs came again."""

FAR: Final = Reach(8000, 2000, 2000, 3)
"""A look that is taken once, to be sure: a few milliseconds at most."""

_SHORT: Final = 256
_END: Final = 64
_ENDS: Final = 4
_PLAIN: Final[frozenset[type]] = ATOMS | {date, datetime, time, timedelta, Decimal, range}
_LARGE: Final = 1 << 60
_numbers: Final = itertools.count()
_LASTING: Final = (type, ModuleType, BuiltinFunctionType)


class Likeness(NamedTuple):
    """What a value looked like.

    Attributes:
        number: Equal for values that look the same.
        whole: Whether all of it was looked at.
        others: Objects that cannot be looked into and are told by their address: these must still
            be there for it to mean anything.
    """

    number: int
    whole: bool
    others: tuple[weakref.ref[Any], ...]

    def same(self, other: Likeness) -> bool:
        """Whether something that is looked at now is like what was looked at before."""
        if self.number != other.number:
            return False
        return not self.others or all(ref() is not None for ref in self.others)


def likeness(value: Any, reach: Reach = NEAR) -> Likeness:
    """What a value looks like now."""
    look = _Look(reach)
    waiting, tokens = look.waiting, look.tokens
    waiting.append(value)
    while waiting and len(tokens) < reach.tokens:
        value = waiting.popleft()
        _OF_KIND.get(type(value), _object)(look, value)
    whole = look.whole and not waiting
    return Likeness(hash(tuple(tokens)), whole, tuple(look.others))


class _Look:
    """One look, breadth first: what is near counts before what is deep inside.

    Attributes:
        tokens: What was found out.
        waiting: What is to be looked at.
        seen: Objects that were looked into.
        whole: Whether nothing was left out.
        others: Objects that are told by their address.
        reach: How far it goes.
    """

    __slots__ = ("others", "reach", "seen", "tokens", "waiting", "whole")

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.tokens: list[Any] = []
        self.waiting: deque[Any] = deque()
        self.seen: set[int] = set()
        self.whole = True
        self.others: list[weakref.ref[Any]] = []

    def again(self, value: Any, size: int) -> bool:
        """Take the kind and the size of an object; true where it is not to be looked into."""
        seen = self.seen
        self.tokens += (id(type(value)), size)
        if id(value) in seen:
            return True
        if len(seen) >= self.reach.objects:
            self.whole = False
            return True
        seen.add(id(value))
        return False


# --- plain values -----------------------------------------------------------------------------


def _plain(look: _Look, value: Any) -> None:
    look.tokens += (type(value), value)


def _number(look: _Look, value: Any) -> None:
    # Python's own hash is that of -2 for -1, and that of 0 for some very large numbers.
    if 0 <= value < _LARGE:
        look.tokens += (type(value), value)
    elif -_LARGE < value < 0:
        look.tokens += (type(value), "-", -value)
    elif type(value) is float:
        look.tokens.append(value.hex())
    else:
        look.tokens += (value.bit_length(), str(value % _LARGE))


def _text(look: _Look, value: Any) -> None:
    size = len(value)
    if size <= _SHORT:
        look.tokens += (type(value), value)  # a text and its bytes have the same hash
    else:
        look.tokens += (type(value), size, value[-_END:])
        if look.reach.places == 1:
            look.whole = False
        else:
            middle = size // 2
            look.tokens += (value[:_END], value[middle : middle + _END])


# --- collections and objects ------------------------------------------------------------------


def _pairs(look: _Look, value: Any, contents: dict[Any, Any]) -> None:
    size = dict.__len__(contents)
    if look.again(value, size):
        return
    tokens, waiting = look.tokens, look.waiting
    most = look.reach.items
    look.whole = look.whole and size <= most
    for key, item in some_of(contents, most):
        kind = type(key)
        if kind is str and len(key) <= _SHORT:
            tokens.append(key)
        elif kind in _PLAIN:
            _OF_KIND[kind](look, key)
        else:
            tokens.append(id(kind))
        kind = type(item)
        if kind is str and len(item) <= _SHORT:
            tokens += (kind, item)
        elif kind in _PLAIN:  # at once: the newest part of a state is often a count
            _OF_KIND[kind](look, item)
        else:
            waiting.append(item)


def _dict(look: _Look, value: Any) -> None:
    _pairs(look, value, value)


def _items(look: _Look, value: Any) -> None:
    size = len(value)
    if look.again(value, size):
        return
    if size <= look.reach.items:
        look.waiting.extend(value)
        return
    look.whole = False
    if type(value) is deque:
        look.waiting += (value[0], value[-1])
    else:
        look.waiting += value[:_ENDS]
        look.waiting += value[-_ENDS:]


def _set(look: _Look, value: Any) -> None:
    if look.again(value, len(value)):
        return
    if len(value) <= look.reach.items and all(type(item) in _PLAIN for item in value):
        look.tokens.append(frozenset(value))
    else:
        look.whole = False


def _function(look: _Look, value: Any) -> None:
    if not look.again(value, 0):
        look.tokens.append(id(value.__code__))
        look.waiting.append(value.__defaults__)
        look.waiting.extend(cell.cell_contents for cell in value.__closure__ or ())


def _method(look: _Look, value: Any) -> None:
    look.waiting += (value.__self__, value.__func__)


def _partial(look: _Look, value: Any) -> None:
    look.waiting += (value.func, value.args, value.keywords)


def _object(look: _Look, value: Any) -> None:
    kind = type(value)  # what it says of its class may be of another object
    if issubclass(kind, _LASTING):
        look.tokens.append(id(value))
    elif issubclass(kind, dict):
        _pairs(look, value, value)
    elif contents := contents_of(value):
        _pairs(look, value, contents)
    else:
        _opaque(look, value)


def _opaque(look: _Look, value: Any) -> None:
    """What cannot be looked into: it is what it is as long as it is there."""
    look.whole = False
    look.tokens.append(id(value))
    try:
        look.others.append(weakref.ref(value))
    except TypeError:  # nobody can tell whether it is still there: it is like nothing else
        look.tokens.append(next(_numbers))


_OF_KIND: Final[dict[type, Callable[[_Look, Any], None]]] = {
    **dict.fromkeys(_PLAIN, _plain),
    str: _text,
    bytes: _text,
    int: _number,
    float: _number,
    dict: _dict,
    list: _items,
    tuple: _items,
    deque: _items,
    set: _set,
    frozenset: _set,
    FunctionType: _function,
    MethodType: _method,
    functools.partial: _partial,
}
