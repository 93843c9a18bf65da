"""The user's own prices: what they decide, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flowspan.pricing import SCHEMA_FILE, Overrides, Price, Pricer, load_overrides, override_files
from flowspan.pricing.loading import Background
from flowspan.pricing.market import Market, current
from flowspan.pricing.overrideentry import _NEEDS, FIELDS
from flowspan.usage import Usage

MANUAL = Path(__file__).parents[2] / "docs" / "prices.md"
NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def lists() -> Background[Callable[[], Market]]:
    return Background(lambda: current, name="genai-prices", patience=30)


Load = Callable[..., tuple[Overrides, list[str]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load entries as they stand in a file."""

    def load_entries(*entries: Any) -> tuple[Overrides, list[str]]:
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({"prices": entries}, indent=1), encoding="utf-8")
        return load_overrides([path])

    return load_entries


@pytest.fixture
def ask(load: Load) -> Callable[..., Price | None]:
    """The price of a call under some entries."""

    def price(*entries: Any, usage: Usage = MILLION, when: Any = NOVEMBER, **call: Any) -> Any:
        overrides, problems = load(*entries)
        assert problems == []
        call = {"provider": "openai", "model": "gpt-4o", **call}
        return Pricer(overrides, price_lists=lists()).price(usage, when=when, **call)

    return price


Ask = Callable[..., Price | None]


def amount(price: Price | None) -> Decimal | None:
    return None if price is None else price.amount


class TestPrices:
    def test_an_entry_goes_before_the_market(self, ask: Ask) -> None:
        price = ask({"provider": "openai", "model": "gpt-4o*", "input": "2.25", "output": 9})

        assert price == Price(
            Decimal("11.25"),
            Decimal("2.25"),
            Decimal(9),
            "override",
            "priced",
            "openai",
            "gpt-4o*",
        )

    def test_everything_that_an_entry_may_price(self, ask: Ask) -> None:
        usage = Usage(
            input_tokens=1000,
            output_tokens=100,
            cache_read_tokens=500,
            cache_write_tokens=300,
            cache_write_1h_tokens=100,
            reasoning_tokens=60,
            web_searches=2,
        )
        price = ask(
            {
                "model": "*",
                "input": "1",
                "cache_read": "0.1",
                "cache_write": "1.25",
                "cache_write_1h": "2",
                "output": "4",
                "reasoning": "5",
                "per_request": "0.001",
                "per_web_search": "0.01",
            },
            usage=usage,
        )

        assert price is not None
        assert price.input == Decimal("0.0007")  # 200*1 + 500*0.1 + 200*1.25 + 100*2
        assert price.output == Decimal("0.00046")  # 40*4 + 60*5
        assert price.amount == price.input + price.output + Decimal("0.021")

    def test_a_part_that_is_not_named_costs_what_its_whole_costs(self, ask: Ask) -> None:
        usage = Usage(
            input_tokens=1_000_000,
            output_tokens=0,
            cache_write_tokens=400_000,
            cache_write_1h_tokens=100_000,
        )

        assert amount(ask({"model": "*", "input": 1, "output": 1}, usage=usage)) == 1
        assert amount(
            ask({"model": "*", "input": 1, "output": 1, "cache_write": 2}, usage=usage)
        ) == Decimal("1.4")
        assert amount(
            ask({"model": "*", "input": 1, "output": 1, "cache_write_1h": 2}, usage=usage)
        ) == Decimal("1.1")

    def test_numbers_are_exact_however_they_are_written(self, ask: Ask) -> None:
        written = ask({"model": "*", "input": "0.1", "output": "0.2"})
        number = ask({"model": "*", "input": 0.1, "output": 0.2})

        assert amount(written) == amount(number) == Decimal("0.3")

    def test_what_an_entry_has_no_price_for_has_none(self, ask: Ask) -> None:
        only_input = {"model": "*", "input": 1}

        assert ask(only_input) is None
        assert amount(ask(only_input, usage=Usage(input_tokens=1_000_000, output_tokens=0))) == 1
        assert ask(only_input, usage=Usage(input_tokens=1)) is None
        assert (
            ask(
                {"model": "*", "input": 1, "output": 1},
                usage=Usage(input_tokens=1, output_tokens=1, web_searches=1),
            )
            is None
        )

    def test_a_price_per_request_alone_is_flat(self, ask: Ask) -> None:
        entry = {"model": "*", "per_request": "0.05"}

        assert amount(ask(entry)) == Decimal("0.05")
        assert amount(ask(entry, usage=Usage())) == Decimal("0.05")

    def test_tiers_are_factors(self, ask: Ask) -> None:
        entry = {"model": "*", "input": 1, "output": 1, "tiers": {"Batch": "0.5", "priority": 2}}
        any_tier = entry | {"tiers": {"batch": "0.5", "*": 3}}

        assert amount(ask(entry)) == 2
        assert amount(ask(entry, service_tier="default")) == 2
        assert amount(ask(entry, service_tier="batch")) == 1
        assert amount(ask(entry, service_tier="priority")) == 4
        assert ask(entry, service_tier="flex") is None
        assert amount(ask(any_tier, service_tier="flex")) == 6
        assert amount(ask(any_tier)) == 2


