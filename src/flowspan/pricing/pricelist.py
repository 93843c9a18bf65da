"""A model's entry in genai-prices, compiled into a tariff.

What cannot be compiled exactly is left to genai-prices' own calculation, at its own speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from genai_prices import types
from genai_prices.types import Usage as ListedUsage

from flowspan.pricing.price import Price, free
from flowspan.pricing.rates import EXACT, Part, Rates
from flowspan.pricing.tariff import (
    UNKNOWN,
    Always,
    Calendar,
    Constant,
    Quote,
    Rated,
    Tariff,
    When,
    moment,
)
from flowspan.usage import Usage

SOURCE: Final = "genai-prices"

_PARTS: Final[dict[str, tuple[Part, int]]] = {
    "input_mtok": ("input", 6),
    "output_mtok": ("output", 6),
    "cache_read_mtok": ("cache_read", 6),
    "cache_write_mtok": ("cache_write", 6),
    "cache_write_1h_mtok": ("cache_write_1h", 6),
    "output_reasoning_mtok": ("reasoning", 6),
    "input_audio_mtok": ("input_audio", 6),
    "output_audio_mtok": ("output_audio", 6),
    "requests_kcount": ("request", 3),
    "web_searches_kcount": ("web_search", 3),
}
"""Keys of a price list: the part that each prices, and the power of ten of it that it prices."""

_UNCOUNTED: Final = frozenset(
    {
        "audio_hours",
        "cache_audio_read_mtok",
        "cache_image_read_mtok",
        "input_annotated_document_kpages",
        "input_audio_hours",
        "input_document_kpages",
        "input_image_mtok",
        "input_mchars",
        "input_text_messages_kcount",
        "input_video_mtok",
        "output_citation_mtok",
        "output_image_mtok",
        "output_video_mtok",
        "storage_searches_kcount",
    }
)
"""Keys for what few calls have: where a usage counts none of it, they add nothing to a price."""

_CHARGED: Final = frozenset({"input_mtok", "output_mtok", "requests_kcount"})
"""Without a rate for one of these a list says nothing about a call that is counted in tokens."""

_MEASURED: Final = (
    ("audio_seconds", frozenset({"audio_hours", "input_audio_hours"})),
    ("characters", frozenset({"input_mchars"})),
)
"""Fields of a usage that are charged in place of tokens, and keys of which one must price them."""

_FREE: Final = (
    ("*", "*:free"),  # the suffix under which OpenRouter serves a model for nothing
    ("github-copilot", "*"),  # part of the subscription, as the list's comment says
    ("openai", "moderation"),  # not charged by OpenAI
)
"""Provider and model of the entries without any rate that are free.

