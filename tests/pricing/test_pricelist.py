"""Compiled price lists equal genai-prices' own calculation, wherever that is knowledge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, Inexact, localcontext
from random import Random

import pytest
from genai_prices import data_snapshot, types
from hypothesis import given
from hypothesis import strategies as st

from flowspan.pricing.price import Price
from flowspan.pricing.pricelist import listed_usage, tariff_of
from flowspan.usage import Usage

SNAPSHOT = data_snapshot.get_snapshot()
MODELS = [(provider, model) for provider in SNAPSHOT.providers for model in provider.models]
TIERS = (None, "batch", "flex", "priority", "fast", "no-such-tier")
TIER_KEYS = {"processing", "service_tier", "speed"}
NEAR_THRESHOLDS = [0, 1, 100_000, 128_001, 200_000, 200_001, 272_001, 1_000_000]


def a_usage(tokens: int, output: int, cut: Random) -> Usage:
    """A usage that says everything, its parts cut at random."""
    read = cut.choice([0, cut.randint(0, tokens)])
    written = cut.choice([0, cut.randint(0, tokens - read)])
    return Usage(
        input_tokens=tokens,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=cut.choice([0, cut.randint(0, written)]),
        reasoning_tokens=cut.choice([0, cut.randint(0, output)]),
        input_audio_tokens=cut.choice([0, 0, cut.randint(0, tokens)]),
        output_audio_tokens=cut.choice([0, 0, cut.randint(0, output)]),
        web_searches=cut.choice([0, 0, 3]),
    )


def telling_moments(model: types.ModelInfo) -> Iterator[datetime]:
    """Moments on both sides of every condition of a model's prices."""
    rows = [] if isinstance(model.prices, types.ModelPrice) else list(model.prices)
    moments = {datetime(2024, 6, 1, 0, 30, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)}
    for row in (*rows, *(model.price_variants or ())):
        constraint = row.constraint
        if isinstance(constraint, types.StartDateConstraint):
            moments.add(datetime.combine(constraint.start_date, time(), UTC))
        elif isinstance(constraint, types.TimeOfDateConstraint):
            day = date(2026, 11, 20)
            moments.add(datetime.combine(day, constraint.start_time, UTC))
            moments.add(datetime.combine(day, constraint.end_time, UTC))
    for moment in sorted(moments):
        yield moment - timedelta(microseconds=1)
        yield moment


@dataclass(frozen=True)
class Expected:
    """What genai-prices calculates, and whether that is knowledge."""

    known: bool
    parts: tuple[Decimal, Decimal, Decimal] | None = None


def expectation(
    provider: types.Provider, model: types.ModelInfo, tier: str | None, usage: Usage, at: datetime
) -> Expected:
    """The oracle, from the library's data as its documentation describes them."""
    context: Mapping[str, str] = {}
    if tier is not None:
        of_tier = [
            one
            for one in model.price_variants or ()
            if list(one.when.values()) == [tier]
            and one.when.keys() <= TIER_KEYS
            and (one.constraint is None or one.constraint.active(at))
        ]
        if not of_tier:
            return Expected(known=False)
        context = of_tier[0].when
    prices = vars(model.get_prices(at, context))
    if not any(prices.get(key) is not None for key in ("input_mtok", "output_mtok")):
        return Expected(known=model.id.endswith(":free"), parts=(Decimal(0),) * 3)
    try:
        cost = model.calc_price(
            listed_usage(usage), provider, genai_request_timestamp=at, price_context=context
        )
    except ValueError:  # counts that overlap, and the usage does not say by how much
        return Expected(known=False)
    return Expected(True, (cost.total_price, cost.input_price, cost.output_price))


def assert_agrees(price: Price | None, expected: Expected) -> None:
    if not expected.known:
        assert price is None
    else:
        assert price is not None
        assert (price.amount, price.input, price.output) == expected.parts


