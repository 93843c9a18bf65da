"""What a call costs: by all the names that its provider, its model and its tier go by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import data_snapshot, types

from flowspan.pricing import Price, Pricer
from flowspan.pricing import pricer as pricer_module
from flowspan.pricing.loading import Background
from flowspan.pricing.market import Market, current
from flowspan.usage import Usage

Ask = Callable[..., Price | None]

NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1_000, output_tokens=1_000)


def amount(price: Price | None) -> Decimal | None:
    return None if price is None else price.amount


class TestByHand:
    """Prices multiplied by hand, from the providers' own price pages."""

    @pytest.mark.parametrize(
        ("provider", "model", "usage", "dollars"),
        [
            # 2.50 in, 1.25 cached, 10 out
            (
                "openai",
                "gpt-4o-2024-08-06",
                Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=1000),
                "0.00475",  # 200*2.5 + 1000*1.25 + 300*10 = 500 + 1250 + 3000 millionths
            ),
            # 0.15 in, 0.60 out; reasoning is output
            (
                "openai",
                "gpt-4o-mini",
                Usage(input_tokens=10, output_tokens=20, reasoning_tokens=15),
                "0.0000135",  # 10*0.15 + 20*0.6
            ),
            # 3 in, 0.30 read, 3.75 written, 6 written for an hour, 15 out
            (
                "anthropic",
                "claude-sonnet-4-5-20250929",
                Usage(
                    input_tokens=100_000,
                    output_tokens=1000,
                    cache_read_tokens=50_000,
                    cache_write_tokens=20_000,
                    cache_write_1h_tokens=5_000,
                ),
                "0.20625",  # 30000*3 + 50000*0.3 + 15000*3.75 + 5000*6 + 1000*15
            ),
            # the same beyond 200 000 tokens: 6 in, 22.50 out, for all of them
            # 5 in, 8 for images; 10 out, 32 for images
            (
                "openai",
                "gpt-image-1.5",
                Usage(
                    input_tokens=100,
                    output_tokens=50,
                    input_image_tokens=30,
                    output_image_tokens=50,
                ),
                "0.00219",  # 70*5 + 30*8 + 50*32
            ),
            # 4 in, 0.40 cached, 32 and 0.40 for audio; 16 out, 64 for audio
            (
                "openai",
                "gpt-realtime",
                Usage(
                    input_tokens=100,
                    output_tokens=50,
                    cache_read_tokens=30,
                    input_audio_tokens=60,
                    cache_read_audio_tokens=10,
                    output_audio_tokens=20,
                ),
                "0.003452",  # 20*4 + 20*0.4 + 50*32 + 10*0.4 + 30*16 + 20*64
            ),
            # 0.36 an hour
            ("openai", "whisper-1", Usage(audio_seconds=9.5), "0.00095"),
            # 15 for a million characters
            ("openai", "tts-1", Usage(characters=100), "0.0015"),
            (
                "anthropic",
                "claude-sonnet-4-5",
                Usage(input_tokens=200_001, output_tokens=1000),
                "1.222506",  # 200001*6 + 1000*22.5
            ),
            (
                "anthropic",
                "claude-sonnet-4-5",
                Usage(input_tokens=200_000, output_tokens=1000),
                "0.615",  # 200000*3 + 1000*15
            ),
            # 1 in, 5 out, a search for a cent
            (
                "anthropic",
                "claude-haiku-4-5",
                Usage(input_tokens=1000, output_tokens=1000, web_searches=3),
                "0.036",  # 1000*1 + 1000*5 + 3*10000
            ),
            # 1.25 in, 10 out; beyond 200 000: 2.50 and 15
            ("gcp.gemini", "gemini-2.5-pro", Usage(input_tokens=10, output_tokens=7), "0.0000825"),
            (
                "gcp.gemini",
                "gemini-2.5-pro",
                Usage(input_tokens=200_010, output_tokens=7),
                "0.50013",  # 200010*2.5 + 7*15
            ),
            # embeddings: 0.02 in
            (
                "openai",
                "text-embedding-3-small",
                Usage(input_tokens=3000, output_tokens=0),
                "0.00006",
            ),
        ],
    )
    def test_well_known_models(
        self, ask: Ask, provider: str, model: str, usage: Usage, dollars: str
    ) -> None:
        price = ask(provider, model, usage=usage)

        assert price is not None
        assert price.amount == Decimal(dollars)
        assert (price.source, price.status) == ("genai-prices", "priced")

    def test_the_parts_make_up_the_whole(self, ask: Ask) -> None:
        price = ask("openai", "gpt-4o")

        assert price is not None
        assert (price.input, price.output) == (Decimal("0.0025"), Decimal("0.01"))
        assert price.amount == price.input + price.output
        assert (price.provider, price.model) == ("openai", "gpt-4o")

    def test_a_price_is_the_one_of_the_day_on_which_the_call_started(self, ask: Ask) -> None:
        """o3 became cheaper by four fifths on 10 June 2025."""
        change = datetime(2025, 6, 10, tzinfo=UTC)

        before = ask("openai", "o3", when=change - timedelta(microseconds=1))
        after = ask("openai", "o3", when=change)

        assert amount(before) == Decimal("0.05")
        assert amount(after) == Decimal("0.01")
        assert ask("openai", "o3", when=change.timestamp()) == after
        assert ask("openai", "o3", when=change.replace(tzinfo=None)) == after

    def test_a_price_may_depend_on_the_time_of_day(self, ask: Ask) -> None:
        """DeepSeek's V4 costs double from 01:00 to 04:00 and from 06:00 to 10:00 UTC."""
        prices = [
            amount(
                ask("deepseek", "deepseek-v4-pro", when=datetime(2026, 11, 20, hour, tzinfo=UTC))
            )
            for hour in (0, 1, 3, 4, 6, 10)
        ]

        assert prices[0] == prices[3] == prices[5]
        assert prices[1] == prices[2] == prices[4] == Decimal("0.00528")


