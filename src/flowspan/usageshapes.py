"""Where the wire formats of providers keep their token counts: a table (:data:`SHAPES`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Row(NamedTuple):
    """Where a wire format keeps one count.

    Attributes:
        field: The field of ``Usage``, or a count that only completes others; where several
            rows name one field, the largest count is taken.
        inside: The member (dotted) that holds it; ``""`` for the usage object itself.
        name: Its name there.
    """

    field: str
    inside: str
    name: str


class Shape(NamedTuple):
    """One wire format.

    Attributes:
        rows: Where the counts are; rows with the same ``inside`` stand together.
        beside: Parts that are counted beside their whole instead of inside it.
        tiers: Names of what tells the service tier.
        fixed: Counts that follow from the format.
        entire: Parts that are all of their whole, unless said otherwise.
        zero: Counts that are left out where they are 0.
        rest: The part of the output that explains why everything is more than input and output,
            where nothing else does.
    """

    rows: tuple[Row, ...]
    beside: tuple[tuple[str, str], ...] = ()
    tiers: tuple[str, ...] = ()
    fixed: Mapping[str, int] = {}
    entire: tuple[tuple[str, str], ...] = ()
    zero: tuple[str, ...] = ()
    rest: str = ""


_CACHE_BESIDE_INPUT: Final = (
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
)

SHAPES: Final[dict[str, Shape]] = {
    # Chat completions, as many providers speak them.  DeepSeek and Moonshot also name the cached
    # tokens at the top.  xAI counts reasoning beside the output and OpenAI inside it; which one it
    # was, the sum of everything tells.
    "openai.chat": Shape(
        rows=(
            Row("input_tokens", "", "prompt_tokens"),
            Row("output_tokens", "", "completion_tokens"),
            Row("everything", "", "total_tokens"),
            Row("cache_read_tokens", "", "prompt_cache_hit_tokens"),
            Row("cache_read_tokens", "", "cached_tokens"),
            Row("cache_read_tokens", "prompt_tokens_details", "cached_tokens"),
            Row("cache_write_tokens", "prompt_tokens_details", "cache_write_tokens"),
            Row("input_audio_tokens", "prompt_tokens_details", "audio_tokens"),
            Row("reasoning_tokens", "completion_tokens_details", "reasoning_tokens"),
            Row("output_audio_tokens", "completion_tokens_details", "audio_tokens"),
        ),
    ),
    "openai.responses": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
            Row("cache_read_tokens", "input_tokens_details", "cached_tokens"),
            Row("cache_write_tokens", "input_tokens_details", "cache_write_tokens"),
            Row("reasoning_tokens", "output_tokens_details", "reasoning_tokens"),
        ),
    ),
    # Images: what comes out is images, and only the newer models say what of it is text.
    "openai.images": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
            Row("cache_read_tokens", "input_tokens_details", "cached_tokens"),
            Row("input_image_tokens", "input_tokens_details", "image_tokens"),
            Row("output_image_tokens", "output_tokens_details", "image_tokens"),
        ),
        entire=(("output_image_tokens", "output_tokens"),),
    ),
    # Audio: tokens, or the length of what was heard.  The details' name lacks an "s".
    "openai.audio": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
            Row("audio_seconds", "", "seconds"),
            Row("input_audio_tokens", "input_token_details", "audio_tokens"),
        ),
    ),
    # Speech: what comes out is audio.
    "openai.speech": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
        ),
        entire=(("output_audio_tokens", "output_tokens"),),
    ),
    "openai.realtime": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
            Row("audio_seconds", "", "seconds"),
            Row("cache_read_tokens", "input_token_details", "cached_tokens"),
            Row("input_audio_tokens", "input_token_details", "audio_tokens"),
            Row("input_image_tokens", "input_token_details", "image_tokens"),
            Row(
                "cache_read_audio_tokens",
                "input_token_details.cached_tokens_details",
                "audio_tokens",
            ),
            Row(
                "cache_read_image_tokens",
                "input_token_details.cached_tokens_details",
                "image_tokens",
            ),
            Row("output_audio_tokens", "output_token_details", "audio_tokens"),
        ),
    ),
    # Embeddings have no output, which is known and therefore 0.
    "openai.embeddings": Shape(
        rows=(
            Row("input_tokens", "", "prompt_tokens"),
            Row("input_tokens", "", "total_tokens"),
        ),
        fixed={"output_tokens": 0},
    ),
    # Messages: the input is what was neither read from nor written to the cache.
    "anthropic.messages": Shape(
        rows=(
            Row("input_tokens", "", "input_tokens"),
            Row("output_tokens", "", "output_tokens"),
            Row("cache_read_tokens", "", "cache_read_input_tokens"),
            Row("cache_write_tokens", "", "cache_creation_input_tokens"),
            Row("cache_write_5m_tokens", "cache_creation", "ephemeral_5m_input_tokens"),
            Row("cache_write_1h_tokens", "cache_creation", "ephemeral_1h_input_tokens"),
            Row("reasoning_tokens", "output_tokens_details", "thinking_tokens"),
            Row("web_searches", "server_tool_use", "web_search_requests"),
        ),
        beside=_CACHE_BESIDE_INPUT,
        tiers=("service_tier", "speed"),
    ),
    # Mistral speaks OpenAI's chat and names the service tier beside the tokens.
    "mistral": Shape(
        rows=(
            Row("input_tokens", "", "prompt_tokens"),
            Row("output_tokens", "", "completion_tokens"),
            Row("cache_read_tokens", "", "num_cached_tokens"),
            Row("cache_read_tokens", "prompt_tokens_details", "cached_tokens"),
            Row("reasoning_tokens", "completion_tokens_details", "reasoning_tokens"),
        ),
        tiers=("service_tier",),
    ),
    # Cohere charges its billed units; the tokens beside them count the template around the prompt
    # too, and are all that servers without billing tell.
    "cohere.billed": Shape(
        rows=(
            Row("cache_read_tokens", "", "cached_tokens"),
            Row("input_tokens", "billed_units", "input_tokens"),
            Row("output_tokens", "billed_units", "output_tokens"),
        ),
    ),
    "cohere.tokens": Shape(
        rows=(
            Row("cache_read_tokens", "", "cached_tokens"),
            Row("input_tokens", "tokens", "input_tokens"),
            Row("output_tokens", "tokens", "output_tokens"),
        ),
    ),
    "cohere.embed": Shape(
        rows=(Row("input_tokens", "billed_units", "input_tokens"),),
        fixed={"output_tokens": 0},
    ),
    # Text generation of Hugging Face: details, where they were asked for.
    "tgi": Shape(
        rows=(
            Row("input_tokens", "details", "input_length"),
            Row("output_tokens", "details", "generated_tokens"),
        ),
    ),
    # Ollama says what it evaluated, in the last line; a part that is zero is left out.
    "ollama": Shape(
        rows=(
            Row("input_tokens", "", "prompt_eval_count"),
            Row("output_tokens", "", "eval_count"),
        ),
    ),
    "ollama.embed": Shape(
        rows=(Row("input_tokens", "", "prompt_eval_count"),),
        fixed={"output_tokens": 0},
    ),
    # Gemini: thoughts are counted beside the candidates, and what tools of Google's own (search,
    # code) gave the model beside the prompt.  Clients that are older than thoughts drop their
    # count; the total still has them.
    "gemini": Shape(
        rows=(
            Row("input_tokens", "", "promptTokenCount"),
            Row("output_tokens", "", "candidatesTokenCount"),
            Row("output_tokens", "", "responseTokenCount"),
            Row("everything", "", "totalTokenCount"),
            Row("cache_read_tokens", "", "cachedContentTokenCount"),
            Row("reasoning_tokens", "", "thoughtsTokenCount"),
            Row("tool_input_tokens", "", "toolUsePromptTokenCount"),
            Row("input_audio_tokens", "promptTokensDetails", "AUDIO"),
            Row("input_image_tokens", "promptTokensDetails", "IMAGE"),
            Row("output_audio_tokens", "candidatesTokensDetails", "AUDIO"),
            Row("output_image_tokens", "candidatesTokensDetails", "IMAGE"),
            Row("cache_read_audio_tokens", "cacheTokensDetails", "AUDIO"),
            Row("cache_read_image_tokens", "cacheTokensDetails", "IMAGE"),
        ),
        beside=(("tool_input_tokens", "input_tokens"), ("reasoning_tokens", "output_tokens")),
        zero=("output_tokens",),
        rest="reasoning_tokens",
    ),
    # Interactions: thoughts beside the output, if the sum of everything says so.
    "gemini.interactions": Shape(
        rows=(
            Row("input_tokens", "", "total_input_tokens"),
            Row("output_tokens", "", "total_output_tokens"),
            Row("everything", "", "total_tokens"),
            Row("cache_read_tokens", "", "total_cached_tokens"),
            Row("reasoning_tokens", "", "total_thought_tokens"),
            Row("tool_input_tokens", "", "total_tool_use_tokens"),
        ),
        beside=(("tool_input_tokens", "input_tokens"),),
    ),
    "gemini.embeddings": Shape(
        rows=(
            Row("input_tokens", "", "promptTokenCount"),
            Row("input_tokens", "", "totalTokenCount"),
        ),
        fixed={"output_tokens": 0},
    ),
    # Bedrock: Converse, what it counts itself for InvokeModel, then what Titan and Llama count.
    "bedrock": Shape(
        rows=(
            Row("input_tokens", "", "inputTokens"),
            Row("output_tokens", "", "outputTokens"),
            Row("cache_read_tokens", "", "cacheReadInputTokens"),
            Row("cache_write_tokens", "", "cacheWriteInputTokens"),
            Row("cache_write_1h_tokens", "", "cacheWriteInputTokens1h"),
            Row("input_tokens", "", "inputTokenCount"),
            Row("output_tokens", "", "outputTokenCount"),
            Row("cache_read_tokens", "", "cacheReadInputTokenCount"),
            Row("cache_write_tokens", "", "cacheWriteInputTokenCount"),
            Row("input_tokens", "", "inputTextTokenCount"),
            Row("output_tokens", "", "tokenCount"),
            Row("output_tokens", "", "totalOutputTextTokenCount"),
            Row("input_tokens", "", "prompt_token_count"),
            Row("output_tokens", "", "generation_token_count"),
        ),
        beside=_CACHE_BESIDE_INPUT,
    ),
    "bedrock.embeddings": Shape(
        rows=(
            Row("input_tokens", "", "inputTextTokenCount"),
            Row("input_tokens", "", "inputTokenCount"),
        ),
        fixed={"output_tokens": 0},
    ),
}
"""The wire formats that ``Usage.of`` reads."""