FREE_WITHOUT_SUFFIX = {("openai", "moderation")} | {
    ("github-copilot", name) for name in ("gpt-3.5-turbo", "gpt-4.1", "gpt-4o", "gpt-4o-mini")
}


@pytest.mark.parametrize("tier", TIERS)
def test_every_listed_model_costs_what_the_list_says(tier: str | None) -> None:
    """All providers, models, dates and times of day, to the last decimal."""
    random = Random(1)  # noqa: S311 - a usage, not a secret
    agreed = 0
    for provider, model in MODELS:
        if (provider.id, model.id) in FREE_WITHOUT_SUFFIX:
            continue
        tariff = tariff_of(provider, model, tier)
        for at in telling_moments(model):
            tokens = random.choice([*NEAR_THRESHOLDS, random.randint(0, 2 * 10**6)])
            usage = a_usage(tokens, random.choice([0, 1, random.randint(0, 10**5)]), random)
            price = tariff.at(at).price(usage)
            assert_agrees(price, expectation(provider, model, tier, usage, at))
            agreed += price is not None
    assert tier == "no-such-tier" or agreed > 50


@given(
    which=st.sampled_from(MODELS),
    tier=st.sampled_from(TIERS),
    tokens=st.one_of(st.sampled_from(NEAR_THRESHOLDS), st.integers(0, 2 * 10**6)),
    output=st.integers(0, 10**6),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds have to be naive
    cut=st.randoms(use_true_random=False),
)
def test_any_call_of_any_model_costs_what_the_list_says(  # noqa: PLR0913, PLR0917 - a product
    which: tuple[types.Provider, types.ModelInfo],
    tier: str | None,
    tokens: int,
    output: int,
    at: datetime,
    cut: Random,
) -> None:
    provider, model = which
    if (provider.id, model.id) in FREE_WITHOUT_SUFFIX:
        return
    usage = a_usage(tokens, output, cut)

    price = tariff_of(provider, model, tier).at(at).price(usage)

    assert_agrees(price, expectation(provider, model, tier, usage, at))


def test_models_that_are_free_are_known_to_be() -> None:
    for provider, model in MODELS:
        if (provider.id, model.id) in FREE_WITHOUT_SUFFIX:
            price = tariff_of(provider, model, None).at(0.0).price(Usage(input_tokens=1))
            assert price is not None
            assert (price.amount, price.status) == (Decimal(0), "free")


def listed(model: types.ModelInfo) -> types.Provider:
    return types.Provider(id="toy", name="Toy", api_pattern="https://toy", models=[model])


def toy(**prices: Decimal | types.TieredPrices) -> types.ModelInfo:
    return types.ModelInfo(
        id="toy", match=types.ClauseEquals(equals="toy"), prices=types.ModelPrice(**prices)
    )


USAGE = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=10)


