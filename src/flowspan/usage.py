"""One normal form of token usage, whatever the provider calls its parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call, in the inclusive form of the GenAI conventions.

    Cache tokens are part of ``input_tokens`` and reasoning tokens part of ``output_tokens``;
    providers that report them beside the total (Anthropic) are summed by their extractor.
    ``None`` means that the provider did not say, which is not the same as zero.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        output_tokens: All output tokens, reasoning included.
        cache_read_tokens: The part of the input read from a prompt cache.
        cache_write_tokens: The part of the input written to a prompt cache.
        cache_write_1h_tokens: The part of the written ones that is kept for an hour (Anthropic).
        reasoning_tokens: The part of the output spent on reasoning.
        input_audio_tokens: The part of the input that is audio.
        output_audio_tokens: The part of the output that is audio.
        service_tier: What the provider says it served the call as: ``batch``, ``flex``, …
        estimated: True where any number was estimated instead of reported.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    service_tier: str | None = None
    estimated: bool = False
