"""Reads the token counts of a provider's usage, of SDK objects and dictionaries alike.

Where a format keeps them, a table says (:mod:`.usageshapes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from flowspan.usageshapes import SHAPES, Shape

_Number = TypeVar("_Number", int, float)

_LENGTH: Final = "audio_seconds"
"""The one field that is no count."""

_LARGEST_COUNT: Final = 2**53
"""Beyond this a number is no count of tokens; it also stays exact in every JSON reader."""


def read(shape: str | Shape, values: tuple[Any, ...]) -> tuple[dict[str, Any], str | None]:
    """The counts of a provider's usage, by field of ``Usage``, and the service tier if it is said.

    Args:
        shape: A name in ``SHAPES``, or such a shape.
        values: Instalments of the usage; their counts are cumulative, the largest is taken.

    Returns:
        Only what was found, parts counted beside their whole being added to it.
    """
    form = SHAPES[shape] if isinstance(shape, str) else shape
    counts: dict[str, Any] = {}
    words: list[str] = []
    for value in values:
        try:
            _read(value, form, counts, words)
        except Exception:  # noqa: BLE001, S112 - somebody else's property raised: keep the rest
            continue
    if counts:
        _complete(counts, form)
    return counts, _telling(words) if words else None


def as_count(value: object) -> int | None:
    """``value`` if it is a count: a whole number, not negative, not absurd."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value <= _LARGEST_COUNT or value != int(value):
        return None
    return int(value)


def as_length(value: object) -> float | None:
    """``value`` if it is a length in time: a number of seconds, not negative, not absurd."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def as_word(value: object) -> str | None:
    """``value`` in lower case if it is a text with something in it."""
    return (value.strip().lower() or None) if isinstance(value, str) else None


def _read(value: Any, form: Shape, counts: dict[str, Any], words: list[str]) -> None:
    """Take from one usage object whatever it says beyond the others."""
    last = ""
    top = members = _members(value)
    for field, inside, name in form.rows:
        if inside != last:
            last, members = inside, _inside(top, inside)
        count = members.get(name)
        if count is not None:
            if type(count) is not int or count > _LARGEST_COUNT:
                count = as_length(count) if field == _LENGTH else as_count(count)
            if count is not None and count > counts.get(field, -1):
                counts[field] = count
    for name in form.tiers:
        word = as_word(top.get(name))
        if word is not None:
            words.append(word)


class _Attributes:
    """The attributes of any object, asked for as those of a mapping."""

    __slots__ = ("get",)

    def __init__(self, value: object) -> None:
        self.get = lambda name: getattr(value, name, None)


def _inside(top: Any, path: str) -> Any:
    """The members of the member at a dotted path."""
    for name in path.split("."):
        top = _members(top.get(name))
    return top


def _members(value: Any) -> Mapping[str, Any] | _Attributes:
    """What a dictionary or an SDK object holds, by name."""
    if type(value) is dict or isinstance(value, Mapping):
        return value
    if value is None:
        return {}
    if isinstance(value, list):
        return _of_modalities(value)
    # A pydantic object takes a microsecond to say that it has no such attribute: look into it.
    extra: Any = getattr(value, "__pydantic_extra__", _NOT_PYDANTIC)
    if extra is _NOT_PYDANTIC:
        return _Attributes(value)
    return {**vars(value), **extra} if extra else vars(value)


_NOT_PYDANTIC: Final = object()


def _of_modalities(counts: list[Any]) -> dict[str, Any]:
    """Google tells the parts of a count as a list: text, audio, images."""
    return {
        str(each.get("modality")): each.get("tokenCount")
        for each in counts
        if isinstance(each, Mapping)
    }


def _complete(counts: dict[str, Any], form: Shape) -> None:
    """Make the counts inclusive, and drop those that only served to find out."""
    everything = counts.pop("everything", None)
    written = add(counts.pop("cache_write_5m_tokens", None), counts.get("cache_write_1h_tokens"))
    if written is not None:
        counts.setdefault("cache_write_tokens", written)
    for name in form.zero:
        counts.setdefault(name, 0)
    for part, whole in form.beside:
        if whole in counts:
            counts[whole] += counts.get(part, 0)
    counts.pop("tool_input_tokens", None)
    if everything:
        _reconcile(counts, form, everything)
    for part, whole in form.entire:
        if whole in counts:
            counts.setdefault(part, counts[whole])
    counts.update(form.fixed)


def _reconcile(counts: dict[str, Any], form: Shape, everything: int) -> None:
    """Find in the sum of everything what the output does not have yet."""
    output, reasoning = counts.get("output_tokens"), counts.get("reasoning_tokens")
    if output is None:
        return
    missing = everything - counts.get("input_tokens", 0) - output
    if reasoning and missing == reasoning:
        counts["output_tokens"] = everything - counts.get("input_tokens", 0)
    elif form.rest and form.rest not in counts and "input_tokens" in counts and missing > 0:
        counts["output_tokens"] = output + missing
        counts[form.rest] = missing


def _telling(words: list[str]) -> str:
    """The first tier that is not merely the standard one, else the standard one's name."""
    return next((word for word in words if word != "standard"), words[0])


def add(left: _Number | None, right: _Number | None) -> _Number | None:
    """The sum of two counts; one that is not known adds nothing."""
    if left is None or right is None:
        return right if left is None else left
    return left + right