class TestTiers:
    @pytest.mark.parametrize("tier", [None, "default", "auto", "standard", "on_demand", "", " "])
    def test_the_standard_tier_has_many_names(self, ask: Ask, tier: str | None) -> None:
        assert amount(ask("openai", "gpt-4o", service_tier=tier)) == Decimal("0.0125")

    @pytest.mark.parametrize(
        ("provider", "model", "tier", "dollars"),
        [
            ("openai", "gpt-4o", "batch", "0.00625"),
            ("openai", "gpt-4o", "priority", "0.02125"),
            ("openai", "gpt-5", "Flex", "0.005625"),
            ("openai", "gpt-5", "fast", "0.0225"),
            ("anthropic", "claude-sonnet-4-6", "batch", "0.009"),
            ("gcp.vertex_ai", "gemini-3.8-flash-tts", "ON_DEMAND_FLEX", "0.00475"),
        ],
    )
    def test_each_provider_has_its_own_word_for_a_tier(
        self, ask: Ask, provider: str, model: str, tier: str, dollars: str
    ) -> None:
        assert amount(ask(provider, model, service_tier=tier)) == Decimal(dollars)

    def test_a_tier_without_a_price_is_not_the_standard_one(self, ask: Ask) -> None:
        """The standard price would be wrong, so there is none."""
        assert ask("openai", "gpt-4o", service_tier="scale") is None
        assert ask("anthropic", "claude-sonnet-4-6", service_tier="priority") is None
        assert ask("azure.ai.openai", "gpt-4o", service_tier="batch") is None

    def test_a_tier_has_no_price_before_the_list_knows_one(self, ask: Ask) -> None:
        before = datetime(2026, 10, 13, 23, 59, tzinfo=UTC)

        assert ask("openai", "gpt-4o", service_tier="batch", when=before) is None
        assert ask("openai", "gpt-4o", when=before) is not None

    def test_the_tier_that_served_goes_before_the_one_that_was_asked_for(self, ask: Ask) -> None:
        served = Usage(input_tokens=1_000, output_tokens=1_000, service_tier="default")

        assert amount(ask("openai", "gpt-4o", usage=served, service_tier="flex")) == Decimal(
            "0.0125"
        )


