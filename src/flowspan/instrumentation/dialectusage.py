"""Where other people's spans keep their token counts, by family; read as wire formats are."""

from __future__ import annotations

from typing import Final

from flowspan.usageshapes import Row, Shape

GEN_AI: Final = Shape(
    rows=(
        Row("input_tokens", "", "gen_ai.usage.input_tokens"),
        Row("input_tokens", "", "gen_ai.usage.prompt_tokens"),
        Row("output_tokens", "", "gen_ai.usage.output_tokens"),
        Row("output_tokens", "", "gen_ai.usage.completion_tokens"),
        Row("cache_read_tokens", "", "gen_ai.usage.cache_read.input_tokens"),
        Row("cache_read_tokens", "", "gen_ai.usage.cache_read_input_tokens"),
        Row("cache_read_tokens", "", "gen_ai.usage.details.cache_read_tokens"),
        Row("cache_write_tokens", "", "gen_ai.usage.cache_write.input_tokens"),
        Row("cache_write_tokens", "", "gen_ai.usage.cache_creation.input_tokens"),
        Row("cache_write_tokens", "", "gen_ai.usage.cache_creation_input_tokens"),
        Row("cache_write_tokens", "", "gen_ai.usage.details.cache_write_tokens"),
        Row(
            "cache_write_1h_tokens",
            "",
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        ),
        Row("reasoning_tokens", "", "gen_ai.usage.reasoning.output_tokens"),
        Row("reasoning_tokens", "", "gen_ai.usage.reasoning_tokens"),
        Row("reasoning_tokens", "", "gen_ai.usage.details.reasoning_tokens"),
        Row("input_audio_tokens", "", "gen_ai.usage.audio.input_tokens"),
        Row("output_audio_tokens", "", "gen_ai.usage.audio.output_tokens"),
    ),
    tiers=(
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier",
    ),
)
OPENINFERENCE: Final = Shape(
    rows=(
        Row("input_tokens", "", "llm.token_count.prompt"),
        Row("output_tokens", "", "llm.token_count.completion"),
        Row("cache_read_tokens", "", "llm.token_count.prompt_details.cache_read"),
        Row("cache_write_tokens", "", "llm.token_count.prompt_details.cache_write"),
        Row("input_audio_tokens", "", "llm.token_count.prompt_details.audio"),
        Row("reasoning_tokens", "", "llm.token_count.completion_details.reasoning"),
        Row("output_audio_tokens", "", "llm.token_count.completion_details.audio"),
    ),
)
# Langfuse's own keys count the parts beside the rest of the input and output.
LANGFUSE: Final = Shape(
    rows=(
        Row("input_tokens", "", "input"),
        Row("output_tokens", "", "output"),
        Row("cache_read_tokens", "", "input_cached_tokens"),
        Row("cache_read_tokens", "", "input_cache_read"),
        Row("cache_read_tokens", "", "cache_read_input_tokens"),
        Row("cache_write_tokens", "", "input_cache_creation"),
        Row("cache_write_tokens", "", "cache_creation_input_tokens"),
        Row("reasoning_tokens", "", "output_reasoning_tokens"),
        Row("reasoning_tokens", "", "output_reasoning"),
    ),
    beside=(
        ("cache_read_tokens", "input_tokens"),
        ("cache_write_tokens", "input_tokens"),
        ("reasoning_tokens", "output_tokens"),
    ),
)
