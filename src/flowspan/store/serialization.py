"""Any attribute value to JSON text, and never an error.

The SDK promises to hold strings, numbers, bytes, ``None``, sequences and maps, but spans are also
made by other SDK versions, tests and mistakes.  The common case is one call into the C encoder;
only where that refuses is the value rebuilt piece by piece.

=====================================  =======================================================
value                                  what is written
=====================================  =======================================================
bytes                                  ``{"bytesValue": "<base64>"}``, as OTLP's JSON has it
NaN and the infinities                 ``"NaN"``, ``"Infinity"``, ``"-Infinity"``, likewise
an integer too large to print          its hexadecimal digits, as text
half of a surrogate pair               ``U+FFFD``
a map's key that is not text           its ``repr``
an object that JSON has no form for    its ``repr``, else the name of its class in angle brackets
what is nested or numerous beyond use  ``"…"``
=====================================  =======================================================
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

CUT: Final = "…"
_DEEPEST: Final = 32
_MOST_ITEMS: Final = 20_000
_LONGEST_REPR: Final = 1_000
_TEXTS: Final = (str, bytes, bytearray)


def to_json(value: Any) -> str:
    """JSON text of ``value`` that SQLite takes and ``json.loads`` reads back."""
    try:
        text = _encode(value)
    except Exception:  # noqa: BLE001 - whatever the encoder or an object of the user's raises
        text = _encode_carefully(value)
    return without_surrogates(text)


def without_surrogates(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair, which UTF-8 cannot carry."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def plain_dict(mapping: Mapping[str, Any] | None) -> dict[str, Any]:
    """A dict of a mapping's items; the SDK's own kind copies itself faster than it is read."""
    if not mapping:
        return {}
    copied = mapping.copy() if hasattr(mapping, "copy") else mapping
    return copied if type(copied) is dict else dict(copied)


def text_of(value: Any) -> str:
    """``value`` in words, for columns that hold text; never raises."""
    try:
        text = value if type(value) is str else str(value)
    except Exception:  # noqa: BLE001 - an object whose __str__ raises, or a giant integer
        text = _repr(value)
    return without_surrogates(text)


def _default(value: Any) -> Any:
    """Called by the C encoder for what it has no form for."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytesValue": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, Mapping):
        return plain_dict(value)
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str):
        return list(value)
    return _repr(value)


_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default
).encode


def _encode_carefully(value: Any) -> str:
    try:
        return _encode(_Rebuilding().value(value, 0))
    except Exception:  # noqa: BLE001 - an object hostile enough to raise from everything
        return _encode(_class_name(value))


class _Rebuilding:
    """Makes a copy that the encoder takes, of at most so many items."""

    def __init__(self) -> None:
        self.room = _MOST_ITEMS

    def value(self, value: Any, depth: int) -> Any:
        self.room -= 1
        if self.room < 0 or depth > _DEEPEST:
            return CUT
        if value is None or type(value) in {bool, str}:
            return value
        if isinstance(value, float | int):
            return _rebuilt_number(value)
        if isinstance(value, Mapping):
            items = self.some(value.items())
            return {_key(key): self.value(item, depth + 1) for key, item in items}
        if isinstance(value, Sequence | AbstractSet) and not isinstance(value, _TEXTS):
            return [self.value(item, depth + 1) for item in self.some(value)]
        return _last_resort(value)

    def some(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items for which there is room, and one more, which is cut."""
        for item in items:
            yield item
            if self.room < 0:
                return


def _rebuilt_number(value: float) -> float | str:
    if isinstance(value, int):
        return _rebuilt_integer(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def _rebuilt_integer(value: int) -> int | str:
    try:
        str(value)
    except ValueError:  # longer than Python is willing to print
        return hex(value)[:_LONGEST_REPR]
    return value


def _key(key: Any) -> str:
    return key if type(key) is str else _repr(key)


def _last_resort(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return str.__str__(value)
        return _default(value)
    except Exception:  # noqa: BLE001 - see _encode_carefully
        return _class_name(value)


def _repr(value: Any) -> str:
    try:
        return repr(value)[:_LONGEST_REPR]
    except Exception:  # noqa: BLE001 - an object whose __repr__ raises
        return _class_name(value)


def _class_name(value: Any) -> str:
    return f"<{type(value).__name__}>"
