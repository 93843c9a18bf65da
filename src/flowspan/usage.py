"""One normal form of token usage, whatever the provider calls its parts.

Every :class:`Usage` is in that form, however it was made: counts are whole numbers that are not
negative, and no part is larger than its whole.  Where a provider's numbers contradict each other,
its totals are kept, because those are what it charges, and the parts are cut down to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flowspan import semconv
from flowspan.usagereading import add, as_count, as_length, as_word, read
from flowspan.usageshapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call, in the inclusive form of the GenAI conventions.

    Cache tokens are part of ``input_tokens`` and reasoning tokens part of ``output_tokens``;
    what a provider reports beside the total (Anthropic) is summed by :meth:`of`.
    ``None`` means that the provider did not say, which is not the same as zero.  What is no
    count (negative, a text, a boolean) is ``None`` as well.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        output_tokens: All output tokens, reasoning included.
        cache_read_tokens: The part of the input read from a prompt cache.
        cache_write_tokens: The part of the input written to a prompt cache.
        cache_write_1h_tokens: The part of the written ones that is kept for an hour (Anthropic).
        reasoning_tokens: The part of the output spent on reasoning.
        input_audio_tokens: The part of the input that is audio.
        output_audio_tokens: The part of the output that is audio.
        input_image_tokens: The part of the input that is images.
        output_image_tokens: The part of the output that is images.
        cache_read_audio_tokens: The part of what was read from a cache that is audio.
        cache_read_image_tokens: The part of what was read from a cache that is images.
        audio_seconds: Length of the audio that is charged by its length (transcriptions).
        characters: Characters of input, where those are charged (speech).
        web_searches: Searches that the provider ran and charges beside the tokens.
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
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    cache_read_image_tokens: int | None = None
    audio_seconds: float | None = None
    characters: int | None = None
    web_searches: int | None = None
    service_tier: str | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                object.__setattr__(self, name, as_count(value))
        if self.audio_seconds is not None:
            object.__setattr__(self, "audio_seconds", as_length(self.audio_seconds))
        if self.service_tier is not None:
            object.__setattr__(self, "service_tier", as_word(self.service_tier))
        for part, whole, neighbour in _PART_OF:
            value = getattr(self, part)
            if value:
                self._cap(part, value, whole, neighbour)

    def _cap(self, part: str, value: int, whole: str, neighbour: str | None) -> None:
        """Cut ``part`` down to what ``whole`` leaves for it once ``neighbour`` had its share."""
        limit = getattr(self, whole)
        if limit is None:
            return
        if neighbour is not None:
            limit -= getattr(self, neighbour) or 0
        if value > limit:
            object.__setattr__(self, part, limit)

    @classmethod
    def of(
        cls,
        shape: str | Shape,
        *values: Any,
        service_tier: object = None,
        web_searches: object = None,
    ) -> Usage | None:
        """Read the usage that a provider reported.

        Args:
            shape: A name in ``flowspan.usageshapes.SHAPES``, or such a shape.
            values: The provider's usage object, as SDK object or as dictionary.  Where a stream
                reports in instalments, all of them: the counts are cumulative, so the largest
                of each is taken.
            service_tier: The tier as the response says it, where the usage itself does not.
            web_searches: Likewise.

        Returns:
            The normal form, or ``None`` if no count could be read.  Odd values never raise.
        """
        counts, tier = read(shape, values)
        if not counts:
            return None
        searches = as_count(web_searches)
        if searches is not None:
            counts["web_searches"] = searches
        fields: dict[str, Any] = counts
        return cls(**fields, service_tier=tier or as_word(service_tier))

    def plus(self, other: Usage) -> Usage:
        """The sum of two usages; what neither said stays unknown.

        The tier is kept if both agree on it.
        """
        counts: dict[str, Any] = {
            name: add(getattr(self, name), getattr(other, name)) for name in COUNTS
        }
        return Usage(
            **counts,
            audio_seconds=add(self.audio_seconds, other.audio_seconds),
            service_tier=self.service_tier if self.service_tier == other.service_tier else None,
            estimated=self.estimated or other.estimated,
        )

    def attributes(self) -> dict[str, float | str | bool]:
        """The attributes of a model call's span; what is not known is left out."""
        found: dict[str, float | str | bool] = {}
        for name, keys in _ATTRIBUTES:
            value = getattr(self, name)
            if value is not None:
                for key in keys:
                    found[key] = value
        for name, key in _MODALITIES:
            if value := getattr(self, name):
                found[key] = value
        if self.estimated:
            found[semconv.USAGE_ESTIMATED] = True
        return found