class TestRareShapes:
    def test_a_key_that_is_not_compiled_is_left_to_genai_prices(self) -> None:
        model = toy(
            input_mtok=Decimal(1),
            output_mtok=Decimal(2),
            cache_write_mtok=Decimal(3),
            cache_write_5m_mtok=Decimal(4),
        )
        usage = Usage(
            input_tokens=1000,
            output_tokens=100,
            cache_write_tokens=300,
            cache_write_1h_tokens=100,
        )

        price = tariff_of(listed(model), model, None).at(0).price(usage)

        assert price is not None
        assert price.amount == Decimal("0.000700") + Decimal("0.0011") + Decimal("0.0002")
        assert (price.source, price.status) == ("genai-prices", "priced")

    @pytest.mark.parametrize(
        "usage",
        [
            Usage(input_tokens=1),
            Usage(output_tokens=1),
            Usage(input_tokens=9, output_tokens=1, cache_read_tokens=3, input_audio_tokens=5),
        ],
    )
    def test_a_usage_that_does_not_tell_is_not_priced_there_either(self, usage: Usage) -> None:
        model = toy(
            input_mtok=Decimal(1),
            output_mtok=Decimal(2),
            cache_read_mtok=Decimal(1),
            input_audio_mtok=Decimal(9),
            cache_audio_read_mtok=Decimal(4),
            output_text_mtok=Decimal(2),
        )

        assert tariff_of(listed(model), model, None).at(0).price(usage) is None

    def test_a_condition_that_is_not_known_is_asked_at_each_call(self) -> None:
        class Weekend:
            def active(self, at: datetime) -> bool:
                return at.weekday() >= 5

        model = types.ModelInfo(
            id="toy",
            match=types.ClauseEquals(equals="toy"),
            prices=[
                types.ConditionalPrice(prices=types.ModelPrice(input_mtok=Decimal(2))),
                types.ConditionalPrice(
                    Weekend(),  # type: ignore[arg-type]
                    prices=types.ModelPrice(input_mtok=Decimal(1)),
                ),
            ],
        )
        tariff = tariff_of(listed(model), model, None)

        for day, rate in ((20, 2), (21, 1)):
            price = tariff.at(datetime(2026, 11, day, tzinfo=UTC)).price(
                Usage(input_tokens=10**6, output_tokens=0)
            )
            assert price is not None
            assert price.amount == rate

    @pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=5, minutes=30))])
    def test_a_time_of_day_may_be_in_any_zone(self, zone: timezone | None) -> None:
        cheap = types.TimeOfDateConstraint(time(22, tzinfo=zone), time(3, 15, tzinfo=zone))
        model = types.ModelInfo(
            id="toy",
            match=types.ClauseEquals(equals="toy"),
            prices=[
                types.ConditionalPrice(prices=types.ModelPrice(input_mtok=Decimal(2))),
                types.ConditionalPrice(cheap, prices=types.ModelPrice(input_mtok=Decimal(1))),
            ],
        )
        tariff = tariff_of(listed(model), model, None)

        for quarter in range(96):
            at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=15 * quarter)
            price = tariff.at(at).price(Usage(input_tokens=10**6, output_tokens=0))
            assert price is not None
            assert price.amount == (1 if cheap.active(at) else 2)

    @pytest.mark.parametrize("key", ["processing", "service_tier", "speed"])
    def test_providers_name_a_tier_by_different_keys(self, key: str) -> None:
        model = toy(input_mtok=Decimal(8), output_mtok=Decimal(0))
        model.price_variants = [
            types.PriceVariant({"route": "fast"}, types.ModelPrice(input_mtok=Decimal(1))),
            types.PriceVariant({key: "fast"}, types.ModelPrice(input_mtok=Decimal(3))),
        ]
        usage = Usage(input_tokens=10**6, output_tokens=0)

        price = tariff_of(listed(model), model, "fast").at(0).price(usage)

        assert price is not None
        assert price.amount == 3

    def test_a_reseller_has_no_tiers_of_the_models_own_provider(self) -> None:
        openai = next(one for one in SNAPSHOT.providers if one.id == "openai")
        azure = next(one for one in SNAPSHOT.providers if one.id == "azure")
        model = next(one for one in openai.models if one.price_variants)
        at = datetime(2026, 11, 20, tzinfo=UTC)

        assert tariff_of(openai, model, "batch").at(at).price(USAGE) is not None
        assert tariff_of(azure, model, "batch").at(at).price(USAGE) is None
        assert tariff_of(azure, model, None).at(at).price(USAGE) is not None


def test_the_decimal_context_of_the_program_is_left_alone() -> None:
    """A program that computes with three digits and forbids rounding gets exact prices."""
    model = toy(input_mtok=Decimal("0.123456"), output_mtok=Decimal("7.654321"))

    with localcontext(Context(prec=3, traps=[Inexact])) as context:
        price = (
            tariff_of(listed(model), model, None)
            .at(0)
            .price(Usage(input_tokens=123_457, output_tokens=7))
        )
        assert not any(context.flags.values())

    assert price is not None
    assert price.amount == Decimal("0.123456") * 123_457 / 10**6 + Decimal("7.654321") * 7 / 10**6
