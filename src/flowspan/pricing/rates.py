"""What each token of a model costs, compiled so that pricing a call is a few multiplications.

All rates of a model are brought to whole numbers of one small unit (a millionth of a cent, say):
sums are exact then, whatever the decimal context of the program's thread is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Final, Literal, NamedTuple

from flowspan.usage import Usage

Part = Literal[
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "output_audio",
    "request",
    "web_search",
]
"""What may have a rate of its own: a token of some kind, a request, a search."""

Rate = Mapping[Part, Decimal]
"""US dollars for one of each part.

A part that is not named costs what its whole costs.  The price of ``input``, ``output`` or
``web_search`` itself, where it is not named, is not known: write 0 for what costs nothing.
"""

EXACT: Final = Context(prec=100, traps=[])
"""A decimal context of our own, because the thread's belongs to the program."""

_PARTS: Final[tuple[tuple[Part, Part, str], ...]] = (
    ("cache_read", "input", "cache_read_tokens"),
    ("cache_write", "input", "cache_write_tokens"),
    ("cache_write_1h", "cache_write", "cache_write_1h_tokens"),
    ("input_audio", "input", "input_audio_tokens"),
    ("reasoning", "output", "reasoning_tokens"),
    ("output_audio", "output", "output_audio_tokens"),
)
"""Each part, the whole that its tokens are counted in too, and its field of ``Usage``."""

_OVERLAPS: Final[tuple[tuple[Part, Part], ...]] = (
    ("input_audio", "cache_read"),
    ("input_audio", "cache_write"),
    ("output_audio", "reasoning"),
)
"""Parts that may share tokens: with a rate for both, a usage that has both does not tell."""

_FIELD: Final = {part: field for part, _, field in _PARTS}


class _Row(NamedTuple):
    """Rates in whole units.

    Attributes:
        input: One input token; ``None`` if not known.
        input_parts: Fields of ``Usage``, and what one token there costs beyond its whole.
        output: One output token; ``None`` if not known.
        output_parts: As ``input_parts``.
        request: One call.
        web_search: One search; ``None`` if not known.
    """

    input: int | None
    input_parts: tuple[tuple[str, int], ...]
    output: int | None
    output_parts: tuple[tuple[str, int], ...]
    request: int
    web_search: int | None


class Rates:
    """The rates of one model, compiled.

    Args:
        base: Rates of a call whose input exceeds none of the thresholds.
        steps: Thresholds in input tokens, each with the rates of calls whose input is larger; they
            hold for all tokens of such a call, which is how providers charge long contexts.
    """

    __slots__ = ("_base", "_overlaps", "_steps", "_unit")

    def __init__(self, base: Rate, steps: Sequence[tuple[int, Rate]] = ()) -> None:
        tables = (base, *(table for _, table in steps))
        places = max((_places(rate) for table in tables for rate in table.values()), default=0)
        self._unit = Decimal((0, (1,), -places))
        self._base = _row(base, places)
        self._steps = tuple(
            (start, _row(table, places))
            for start, table in sorted(steps, key=lambda step: step[0], reverse=True)
        )
        self._overlaps = tuple(
            (_FIELD[one], _FIELD[other])
            for one, other in _OVERLAPS
            if one in base and other in base
        )

    def cost(self, usage: Usage) -> tuple[Decimal, Decimal, Decimal] | None:
        """What a call with that usage costs, in US dollars.

        Returns:
            Everything together, the input, the output; ``None`` where the usage does not tell.
        """
        row = self._base
        tokens = usage.input_tokens
        if self._steps and tokens:
            row = next((step for start, step in self._steps if tokens > start), row)
        for one, other in self._overlaps:
            if getattr(usage, one) and getattr(usage, other):
                return None
        charged_in = _charge(row.input, tokens, row.input_parts, usage)
        charged_out = _charge(row.output, usage.output_tokens, row.output_parts, usage)
        searches = usage.web_searches
        if charged_in is None or charged_out is None or (searches and row.web_search is None):
            return None
        total = charged_in + charged_out + row.request
        if searches and row.web_search:
            total += searches * row.web_search
        unit, multiply = self._unit, EXACT.multiply
        return multiply(unit, total), multiply(unit, charged_in), multiply(unit, charged_out)


def _charge(
    rate: int | None, count: int | None, parts: tuple[tuple[str, int], ...], usage: Usage
) -> int | None:
    """Units for one direction; ``None`` if the rate or the count is missing where it matters."""
    if count is None or rate is None:
        return 0 if count == 0 or (rate == 0 and not parts) else None
    charged = rate * count
    for field, beyond in parts:
        part = getattr(usage, field)
        if part:
            charged += beyond * part
    return charged


def _row(rate: Rate, places: int) -> _Row:
    units = {part: int(value.scaleb(places, EXACT)) for part, value in rate.items()}
    beyond: dict[Part, list[tuple[str, int]]] = {"input": [], "output": []}
    for part, whole, field in _PARTS:
        if part in units:
            direction: Part = "input" if whole == "cache_write" else whole
            difference = units[part] - units.get(whole, units.get(direction, 0))
            if difference:
                beyond[direction].append((field, difference))
    return _Row(
        input=units.get("input"),
        input_parts=tuple(beyond["input"]),
        output=units.get("output"),
        output_parts=tuple(beyond["output"]),
        request=units.get("request", 0),
        web_search=units.get("web_search"),
    )


def _places(rate: Decimal) -> int:
    """Decimal places, so that ``rate`` is a whole number of units of that size."""
    exponent = rate.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
