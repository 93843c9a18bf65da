"""Attribute values that a span can hold, whatever an extractor brought; never an exception."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Final

from flowspan.instrumentation.content import MOST_CHARACTERS, bounded

MOST_ITEMS: Final = 1000
"""Items of a sequence that are recorded as such, and all values inside a nested one."""

_PLAIN: Final = frozenset({str, int, float, bool})
_EXACT: Final = frozenset({list, tuple})
_TEXTS: Final = {str}
_SHORT: Final = 256
"""Texts up to here need no second look where they are ASCII."""
_MOST_BITS: Final = 63
_DEEPEST: Final = 20
_MORE: Final = "…"


def cleaned(value: Any) -> Any:
    """A value as a span holds it.

    Plain values stay as they are, cut where they are very long; sequences of one plain type become
    tuples; enum members, numbers of other kinds and bytes become what they stand for; mappings and
    what is nested become JSON; anything else becomes its text.

    Returns:
        The value, or ``None`` where nothing is to be set.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= _SHORT and value.isascii() else _text(value)
    if kind is int and -(1 << _MOST_BITS) <= value < 1 << _MOST_BITS:
        return value
    if kind is float or kind is bool or value is None:
        return value
    try:
        return _converted(value)
    except Exception:  # noqa: BLE001 - an object may do anything when it is looked at
        return f"<{kind.__name__} that cannot be shown>"


def text(value: Any) -> str:
    """The value as text, for the names of spans, events and attributes."""
    if type(value) is str and len(value) <= _SHORT and value.isascii():
        return value
    clean = cleaned(value)
    return clean if type(clean) is str else str(clean)


def _text(value: str) -> str:
    """The text without lone surrogates, which no exporter could encode, and bounded."""
    if len(value) > MOST_CHARACTERS:
        value = bounded(value)
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _are_short_texts(items: list[Any] | tuple[Any, ...]) -> bool:
    """Whether all items are texts, as names of keys are, and need no second look."""
    if len(items) > MOST_ITEMS or set(map(type, items)) != _TEXTS:
        return False
    whole = "".join(items)
    return len(whole) <= MOST_CHARACTERS and whole.isascii()


def _converted(value: Any) -> Any:
    if type(value) in _EXACT and _are_short_texts(value):
        return tuple(value)
    found = _scalar(value)
    if found is not value:
        return cleaned(found)
    if isinstance(value, Sequence | AbstractSet) and len(value) <= MOST_ITEMS:
        items = tuple(cleaned(item) for item in value)
        kinds = {type(item) for item in items}
        if kinds == {int, float}:
            return tuple(float(item) for item in items)
        if len(kinds) <= 1 and kinds <= _PLAIN and not any(map(_is_nested, value)):
            return items
    if _is_nested(value):
        return _text(json.dumps(_nested(value, [MOST_ITEMS + 1], 0), ensure_ascii=False))
    return _text(str(value))


def _scalar(value: Any) -> Any:
    """What a value stands for if that is plain; else the value itself."""
    if type(value).__module__ == "numpy":
        return _of_numpy(value)
    for kind, plainly in _STANDS_FOR:
        if isinstance(value, kind):
            return plainly(value)
    return value


def _of_numpy(value: Any) -> Any:
    """Numbers, truth values and small arrays of numpy; large ones abbreviate themselves as text."""
    return value.tolist() if getattr(value, "size", MOST_ITEMS + 1) <= MOST_ITEMS else str(value)


def _decoded(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace")


_STANDS_FOR: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (enum.Enum, lambda member: member.value),
    (bytes | bytearray | memoryview, _decoded),
    (Integral, int),
    (Real | Decimal, float),
)
"""Kinds of values, and how they say what they stand for without what a subclass made of it."""


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence | AbstractSet) and not isinstance(
        value, str | bytes
    )


def _nested(value: Any, left: list[int], depth: int) -> Any:
    """A value as JSON can say it, as far as :data:`MOST_ITEMS` reach."""
    if depth > _DEEPEST or left[0] <= 0:
        return _MORE
    left[0] -= 1
    if isinstance(value, Mapping):
        return {
            text(key): _nested(item, left, depth + 1) for key, item in _some(value.items(), left)
        }
    if _is_nested(value):
        return [_nested(item, left, depth + 1) for item in _some(value, left)]
    clean = cleaned(value)
    return str(clean) if isinstance(clean, float) and not math.isfinite(clean) else clean


def _some(items: Iterable[Any], left: list[int]) -> Iterator[Any]:
    """The items until the budget is used up, and one that stands for the rest."""
    for item in items:
        yield item
        if left[0] <= 0:
            return