genai-prices prices every model without a rate at 0, and also keeps such entries for models whose
price nobody wrote down; but what is not known must not become 0.
"""

_TIER_KEYS: Final = ("processing", "service_tier", "speed")
"""What price lists call the service tier; it differs from provider to provider."""

_COUNTS: Final = (
    ("input_tokens", "input_tokens"),
    ("output_tokens", "output_tokens"),
    ("cache_read_tokens", "cache_read_tokens"),
    ("cache_write_tokens", "cache_write_tokens"),
    ("cache_write_1h_tokens", "cache_write_1h_tokens"),
    ("reasoning_tokens", "output_reasoning_tokens"),
    ("input_audio_tokens", "input_audio_tokens"),
    ("output_audio_tokens", "output_audio_tokens"),
    ("web_searches", "web_searches"),
    ("input_image_tokens", "input_image_tokens"),
    ("output_image_tokens", "output_image_tokens"),
    ("cache_read_audio_tokens", "cache_audio_read_tokens"),
    ("cache_read_image_tokens", "cache_image_read_tokens"),
    ("audio_seconds", "audio_seconds"),
    ("audio_seconds", "input_audio_seconds"),
    ("characters", "input_characters"),
)
"""Fields of our usage and of theirs."""

_RARE: Final = (
    "input_image_tokens",
    "output_image_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "audio_seconds",
    "characters",
)
"""Fields of a usage that leave the price to genai-prices, where a list has a rate for them."""


def listed_usage(usage: Usage) -> ListedUsage:
    """A usage as genai-prices takes it."""
    counts: dict[str, Any] = {theirs: getattr(usage, ours) for ours, theirs in _COUNTS}
    if usage.cache_write_tokens is not None and usage.cache_write_1h_tokens is not None:
        counts["cache_write_5m_tokens"] = usage.cache_write_tokens - usage.cache_write_1h_tokens
    return ListedUsage(**counts)


def tariff_of(provider: types.Provider, model: types.ModelInfo, tier: str | None) -> Tariff:
    """Compile the tariff of a model.

    Args:
        provider: Who sells it.
        model: The model, the provider's own or one that it resells.
        tier: Service tier, ``None`` for the standard one.

    Returns:
        A tariff whose quotes equal what genai-prices calculates, except where that is not known:
        a tier without a price of its own at that time quotes none, instead of the standard one.
    """
    entry = _Entry(provider, model, tier, _variants(provider, model, tier))
    constraints = entry.constraints()
    if any(type(one) not in _COMPILED for one in constraints):
        return _Recalculated(entry)
    dates = sorted({one.start_date for one in constraints if isinstance(one, _Starts)})
    times = sorted(
        {
            seconds
            for one in constraints
            if isinstance(one, _Daily)
            for seconds in (_second_of_day(one.start_time), _second_of_day(one.end_time))
        }
    )
    if not dates and not times:
        return Constant(entry.quote(datetime(1970, 1, 1, tzinfo=UTC)))
    days = [dates[0] - timedelta(days=1) if dates else date(1970, 1, 1), *dates]
    midnights = [datetime.combine(day, time(), UTC) for day in days]
    return Calendar(
        [midnight.timestamp() for midnight in midnights[1:]],
        times,
        [
            [entry.quote(day + timedelta(seconds=start)) for start in (0.0, *times)]
            for day in midnights
        ],
    )


_Starts = types.StartDateConstraint
_Daily = types.TimeOfDateConstraint
_COMPILED: Final = (_Starts, _Daily)


def _second_of_day(moment_of_day: time) -> float:
    """Seconds since midnight UTC; a time without a zone is UTC."""
    if moment_of_day.tzinfo is None:
        moment_of_day = moment_of_day.replace(tzinfo=UTC)
    return datetime.combine(date(1970, 1, 2), moment_of_day).timestamp() % 86_400


def _variants(
    provider: types.Provider, model: types.ModelInfo, tier: str | None
) -> list[types.PriceVariant]:
    """The prices of a tier.  A reseller's tiers are not those of the model's own provider."""
    if tier is None or not any(model is own for own in provider.models):
        return []
    return [
        variant
        for variant in model.price_variants or ()
        if variant.when in [{key: tier} for key in _TIER_KEYS]
    ]


class _Entry(NamedTuple):
    """A model's entry in a price list, seen from one service tier."""

    provider: types.Provider
    model: types.ModelInfo
    tier: str | None
    variants: list[types.PriceVariant]

    def constraints(self) -> list[types.StartDateConstraint | types.TimeOfDateConstraint]:
        """What the prices depend on."""
        listed = self.model.prices
        rows: Iterable[Any] = () if isinstance(listed, types.ModelPrice) else listed
        return [one.constraint for one in (*rows, *self.variants) if one.constraint is not None]

    def quote(self, at: datetime) -> Quote:
        """The quote for a call that started at that moment."""
        context: dict[str, str] = {}
        if self.tier is not None:
            active = [
                one for one in self.variants if one.constraint is None or one.constraint.active(at)
            ]
            if not active:
                return UNKNOWN
            context = active[0].when
        return self._compile(self.model.get_prices(at, context))

    def _compile(self, listed: types.ModelPrice) -> Quote:
        rates = {key: value for key, value in vars(listed).items() if value is not None}
        if not rates:
            return self._without_rates()
        calculated = _Calculated(listed, self.provider.id, self.model.id)
        charged = bool(_CHARGED & rates.keys())
        if charged and not rates.keys() <= _PARTS.keys() | _UNCOUNTED:
            return calculated
        usual: Quote = UNKNOWN
        if charged:
            usual = Rated(_rates(rates), SOURCE, self.provider.id, self.model.id)
        return _Particular(usual, calculated) if rates.keys() & _UNCOUNTED else usual

    def _without_rates(self) -> Quote:
        for provider, model in _FREE:
            if fnmatchcase(self.provider.id, provider) and fnmatchcase(self.model.id, model):
                return Always(free(source=SOURCE, provider=self.provider.id, model=self.model.id))
        return UNKNOWN


def _rates(listed: dict[str, Decimal | types.TieredPrices]) -> Rates:
    starts = {
        step.start
        for value in listed.values()
        if isinstance(value, types.TieredPrices)
        for step in value.tiers
    }
    return Rates(_rate(listed, 0), [(start, _rate(listed, start + 1)) for start in starts])


def _rate(listed: dict[str, Decimal | types.TieredPrices], tokens: int) -> dict[Part, Decimal]:
    """The rates of a call with that many input tokens.  What has no rate is not charged."""
    rate: dict[Part, Decimal] = dict.fromkeys(("input", "output", "web_search"), Decimal(0))
    for key, value in listed.items():
        if key in _PARTS:
            part, power = _PARTS[key]
            if isinstance(value, types.TieredPrices):
                steps = [value.base, *(step.price for step in value.tiers if tokens > step.start)]
                value = steps[-1]  # noqa: PLW2901 - the price that this key stands for
            rate[part] = value.scaleb(-power, EXACT)
    return rate


class _Calculated(NamedTuple):
    """A quote by genai-prices itself, for a list that names what we do not compile."""

    listed: types.ModelPrice
    provider: str
    model: str

    def price(self, usage: Usage) -> Price | None:
        """The price; ``None`` where the usage lacks what the list needs."""
        if not self._is_told(usage):
            return None
        try:
            cost = self.listed.calc_price(listed_usage(usage))
        except ValueError:
            return None
        return Price(
            cost["total_price"],
            cost["input_price"],
            cost["output_price"],
            SOURCE,
            "priced",
            self.provider,
            self.model,
        )

    def _is_told(self, usage: Usage) -> bool:
        """Whether a usage says what the list charges: tokens, or what is measured in place."""
        if usage.input_tokens is not None and usage.output_tokens is not None:
            return True
        rates = {key for key, value in vars(self.listed).items() if value is not None}
        return any(getattr(usage, field) and rates & keys for field, keys in _MEASURED)


class _Particular(NamedTuple):
    """A quote of a list with rates for what few usages have: those are left to genai-prices."""

    usual: Quote
    calculated: _Calculated

    def price(self, usage: Usage) -> Price | None:
        """The price; ``None`` if it is not known."""
        if any(getattr(usage, name) for name in _RARE):
            return self.calculated.price(usage)
        return self.usual.price(usage)


class _Recalculated(NamedTuple):
    """A tariff under conditions that we do not know: genai-prices decides at each call."""

    entry: _Entry

    def at(self, when: When) -> Quote:
        """The quote for a call that started then."""
        return self.entry.quote(datetime.fromtimestamp(moment(when), UTC))