class TestWhichEntry:
    def test_the_first_that_is_for_a_call_decides(self, ask: Ask) -> None:
        entries = (
            {"model": "gpt-4o-mini", "input": 1, "output": 0},
            {"model": "GPT-4o*", "input": 2, "output": 0},
            {"provider": "openai", "input": 3, "output": 0},
        )

        assert amount(ask(*entries, model="gpt-4o-mini")) == 1
        assert amount(ask(*entries, model="gpt-4o-2024-08-06")) == 2
        assert amount(ask(*entries, model="o3")) == 3
        price = ask(*entries, provider="anthropic", model="claude-sonnet-4-5")
        assert price is not None
        assert price.source == "genai-prices"

    def test_an_asterisk_is_the_only_sign_with_a_meaning(self, ask: Ask) -> None:
        entry = {"model": "gpt.4o[1]?", "free": True}

        price = ask(entry)
        assert price is not None
        assert price.status == "priced"
        price = ask(entry, model="gpt.4o[1]?")
        assert price is not None
        assert price.status == "free"

    @pytest.mark.parametrize("name", ["azure", "azure.ai.openai", "AZURE.*"])
    def test_a_provider_may_be_named_as_anybody_does(self, ask: Ask, name: str) -> None:
        price = ask({"provider": name, "free": True}, provider="azure.ai.openai")

        assert price is not None
        assert price.status == "free"

    def test_the_servers_owner_is_the_provider(self, ask: Ask) -> None:
        entries = (
            {"provider": "openai", "input": 1, "output": 0},
            {"provider": "openrouter", "input": 2, "output": 0},
        )

        assert amount(ask(*entries, model="openai/gpt-4o", server_address="openrouter.ai")) == 2
        assert amount(ask(*entries, server_address="api.openai.com")) == 1
        assert amount(ask(*entries, server_address="127.0.0.1")) == 1

    @pytest.mark.parametrize(
        "address",
        [
            "gpu-7.example.org",
            "GPU-7.example.org:8000",
            "http://gpu-7.example.org:8000/v1",
            "https://user:secret@gpu-7.example.org/v1",
        ],
    )
    def test_a_server_is_known_by_its_host(self, ask: Ask, address: str) -> None:
        price = ask({"server": "gpu-*.example.org", "free": True}, server_address=address)

        assert price is not None
        assert price.status == "free"

    def test_a_server_may_have_an_address_of_version_six(self, ask: Ask) -> None:
        for address in ("::1", "http://[::1]:8000/v1"):
            price = ask({"server": "::1", "free": True}, server_address=address)
            assert price is not None
            assert price.status == "free"

    def test_the_model_that_was_asked_for_may_be_meant(self, ask: Ask) -> None:
        """The name of a deployment says more of a contract than the model behind it."""
        entry = {"model": "our-deployment", "input": 1, "output": 1}

        assert amount(ask(entry, model="gpt-4o-2024-08-06", request_model="our-deployment")) == 2

    def test_dates_bound_an_entry(self, ask: Ask) -> None:
        entries = (
            {"model": "*", "input": 1, "output": 0, "until": "2026-01-01"},
            {"model": "*", "input": 2, "output": 0, "from": "2026-01-01", "until": "2026-07-01"},
            {"model": "*", "input": 3, "output": 0, "from": "2026-07-01T12:00:00+02:00"},
        )
        when = [
            datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 7, 1, tzinfo=UTC),
            datetime(2026, 7, 1, 10, tzinfo=UTC),
        ]

        found = [ask(*entries, when=at) for at in when]

        assert [amount(price) for price in found] == [1, 2, Decimal("12.5"), 3]
        assert [price.source for price in found if price] == [
            "override",
            "override",
            "genai-prices",
            "override",
        ]

    def test_a_dated_entry_may_go_before_one_that_always_holds(self, ask: Ask) -> None:
        entries = (
            {"model": "*", "free": True, "until": "2026-01-01"},
            {"model": "*", "input": 2, "output": 0},
        )

        assert amount(ask(*entries, when=datetime(2025, 6, 1, tzinfo=UTC))) == 0
        assert amount(ask(*entries)) == 2

    def test_an_unknown_model_with_a_dated_entry_has_no_price_outside(self, ask: Ask) -> None:
        entry = {"model": "mine", "input": 1, "output": 1, "from": "2026-12-01"}

        assert ask(entry, model="mine") is None
        assert amount(ask(entry, model="mine", when=datetime(2026, 12, 1, tzinfo=UTC))) == 2

    def test_a_user_may_undo_a_rule_of_ours(self, ask: Ask) -> None:
        local = {"provider": "ollama", "model": "llama3.2"}

        assert ask({"provider": "ollama", "free": False}, **local) is None
        assert amount(ask({"provider": "ollama", "input": 1, "output": 1}, **local)) == 2

    def test_a_user_may_say_that_a_price_is_not_known(self, ask: Ask) -> None:
        assert ask({"model": "gpt-4o", "free": False}) is None


