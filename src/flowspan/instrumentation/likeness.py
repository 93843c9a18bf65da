"""What something looks like, in one number: to see cheaply that it comes again.

Nothing is serialised, copied or kept, and no code of the program runs: a hundred values or so are
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

from flowspan.instrumentation.spanstate import ATOMS, contents_of, some_of

MOST_TOKENS: Final = 160
"""What is found out before no further object is looked into."""

MOST_ITEMS: Final = 32
"""Of one collection: where there are more, the first half of these and the last."""

_SHORT: Final = 256
_END: Final = 64
_BY_VALUE: Final = ATOMS | {date, datetime, time, timedelta, Decimal, range}
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
        return self.number == other.number and all(ref() is not None for ref in self.others)


def likeness(value: Any) -> Likeness:
    """What a value looks like now."""
    look = _Look()
    return look.at(value)


class _Look:
    """One look, breadth first: what is near counts before what is deep inside."""

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.others: list[weakref.ref[Any]] = []
        self.whole = True
        self.waiting: deque[Any] = deque()
        self._seen: set[int] = set()

    def at(self, value: Any) -> Likeness:
        waiting = self.waiting
        waiting.append(value)
        while waiting and len(self.tokens) < MOST_TOKENS:
            self._one(waiting.popleft())
        whole = self.whole and not waiting
        return Likeness(hash(tuple(self.tokens)), whole, tuple(self.others))

    def _one(self, value: Any) -> None:
        kind = type(value)
        if kind is str or kind is bytes:
            self._text(kind, value)
        elif kind is int or kind is float:
            self._number(kind, value)
        elif kind in _BY_VALUE:
            self.tokens += (kind.__name__, value)
        elif id(value) in self._seen:
            self.tokens.append("again")
        else:
            self._seen.add(id(value))
            self.tokens.append(id(kind))
            _LOOK_INTO.get(kind, _object)(self, value)

    def _number(self, kind: type, value: Any) -> None:
        # Python's own hash is that of -2 for -1, and that of 0 for some very large numbers.
        if -_LARGE < value < _LARGE:
            self.tokens += (kind, value) if value >= 0 else (kind, "-", -value)
        else:
            self.tokens.append(
                value.hex() if kind is float else (value.bit_length(), str(value % _LARGE))
            )

    def _text(self, kind: type, value: Any) -> None:
        size = len(value)
        self.tokens.append(kind)  # a text and its bytes have the same hash
        if size <= _SHORT:
            self.tokens.append(value)
        else:
            middle = size // 2
            self.tokens += (size, value[:_END], value[middle : middle + _END], value[-_END:])

    def pairs(self, contents: dict[Any, Any]) -> None:
        """Names and what they stand for."""
        size = dict.__len__(contents)
        self.tokens.append(size)
        self.whole = self.whole and size <= MOST_ITEMS
        tokens = self.tokens
        for key, value in some_of(contents, MOST_ITEMS):
            if type(key) is str and len(key) <= _SHORT:
                tokens.append(key)
            else:
                self._one(key) if type(key) in _BY_VALUE else tokens.append(id(type(key)))
            if type(value) is str and len(value) <= _SHORT:  # what there is most of
                tokens += (str, value)
            else:
                self.waiting.append(value)

    def items(self, value: Any) -> None:
        """The items of a sequence."""
        size = len(value)
        self.tokens.append(size)
        if size <= MOST_ITEMS:
            self.waiting.extend(value)
        else:
            half = MOST_ITEMS // 2
            self.whole = False
            self.waiting.extend(value[at] for at in (*range(half), *range(-half, 0)))

    def opaque(self, value: Any) -> None:
        """What cannot be looked into: it is what it is as long as it is there."""
        self.whole = False
        self.tokens.append(id(value))
        try:
            self.others.append(weakref.ref(value))
        except TypeError:  # nobody can tell whether it is still there: it is like nothing else
            self.tokens.append(next(_numbers))


def _set(look: _Look, value: Any) -> None:
    look.tokens.append(len(value))
    if len(value) <= MOST_ITEMS and all(type(item) in _BY_VALUE for item in value):
        look.tokens.append(frozenset(value))
    else:
        look.whole = False


def _function(look: _Look, value: Any) -> None:
    look.tokens.append(id(value.__code__))
    look.waiting.append(value.__defaults__)
    for cell in value.__closure__ or ():
        look.waiting.append(cell.cell_contents)


def _method(look: _Look, value: Any) -> None:
    look.waiting += (value.__self__, value.__func__)


def _partial(look: _Look, value: Any) -> None:
    look.waiting += (value.func, value.args, value.keywords)


def _object(look: _Look, value: Any) -> None:
    if isinstance(value, _LASTING):
        look.tokens.append(id(value))
    elif isinstance(value, dict):
        look.pairs(value)
    elif contents := contents_of(value):
        look.pairs(contents)
    else:
        look.opaque(value)


_LOOK_INTO: Final[dict[type, Callable[[_Look, Any], None]]] = {
    dict: _Look.pairs,
    list: _Look.items,
    tuple: _Look.items,
    deque: _Look.items,
    set: _set,
    frozenset: _set,
    FunctionType: _function,
    MethodType: _method,
    functools.partial: _partial,
}
