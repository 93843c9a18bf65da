"""Usage: one normal form, whatever the provider says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from anthropic.types import MessageDeltaUsage
from anthropic.types import Usage as AnthropicUsage
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionUsage
from openai.types.create_embedding_response import Usage as EmbeddingUsage
from openai.types.responses import ResponseUsage

from flowspan.usage import (
    COUNTS,
    Usage,
    from_anthropic,
    from_openai_chat,
    from_openai_embeddings,
    from_openai_responses,
)
from flowspan.usagereading import as_count, as_word
from flowspan.usageshapes import SHAPES

CHAT = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
}
MESSAGE = {
    "input_tokens": 10,
    "output_tokens": 7,
    "cache_read_input_tokens": 50,
    "cache_creation_input_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 15},
    "output_tokens_details": {"thinking_tokens": 3},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
}

counts = st.one_of(st.none(), st.integers(0, 10**6))
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**20),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
)


def members_of(shape: str) -> st.SearchStrategy[Any]:
    """Usage objects with the names of that shape, and anything as their values."""
    inside: dict[str, list[str]] = {}
    for row in SHAPES[shape].rows:
        inside.setdefault(row.inside, []).append(row.name)
    top = {name: st.one_of(junk, counts) for name in (*inside.pop("", ()), *SHAPES[shape].tiers)}
    for member, names in inside.items():
        top[member] = st.one_of(
            junk, st.fixed_dictionaries({}, optional=dict.fromkeys(names, counts))
        )
    return st.fixed_dictionaries({}, optional=top)


def as_object(value: Any) -> Any:
    """A dictionary as the object that an SDK would make of it."""
    if not isinstance(value, dict):
        return value
    return SimpleNamespace(**{name: as_object(member) for name, member in value.items()})


def assert_normal(usage: Usage) -> None:
    """Assert what every usage promises."""
    for name in COUNTS:
        count = getattr(usage, name)
        assert count is None or (type(count) is int and count >= 0), name
    if usage.input_tokens is not None:
        cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
        assert cached <= usage.input_tokens
        heard_and_seen = (usage.input_audio_tokens or 0) + (usage.input_image_tokens or 0)
        assert heard_and_seen <= usage.input_tokens
    if usage.cache_write_tokens is not None:
        assert (usage.cache_write_1h_tokens or 0) <= usage.cache_write_tokens
    if usage.output_tokens is not None:
        assert (usage.reasoning_tokens or 0) <= usage.output_tokens
        said_and_drawn = (usage.output_audio_tokens or 0) + (usage.output_image_tokens or 0)
        assert said_and_drawn <= usage.output_tokens


class TestShapes:
    def test_chat_completions_are_inclusive_already(self) -> None:
        expected = Usage(
            input_tokens=120,
            output_tokens=40,
            cache_read_tokens=100,
            input_audio_tokens=5,
            reasoning_tokens=30,
            output_audio_tokens=2,
        )

        assert from_openai_chat(CHAT) == expected
        assert from_openai_chat(CompletionUsage.model_validate(CHAT)) == expected
        assert from_openai_chat(as_object(CHAT)) == expected

    @pytest.mark.parametrize("name", ["prompt_cache_hit_tokens", "cached_tokens"])
    def test_cached_tokens_may_stand_at_the_top(self, name: str) -> None:
        """DeepSeek and Moonshot name cached tokens beside the totals; SDK objects keep extras."""
        reported = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, name: 4}

        for value in (reported, CompletionUsage.model_validate(reported)):
            usage = from_openai_chat(value)
            assert usage is not None
            assert usage.cache_read_tokens == 4

    def test_reasoning_counted_beside_the_output_is_added_to_it(self) -> None:
        """The total gives away that xAI leaves reasoning out of the completion."""
        beside = from_openai_chat(CHAT | {"total_tokens": 190})
        inside = from_openai_chat(CHAT)
        silent = from_openai_chat({k: v for k, v in CHAT.items() if k != "total_tokens"})

        assert beside is not None
        assert beside.output_tokens == 70
        assert inside is not None
        assert inside.output_tokens == 40
        assert silent == inside

    def test_responses(self) -> None:
        reported = {
            "input_tokens": 50,
            "output_tokens": 20,
            "total_tokens": 70,
            "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
            "output_tokens_details": {"reasoning_tokens": 15},
        }
        expected = Usage(
            input_tokens=50,
            output_tokens=20,
            cache_read_tokens=30,
            cache_write_tokens=10,
            reasoning_tokens=15,
            web_searches=3,
            service_tier="flex",
        )

        for value in (reported, ResponseUsage.model_validate(reported)):
            assert from_openai_responses(value, service_tier="flex", web_searches=3) == expected
        assert from_openai_responses(reported, web_searches="many") == from_openai_responses(
            reported
        )

    def test_embeddings_have_no_output_and_that_is_known(self) -> None:
        reported = {"prompt_tokens": 8, "total_tokens": 8}

        assert from_openai_embeddings(reported) == Usage(input_tokens=8, output_tokens=0)
        assert from_openai_embeddings(EmbeddingUsage.model_validate(reported)) == Usage(
            input_tokens=8, output_tokens=0
        )
        assert from_openai_embeddings({"total_tokens": 8}) == Usage(input_tokens=8, output_tokens=0)

    def test_messages_sum_the_cache_into_the_input(self) -> None:
        expected = Usage(
            input_tokens=100,
            output_tokens=7,
            cache_read_tokens=50,
            cache_write_tokens=40,
            cache_write_1h_tokens=15,
            reasoning_tokens=3,
            web_searches=2,
            service_tier="standard",
        )

        assert from_anthropic(MESSAGE) == expected
        assert from_anthropic(AnthropicUsage.model_validate(MESSAGE)) == expected

    def test_cache_writes_are_summed_where_only_their_kinds_are_said(self) -> None:
        reported = {k: v for k, v in MESSAGE.items() if k != "cache_creation_input_tokens"}

        usage = from_anthropic(reported)

        assert usage is not None
        assert usage.cache_write_tokens == 40
        assert usage.input_tokens == 100

    def test_a_stream_of_a_message_reports_in_instalments(self) -> None:
        """The last word on the output comes in the delta, the input at the start."""
        start = AnthropicUsage.model_validate(MESSAGE | {"output_tokens": 1})
        delta = MessageDeltaUsage(output_tokens=88)

        usage = from_anthropic(start, delta)

        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (100, 88)

    def test_a_delta_that_repeats_the_input_does_not_count_it_twice(self) -> None:
        """Cumulative counts only grow: a zero in a later instalment takes nothing back."""
        again = {"input_tokens": 10, "cache_read_input_tokens": 50, "output_tokens": 88}

        both = from_anthropic(MESSAGE, again, {"input_tokens": 0, "output_tokens": 0})

        assert both is not None
        assert (both.input_tokens, both.output_tokens) == (100, 88)

    @pytest.mark.parametrize(
        ("said", "tier"),
        [
            ({"service_tier": "batch"}, "batch"),
            ({"service_tier": "standard", "speed": "fast"}, "fast"),
            ({"service_tier": "standard", "speed": "standard"}, "standard"),
            ({"service_tier": "priority", "speed": "fast"}, "priority"),
            ({"service_tier": 3}, None),
        ],
    )
    def test_the_tier_of_a_message_is_the_one_that_costs(
        self, said: dict[str, Any], tier: str | None
    ) -> None:
        usage = from_anthropic({"input_tokens": 1, "output_tokens": 1, **said})

        assert usage is not None
        assert usage.service_tier == tier

    def test_the_tier_of_a_chat_is_said_by_the_response(self) -> None:
        usage = from_openai_chat(CHAT, service_tier=" Flex ")

        assert usage is not None
        assert usage.service_tier == "flex"

    @pytest.mark.parametrize("value", [None, {}, [], "usage", 7, object(), {"prompt_tokens": None}])
    def test_nothing_said_is_no_usage(self, value: object) -> None:
        assert from_openai_chat(value) is None
        assert from_anthropic(value) is None
        assert from_anthropic() is None
        assert from_openai_chat({"total_tokens": 7}) is None

    def test_a_member_that_raises_loses_only_what_is_behind_it(self) -> None:
        class Odd:
            prompt_tokens = 3

            @property
            def completion_tokens(self) -> int:
                raise RuntimeError

        assert from_openai_chat(Odd()) == Usage(input_tokens=3)

    @pytest.mark.parametrize("shape", SHAPES)
    @given(data=st.data())
    def test_any_input_gives_the_normal_form_or_nothing(
        self, shape: str, data: st.DataObject
    ) -> None:
        """Wrong types, negative numbers, contradictions: nothing raises, every promise holds."""
        values = data.draw(st.lists(members_of(shape), max_size=3))

        from_dictionaries = Usage.of(shape, *values)
        from_objects = Usage.of(shape, *map(as_object, values))

        assert from_dictionaries == from_objects
        if from_dictionaries is not None:
            assert_normal(from_dictionaries)


class TestModalities:
    def test_images_come_out_of_an_image_model(self) -> None:
        """Older answers do not say that their output is images; newer ones say what of it is."""
        told = {
            "input_tokens": 50,
            "output_tokens": 30,
            "input_tokens_details": {"image_tokens": 40},
        }
        detailed = {**told, "output_tokens_details": {"image_tokens": 25, "text_tokens": 5}}

        silent, exact = Usage.of("openai.images", told), Usage.of("openai.images", detailed)

        assert silent == Usage(
            input_tokens=50, output_tokens=30, input_image_tokens=40, output_image_tokens=30
        )
        assert exact is not None
        assert exact.output_image_tokens == 25

    def test_audio_is_counted_in_tokens_or_in_seconds(self) -> None:
        """A length is a number with a fraction; no token is invented for it."""
        tokens = {
            "type": "tokens",
            "input_tokens": 14,
            "output_tokens": 45,
            "input_token_details": {"audio_tokens": 12, "text_tokens": 2},
        }

        assert Usage.of("openai.audio", tokens) == Usage(
            input_tokens=14, output_tokens=45, input_audio_tokens=12
        )
        assert Usage.of("openai.audio", {"type": "duration", "seconds": 9.5}) == Usage(
            audio_seconds=9.5
        )
        assert Usage.of("openai.audio", {"seconds": "9"}) is None

    def test_a_realtime_answer_tells_what_of_the_cached_input_was_audio(self) -> None:
        """Two levels below the usage."""
        usage = Usage.of(
            "openai.realtime",
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "input_token_details": {
                    "cached_tokens": 30,
                    "audio_tokens": 60,
                    "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 10},
                },
                "output_token_details": {"audio_tokens": 20, "text_tokens": 30},
            },
        )

        assert usage == Usage(
            input_tokens=100,
            output_tokens=50,
            cache_read_tokens=30,
            input_audio_tokens=60,
            cache_read_audio_tokens=10,
            output_audio_tokens=20,
        )

    def test_modalities_are_told_where_there_are_any(self) -> None:
        usage = Usage(input_tokens=9, input_audio_tokens=0, input_image_tokens=4, audio_seconds=1.5)

        assert usage.attributes() == {
            "gen_ai.usage.input_tokens": 9,
            "gen_ai.usage.image.input_tokens": 4,
            "flowspan.usage.audio_seconds": 1.5,
        }
        assert usage.plus(usage).audio_seconds == 3


class TestNormalForm:
    @given(
        fields=st.fixed_dictionaries({}, optional=dict.fromkeys(COUNTS, st.one_of(junk, counts)))
    )
    def test_every_usage_keeps_the_promises(self, fields: dict[str, Any]) -> None:
        assert_normal(Usage(**fields))

    def test_totals_are_kept_and_parts_cut_where_they_contradict_each_other(self) -> None:
        usage = Usage(
            input_tokens=10,
            output_tokens=5,
            cache_read_tokens=8,
            cache_write_tokens=6,
            cache_write_1h_tokens=4,
            reasoning_tokens=9,
        )

        assert (usage.input_tokens, usage.output_tokens) == (10, 5)
        assert (usage.cache_read_tokens, usage.cache_write_tokens) == (8, 2)
        assert (usage.cache_write_1h_tokens, usage.reasoning_tokens) == (2, 5)

    def test_a_part_of_something_unknown_is_kept(self) -> None:
        assert Usage(cache_read_tokens=8).cache_read_tokens == 8

    @pytest.mark.parametrize(
        ("value", "count"),
        [
            (0, 0),
            (7, 7),
            (7.0, 7),
            (7.5, None),
            (-1, None),
            (True, None),
            ("7", None),
            (None, None),
            (float("nan"), None),
            (float("inf"), None),
            (2**60, None),
        ],
    )
    def test_a_count_is_a_whole_number(self, value: object, count: int | None) -> None:
        assert as_count(value) == count

    def test_a_word_is_a_text_with_something_in_it(self) -> None:
        assert [as_word(" Batch"), as_word(" "), as_word(None), as_word(1)] == [
            "batch",
            None,
            None,
            None,
        ]


class TestSums:
    @given(
        left=st.builds(Usage, **dict.fromkeys(COUNTS, counts)),
        right=st.builds(Usage, **dict.fromkeys(COUNTS, counts)),
    )
    def test_sums_are_those_of_the_parts(self, left: Usage, right: Usage) -> None:
        total = left.plus(right)

        assert_normal(total)
        for name in ("input_tokens", "output_tokens", "web_searches"):
            parts = [
                part for part in (getattr(left, name), getattr(right, name)) if part is not None
            ]
            assert getattr(total, name) == (sum(parts) if parts else None)

    def test_an_estimate_stays_one_in_a_sum(self) -> None:
        measured = Usage(input_tokens=1, service_tier="batch")
        estimated = Usage(input_tokens=2, estimated=True, service_tier="flex")

        assert measured.plus(estimated) == Usage(input_tokens=3, estimated=True)
        assert measured.plus(measured).service_tier == "batch"


class TestAttributes:
    def test_what_is_known_is_said_by_the_names_of_the_conventions(self) -> None:
        usage = Usage(
            input_tokens=100,
            output_tokens=0,
            cache_read_tokens=50,
            cache_write_tokens=40,
            reasoning_tokens=0,
            service_tier="batch",
            estimated=True,
        )

        assert usage.attributes() == {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 0,
            "gen_ai.usage.cache_read.input_tokens": 50,
            "gen_ai.usage.cache_write.input_tokens": 40,
            "gen_ai.usage.cache_creation.input_tokens": 40,
            "gen_ai.usage.reasoning.output_tokens": 0,
            "flowspan.service_tier": "batch",
            "flowspan.usage.estimated": True,
        }

    def test_what_is_not_known_is_absent(self) -> None:
        assert Usage(output_tokens=3).attributes() == {"gen_ai.usage.output_tokens": 3}