class TestNames:
    @pytest.mark.parametrize(
        ("provider", "model", "found"),
        [
            ("openai", "GPT-4o", ("openai", "gpt-4o")),
            ("openai", "openai/gpt-4o", ("openai", "gpt-4o")),
            ("openai", "ft:gpt-4o-mini-2024-07-18:org::id", ("openai", "ft:gpt-4o-mini")),
            ("azure.ai.openai", "gpt-4o-2024-08-06", ("azure", "gpt-4o")),
            ("azure.ai.inference", "gpt-4o", ("azure", "gpt-4o")),
            ("x_ai", "grok-4-0709", ("x-ai", "grok-4-0709")),
            ("mistral_ai", "mistral-large-latest", ("mistral", "mistral-large")),
            ("gcp.gemini", "models/gemini-2.5-flash", ("google", "gemini-2.5-flash")),
            (
                "aws.bedrock",
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
                ("aws", "amazon.nova-lite-v1:0"),
            ),
            (
                "gcp.vertex_ai",
                "publishers/google/models/gemini-2.5-flash",
                ("google", "gemini-2.5-flash"),
            ),
            ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", ("google", "claude-sonnet-4-5")),
            ("openrouter", "openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
            ("litellm", "anthropic/claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
            ("litellm", "gpt-4o", ("openai", "gpt-4o")),
            (None, "gpt-4o", ("openai", "gpt-4o")),
            (None, "azure/gpt-4o", ("azure", "gpt-4o")),
            (
                "aws.bedrock",
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
                ("aws", "regional.anthropic.claude-3-haiku-20240307-v1:0"),
            ),
        ],
    )
    def test_one_model_has_many_names(
        self, ask: Ask, provider: str | None, model: str, found: tuple[str, str]
    ) -> None:
        price = ask(provider, model)

        assert price is not None
        assert (price.provider, price.model) == found

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("openai", "my-own-model"),
            ("openai", "gpt-4o-but-not-really"),
            ("openai", "anthropic/claude-sonnet-4-5"),  # some gateway's; nobody knows its prices
            ("my-gateway", "gpt-4o"),
            (None, "my-own-model"),
            ("litellm", "someone/some-model"),
            ("openai", None),
            (None, None),
            ("openai", "whisper-1"),  # priced by the hour, which a count of tokens does not say
            ("cerebras", "qwen-3-coder-480b"),  # listed, but without a price
            ("openrouter", "stealth/crouton-alpha"),
        ],
    )
    def test_what_is_not_known_has_no_price(
        self, ask: Ask, provider: str | None, model: str | None
    ) -> None:
        assert ask(provider, model) is None

    def test_the_model_that_answered_goes_before_the_one_that_was_asked(self, ask: Ask) -> None:
        answered = ask("openai", "gpt-4o-mini-2024-07-18", request_model="gpt-4o")
        deployed = ask("azure.ai.openai", "our-deployment", request_model="gpt-4o")
        silent = ask("openai", None, request_model="gpt-4o")

        assert [price.model if price else None for price in (answered, deployed, silent)] == [
            "gpt-4o-mini",
            "gpt-4o",
            "gpt-4o",
        ]

    @pytest.mark.parametrize(
        ("address", "model", "provider"),
        [
            ("api.deepseek.com", "deepseek-chat", "deepseek"),
            ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", "groq"),
            ("http://openrouter.ai:443/api/v1", "openai/gpt-4o", "openrouter"),
            ("our-resource.openai.azure.com", "gpt-4o", "azure"),
            ("us-central1-aiplatform.googleapis.com", "gemini-2.5-flash", "google"),
            (
                "bedrock-runtime.us-east-1.amazonaws.com",
                "anthropic.claude-3-haiku-20240307-v1:0",
                "aws",
            ),
            ("api.openai.com", "gpt-4o", "openai"),
        ],
    )
    def test_whose_the_server_is_tells_the_provider(
        self, ask: Ask, address: str, model: str, provider: str
    ) -> None:
        """An OpenAI client may talk to anybody who speaks its format."""
        price = ask("openai", model, server_address=address)

        assert price is not None
        assert price.provider == provider

    def test_a_model_that_the_servers_owner_does_not_sell_is_not_known(self, ask: Ask) -> None:
        assert ask("openai", "gpt-4o", server_address="api.deepseek.com") is None

    @pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "10.0.0.8", "llm.example.org"])
    def test_a_server_of_nobody_in_particular_tells_nothing(self, ask: Ask, address: str) -> None:
        """Being near is no reason for being free: it may pass everything on."""
        assert ask("openai", "gpt-4o", server_address=address) == ask("openai", "gpt-4o")
        assert ask("openai", "my-own-model", server_address=address) is None


class TestFree:
    def test_models_of_the_machines_own_are_free_because_a_rule_says_so(self, ask: Ask) -> None:
        price = ask("ollama", "llama3.2:3b", server_address="127.0.0.1")

        assert price is not None
        assert (price.amount, price.status, price.source) == (Decimal(0), "free", "override")

    def test_the_cloud_is_not_the_machines_own(self, ask: Ask) -> None:
        assert ask("ollama", "gpt-oss:120b-cloud") is None
        assert ask("ollama", "glm-4.6:cloud") is None
        assert ask("ollama", "gpt-oss:120b", server_address="https://ollama.com/api") is None

    def test_a_free_offer_is_free(self, ask: Ask) -> None:
        price = ask("openrouter", "deepseek/deepseek-chat:free")

        assert price is not None
        assert (price.amount, price.status, price.source) == (Decimal(0), "free", "genai-prices")


