"""One entry of a price file, checked and compiled into a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, NoReturn

from flowspan.pricing import names
from flowspan.pricing.overrides import ANY_TIER, FOREVER, Override
from flowspan.pricing.rates import EXACT, Part, Rates

_MILLION: Final = 6
"""Prices are for a million tokens: power of ten."""

_LARGEST_PRICE: Final = Decimal(10) ** 9
_MOST_PLACES: Final = 15


class Refused(ValueError):  # noqa: N818 - it names what happened to the value
    """Something in a price file cannot be used.

    Attributes:
        where: The member that it is about, seen from the entry.
    """

    def __init__(self, sentence: str, *where: str) -> None:
        super().__init__(sentence)
        self.where = where


class _Field(NamedTuple):
    """One member that an entry may have."""

    read: Callable[[Any], Any]
    form: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - one error for every wrong value
    return value


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError  # noqa: TRY004 - same
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or not 0 <= number <= _LARGEST_PRICE:
        raise ValueError
    if -int(number.as_tuple().exponent) > _MOST_PLACES:
        raise ValueError
    return number


def _day(value: Any) -> float:
    """Midnight UTC at which a date begins, or a moment, in seconds of the epoch."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not isinstance(found, date):
        raise ValueError  # noqa: TRY004 - same
    return datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp()


def _tiers(value: Any) -> dict[str, Decimal]:
    if not isinstance(value, Mapping):
        raise ValueError  # noqa: TRY004 - same
    return {_text(name).lower(): _number(factor) for name, factor in value.items()}


_PRICE: Final = _Field(_number, 'US dollars per million tokens, as "0.15" or 0.15')
_EACH: Final = _Field(_number, 'US dollars for each one, as "0.005" or 0.005')
_NAME: Final = _Field(_text, 'a name, in which * stands for anything, as "gpt-4o*"')
_DATE: Final = _Field(_day, 'a date, as "2026-07-01"')

FIELDS: Final[dict[str, _Field]] = {
    "provider": _NAME,
    "model": _NAME,
    "server": _NAME,
    "input": _PRICE,
    "output": _PRICE,
    "cache_read": _PRICE,
    "cache_write": _PRICE,
    "cache_write_1h": _PRICE,
    "reasoning": _PRICE,
    "per_request": _EACH,
    "per_web_search": _EACH,
    "tiers": _Field(_tiers, 'service tiers and their factors, as {"batch": 0.5}'),
    "from": _DATE,
    "until": _DATE,
    "free": _Field(_truth, "true or false"),
    "note": _Field(_text, "a text"),
}
"""The members of an entry."""

_RATES: Final[dict[str, tuple[Part, int]]] = {
    "input": ("input", _MILLION),
    "output": ("output", _MILLION),
    "cache_read": ("cache_read", _MILLION),
    "cache_write": ("cache_write", _MILLION),
    "cache_write_1h": ("cache_write_1h", _MILLION),
    "reasoning": ("reasoning", _MILLION),
    "per_request": ("request", 0),
    "per_web_search": ("web_search", 0),
}

_NEEDS: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "input",
    "reasoning": "output",
}


def override_of(entry: Any) -> Override:
    """Make the rule that an entry describes.

    Raises:
        Refused: It cannot be used; the message says what was expected.
    """
    if not isinstance(entry, Mapping):
        _refuse(entry, 'an object, as {"model": "my-model", "input": "0.50", "output": "1.50"}')
    values = {name: _value(name, value) for name, value in entry.items()}
    _check(values)
    begins, ends = values.get("from", -FOREVER), values.get("until", FOREVER)
    return Override(
        provider=values.get("provider"),
        model=values.get("model"),
        server=values.get("server"),
        begins=begins,
        ends=ends,
        free=values.get("free"),
        tiers={} if "free" in values else _rates(values),
    )


def _refuse(value: Any, form: str, *where: str) -> NoReturn:
    name = f'"{where[0]}" is ' if where else "an entry is "
    raise Refused(f"{name}{_shown(value)}; expected {form}", *where)


def _shown(value: Any) -> str:
    text = repr(str(value)) if isinstance(value, (Decimal, date)) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - about half a line


def _value(name: str, value: Any) -> Any:
    field = FIELDS.get(name)
    if field is None:
        raise Refused(f'"{name}" is not known; expected one of {", ".join(FIELDS)}', name)
    try:
        return field.read(value)
    except (ValueError, OverflowError):
        _refuse(value, field.form, name)


def _check(values: Mapping[str, Any]) -> None:
    """Refuse what each member alone does not show."""
    if not values.keys() & {"provider", "model", "server"}:
        raise Refused("the entry is for no call; expected a provider, a model or a server")
    prices = [name for name in _RATES if name in values]
    if "free" in values and (prices or "tiers" in values):
        raise Refused('"free" stands beside prices; expected the one or the others', "free")
    if "free" not in values and not prices:
        raise Refused('the entry has no price; expected "input" and "output", or "free": true')
    for part, whole in _NEEDS.items():
        if part in values and whole not in values:
            raise Refused(f'"{part}" stands without "{whole}"; expected both', part)
    if values.get("from", -FOREVER) >= values.get("until", FOREVER):
        raise Refused('"until" is not after "from"; expected a later date', "until")


def _rates(values: Mapping[str, Any]) -> dict[str | None, Rates]:
    """The rates of the standard tier and of those with a factor."""
    base = {
        part: values[name].scaleb(-power, EXACT)
        for name, (part, power) in _RATES.items()
        if name in values
    }
    if base.keys() <= {"request", "web_search"}:  # a flat price: tokens cost nothing
        base |= dict.fromkeys(("input", "output"), Decimal(0))
    factors: dict[str | None, Decimal] = {None: Decimal(1)}
    for word, factor in values.get("tiers", {}).items():
        factors[ANY_TIER if word == ANY_TIER else names.tier_id(word)] = factor
    return {
        tier: Rates({part: EXACT.multiply(rate, factor) for part, rate in base.items()})
        for tier, factor in factors.items()
    }
