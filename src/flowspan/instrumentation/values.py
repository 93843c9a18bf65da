"""Attribute values that a span can hold, whatever an extractor brought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

_PLAIN: Final = frozenset({str, int, float, bool})
_MOST_BITS: Final = 63


def cleaned(value: Any) -> Any:
    """A value as a span holds it.

    Plain values stay as they are; sequences of one plain type become tuples; subclasses (enum
    members, numpy scalars) become what they are subclasses of; anything else becomes JSON.

    Returns:
        The value, or ``None`` where nothing is to be set.
    """
    kind = type(value)
    if kind is int:
        return value if -(1 << _MOST_BITS) <= value < 1 << _MOST_BITS else str(value)
    if kind is str:
        return value if value.isascii() else _encodable(value)
    if kind in _PLAIN or value is None:
        return value
    return _converted(value)


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no exporter could encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _converted(value: Any) -> Any:
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return cleaned(kind(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Sequence | set | frozenset):
        items = tuple(cleaned(item) for item in value if item is not None)
        kinds = {type(item) for item in items}
        if len(kinds) <= 1 and kinds <= _PLAIN:
            return items
    return json.dumps(value, default=repr, ensure_ascii=False)