class TestWhatAUsageDoesNotTell:
    @pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=5), Usage(output_tokens=5)])
    def test_a_count_that_is_charged_and_not_said_leaves_the_price_unknown(
        self, ask: Ask, usage: Usage
    ) -> None:
        assert ask("openai", "gpt-4o", usage=usage) is None

    def test_an_estimate_is_priced_as_any_other_usage(self, ask: Ask) -> None:
        estimated = Usage(input_tokens=1_000, output_tokens=1_000, estimated=True)

        assert ask("openai", "gpt-4o", usage=estimated) == ask("openai", "gpt-4o")

    def test_nothing_used_costs_nothing_but_is_not_free(self, ask: Ask) -> None:
        price = ask("openai", "gpt-4o", usage=Usage(input_tokens=0, output_tokens=0))

        assert price is not None
        assert (price.amount, price.status) == (Decimal(0), "priced")


class CountingMarket(Market):
    """The real market, with the look-ups counted."""

    def __init__(self) -> None:
        super().__init__(data_snapshot.get_snapshot())
        self.asked: list[tuple[str, ...]] = []

    def tariff(self, **names: object) -> object:  # type: ignore[override]
        self.asked.append(tuple(names["models"]))  # type: ignore[arg-type]
        return super().tariff(**names)  # type: ignore[arg-type]


@pytest.fixture
def market() -> CountingMarket:
    return CountingMarket()


@pytest.fixture
def counted(market: CountingMarket) -> Pricer:
    lists: Background[Callable[[], Market]] = Background(
        lambda: lambda: market, name="genai-prices", patience=30
    )
    return Pricer(price_lists=lists)


class TestMemory:
    @pytest.mark.parametrize("model", ["gpt-4o", "my-own-model"])
    def test_a_model_is_looked_up_once_whether_it_is_known_or_not(
        self, counted: Pricer, market: CountingMarket, model: str
    ) -> None:
        counted.price(USAGE, provider="openai", model="o3", when=NOVEMBER)
        market.asked.clear()

        answers = {
            counted.price(USAGE, provider="openai", model=model, when=NOVEMBER) for _ in range(5)
        }

        assert len(answers) == 1
        assert market.asked == [(model,)]

    def test_a_flood_of_unknown_names_fills_nothing_and_drives_out_nothing(
        self, counted: Pricer, market: CountingMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pricer_module, "_MOST_REMEMBERED", 8)
        counted.price(USAGE, provider="openai", model="gpt-4o", when=NOVEMBER)
        for number in range(100):
            counted.price(USAGE, provider="nobody", model=f"model-{number}", when=NOVEMBER)
        market.asked.clear()

        counted.price(USAGE, provider="openai", model="gpt-4o", when=NOVEMBER)

        assert market.asked == []
        assert len(counted._memory.unknown) <= 8

    @pytest.mark.usefixtures("_own_lists")
    def test_renewed_price_lists_are_used(self, ask: Ask) -> None:
        """A program may renew the lists, as genai-prices lets it; we ask what it asks."""
        assert ask("toy", "toy") is None
        prices = types.ModelPrice(input_mtok=Decimal(1000), output_mtok=Decimal(0))
        model = types.ModelInfo(id="toy", match=types.ClauseEquals(equals="toy"), prices=prices)
        toy = types.Provider(id="toy", name="Toy", api_pattern="https://toy", models=[model])

        data_snapshot.set_custom_snapshot(
            data_snapshot.DataSnapshot(providers=[toy], from_auto_update=False)
        )

        assert amount(ask("toy", "toy")) == 1
        assert ask("openai", "gpt-4o") is None

    def test_many_threads_may_ask_first(self) -> None:
        """However many calls end at once before anything is loaded, all are priced alike."""
        loads: list[int] = []

        def load() -> Callable[[], Market]:
            loads.append(1)
            return current

        pricer = Pricer(price_lists=Background(load, name="genai-prices", patience=30))
        together = threading.Barrier(16)
        prices: list[Price | None] = []

        def call() -> None:
            together.wait()
            pricer.warm(provider="openai", model="gpt-4o")
            prices.append(pricer.price(USAGE, provider="openai", model="gpt-4o", when=NOVEMBER))

        threads = [threading.Thread(target=call) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [amount(price) for price in prices] == [Decimal("0.0125")] * 16
        assert loads == [1]


@pytest.fixture
def _own_lists() -> Iterator[None]:
    yield
    data_snapshot.set_custom_snapshot(None)