COUNTS: Final[tuple[str, ...]] = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "characters",
    "web_searches",
)
"""The fields of :class:`Usage` that are whole numbers."""

_PART_OF: Final = (
    ("cache_read_tokens", "input_tokens", None),
    ("cache_write_tokens", "input_tokens", "cache_read_tokens"),
    ("cache_write_1h_tokens", "cache_write_tokens", None),
    ("input_audio_tokens", "input_tokens", None),
    ("input_image_tokens", "input_tokens", "input_audio_tokens"),
    ("cache_read_audio_tokens", "cache_read_tokens", None),
    ("cache_read_audio_tokens", "input_audio_tokens", None),
    ("cache_read_image_tokens", "cache_read_tokens", "cache_read_audio_tokens"),
    ("cache_read_image_tokens", "input_image_tokens", None),
    ("reasoning_tokens", "output_tokens", None),
    ("output_audio_tokens", "output_tokens", None),
    ("output_image_tokens", "output_tokens", "output_audio_tokens"),
)

_ATTRIBUTES: Final = (
    ("input_tokens", (semconv.USAGE_INPUT_TOKENS,)),
    ("output_tokens", (semconv.USAGE_OUTPUT_TOKENS,)),
    ("cache_read_tokens", (semconv.USAGE_CACHE_READ,)),
    ("cache_write_tokens", (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_CREATION)),
    ("reasoning_tokens", (semconv.USAGE_REASONING,)),
    ("service_tier", (semconv.SERVICE_TIER,)),
)

_MODALITIES: Final = (
    ("input_audio_tokens", semconv.USAGE_AUDIO_INPUT),
    ("output_audio_tokens", semconv.USAGE_AUDIO_OUTPUT),
    ("cache_read_audio_tokens", semconv.USAGE_AUDIO_CACHE_READ),
    ("input_image_tokens", semconv.USAGE_IMAGE_INPUT),
    ("output_image_tokens", semconv.USAGE_IMAGE_OUTPUT),
    ("cache_read_image_tokens", semconv.USAGE_IMAGE_CACHE_READ),
    ("audio_seconds", semconv.USAGE_AUDIO_SECONDS),
    ("characters", semconv.USAGE_CHARACTERS),
)
"""Told only where there are any: nearly all calls have none."""


def from_openai_chat(usage: Any, *, service_tier: object = None) -> Usage | None:
    """Read the ``usage`` of a chat completion; the response itself names the tier."""
    return Usage.of("openai.chat", usage, service_tier=service_tier)


def from_openai_responses(
    usage: Any, *, service_tier: object = None, web_searches: object = None
) -> Usage | None:
    """Read the ``usage`` of a response.

    Args:
        usage: What the response carries under that name.
        service_tier: The response's ``service_tier``.
        web_searches: The response's ``tool_usage.web_search.num_requests``.
    """
    return Usage.of("openai.responses", usage, service_tier=service_tier, web_searches=web_searches)


def from_openai_embeddings(usage: Any) -> Usage | None:
    """Read the ``usage`` of embeddings, which have no output."""
    return Usage.of("openai.embeddings", usage)


def from_anthropic(*usages: Any) -> Usage | None:
    """Read the ``usage`` of a message: cache tokens are added to the input.

    Args:
        usages: One, or for a stream that of ``message_start`` and of each ``message_delta``.
    """
    return Usage.of("anthropic.messages", *usages)