class TestWithoutTheMarket:
    def test_entries_hold_where_the_price_lists_cannot_be_loaded(self, load: Load) -> None:
        def fail() -> Callable[[], Market]:
            raise ImportError("no such library")

        overrides, _ = load(
            {"provider": "openai", "model": "dated", "free": True, "from": "2026-01-01"},
            {"provider": "openai", "input": 1, "output": 1},
        )
        failing = Background(fail, name="genai-prices", patience=30)
        pricer = Pricer(overrides, price_lists=failing)
        pricer.warm(provider="openai")

        assert failing.started
        assert amount(
            pricer.price(MILLION, provider="openai", model="gpt-4o", when=NOVEMBER)
        ) == Decimal(2)
        assert pricer.price(MILLION, provider="nobody", model="gpt-4o", when=NOVEMBER) is None

    def test_a_dated_entry_holds_while_the_price_lists_are_missing(self, load: Load) -> None:
        def fail() -> Callable[[], Market]:
            raise ImportError("no such library")

        overrides, _ = load({"model": "gpt-4o", "free": True, "from": "2026-01-01"})
        failing = Background(fail, name="genai-prices", patience=30)
        pricer = Pricer(overrides, price_lists=failing)

        price = pricer.price(MILLION, provider="openai", model="gpt-4o", when=NOVEMBER)

        assert price is not None
        assert price.status == "free"


class TestProblems:
    @pytest.mark.parametrize(
        ("entry", "line", "sentence"),
        [
            (7, 3, "an entry is 7; expected an object, as"),
            ({"input": 1, "output": 1}, 3, "the entry is for no call; expected a provider"),
            ({"model": "a"}, 3, 'the entry has no price; expected "input" and "output"'),
            ({"model": "a", "tiers": {}}, 3, "the entry has no price"),
            ({"model": "a", "inptu": 1}, 5, '"inptu" is not known; expected one of provider'),
            ({"model": "", "free": True}, 4, "\"model\" is ''; expected a name"),
            ({"model": ["a"], "free": True}, 4, "\"model\" is ['a']; expected a name"),
            ({"model": "a", "input": "cheap"}, 5, "\"input\" is 'cheap'; expected US dollars per"),
            ({"model": "a", "input": -1}, 5, '"input" is -1; expected US dollars per million'),
            ({"model": "a", "input": 0.1234567890123456}, 5, "\"input\" is '0.1234567890123456'"),
            ({"model": "a", "input": True}, 5, '"input" is True'),
            ({"model": "a", "input": None}, 5, '"input" is None'),
            ({"model": "a", "input": "1e12"}, 5, "\"input\" is '1e12'"),
            ({"model": "a", "input": "NaN"}, 5, "\"input\" is 'NaN'"),
            ({"model": "a", "per_request": {}}, 5, '"per_request" is {}; expected US dollars for'),
            ({"model": "a", "input": 1, "tiers": 2}, 6, '"tiers" is 2; expected service tiers'),
            ({"model": "a", "input": 1, "tiers": {"b": "x"}}, 6, "\"tiers\" is {'b': 'x'}"),
            ({"model": "a", "free": "yes"}, 5, "\"free\" is 'yes'; expected true or false"),
            ({"model": "a", "free": True, "input": 1}, 5, '"free" stands beside prices'),
            ({"model": "a", "free": True, "tiers": {}}, 5, '"free" stands beside prices'),
            ({"model": "a", "cache_read": 1}, 5, '"cache_read" stands without "input"'),
            ({"model": "a", "input": 1, "reasoning": 1}, 6, '"reasoning" stands without "output"'),
            (
                {"model": "a", "free": True, "from": "soon"},
                6,
                "\"from\" is 'soon'; expected a date",
            ),
            ({"model": "a", "free": True, "from": 2026}, 6, '"from" is 2026; expected a date'),
            (
                {"model": "a", "free": True, "from": "2026-02-01", "until": "2026-01-01"},
                7,
                '"until" is not after "from"',
            ),
            ({"model": "a" * 99, "note": 1}, 5, '"note" is 1; expected a text'),
            ({"model": [1] * 99}, 4, '"model" is [1, 1, 1'),
        ],
    )
    def test_a_wrong_entry_is_left_out_alone(
        self, load: Load, entry: Any, line: int, sentence: str
    ) -> None:
        overrides, problems = load(entry, {"model": "good", "free": True})

        (problem,) = problems
        assert re.search(rf"prices\.json, line {line}: {re.escape(sentence)}", problem)
        assert problem.endswith("; the entry is left out")
        assert "expected" in problem
        assert len(problem.partition("line")[2]) < 330
        assert [rule.model for rule in overrides.own] == ["good"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('{"prices": [', "line 1: not JSON: "),
            ("[]", 'line 1: expected an object with a list of entries, as {"prices"'),
            ('{\n"prices": {}}', "line 2: expected an object with a list"),
            ('{"price": []}', "line 1: expected an object with a list"),
            ("\xff\xfe", "is not UTF-8 text"),
            ("[" + " " * 4 * 1024 * 1024 + "]", "is larger than 4 MiB"),
        ],
    )
    def test_a_broken_file_is_left_out_alone(
        self, tmp_path: Path, text: str, sentence: str
    ) -> None:
        broken, good = tmp_path / "broken.json", tmp_path / "good.json"
        broken.write_bytes(text.encode("latin-1"))
        good.write_text('{"prices": [{"model": "good", "free": true}]}', encoding="utf-8")

        overrides, problems = load_overrides([broken, good])

        (problem,) = problems
        assert problem.startswith(f"{broken}: {sentence}")
        assert problem.endswith("; the file is left out")
        assert [rule.model for rule in overrides.own] == ["good"]

    def test_a_file_that_is_not_there_or_none_is_said(self, tmp_path: Path) -> None:
        overrides, problems = load_overrides([tmp_path / "nowhere.json", str(tmp_path)])

        left_out = "the file is left out"
        assert problems == [
            f"{tmp_path / 'nowhere.json'}: cannot be read (No such file or directory); {left_out}",
            f"{tmp_path}: is no file; expected a JSON or TOML file of prices; {left_out}",
        ]
        assert overrides == Overrides()

    def test_what_is_not_known_at_the_top_is_ignored_and_said(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.json"
        path.write_text('{"$schema": "x",\n "note": "y",\n "currency": "EUR",\n "prices": []}')

        _, problems = load_overrides([path])

        (problem,) = problems
        assert problem == (
            f"{path}, line 3: 'currency' is not known here and is ignored; "
            'expected the list "prices" only'
        )

    def test_toml_is_told_with_lines_too(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.TOML"
        path.write_text(
            '[[prices]]\nmodel = "a"\ninput = 0.10\noutput = "0.20"\nfrom = 2026-01-01\n'
            'until = 2027-01-01T00:00:00Z\n[[prices]]\nmodel = "b"\ninput = "x"\n'
            "[[prices]]\nfree = true\nfrom = 12:00:00\n"
        )

        overrides, problems = load_overrides([path])

        assert [rule.model for rule in overrides.own] == ["a"]
        assert overrides.own[0].begins == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        assert overrides.own[0].ends == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
        assert [problem.partition(": ")[0] for problem in problems] == [
            f"{path}, line 9",
            f"{path}, line 12",
        ]
        path.write_text("prices = [")
        assert "not TOML" in load_overrides([path])[1][0]


class TestFiles:
    def test_the_configured_file_comes_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        common = override_files_folder(tmp_path) / "pricing.json"

        assert override_files() == []
        assert override_files("~/mine.json") == [tmp_path / "mine.json"]
        common.parent.mkdir(parents=True)
        common.write_text('{"prices": []}')
        assert override_files() == [common]
        assert override_files("/mine.json") == [Path("/mine.json"), common]

    def test_a_mark_at_the_start_of_a_file_is_no_mistake(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.json"
        path.write_bytes(b'\xef\xbb\xbf{"prices": []}')

        assert load_overrides([path]) == (Overrides(), [])


def override_files_folder(home: Path) -> Path:
    """The configuration folder, as the suite's surroundings put it."""
    import platformdirs  # noqa: PLC0415 - after the environment was changed

    folder = platformdirs.user_config_path("flowspan", appauthor=False)
    assert home in folder.parents
    return folder


class TestManual:
    def test_its_examples_can_be_used(self, tmp_path: Path) -> None:
        blocks = re.findall(r"```(json|toml)\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)
        assert len(blocks) == 2

        for kind, text in blocks:
            path = tmp_path / f"prices.{kind}"
            path.write_text(text, encoding="utf-8")
            overrides, problems = load_overrides([path])
            assert problems == []
            assert overrides.own

    def test_it_names_every_member_and_no_other(self) -> None:
        cells = re.findall(r"^\| (`.*?) \|", MANUAL.read_text("utf-8"), re.MULTILINE)

        assert re.findall(r"`(\w+)`", " ".join(cells)) == list(FIELDS)

    def test_the_schema_names_every_member_and_no_other(self) -> None:
        schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
        entry = schema["$defs"]["entry"]

        assert list(entry["properties"]) == list(FIELDS)
        assert entry["dependentRequired"] == {part: [whole] for part, whole in _NEEDS.items()}
