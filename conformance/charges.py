"""What a call must say that it used and cost, calculated without flowspan.

The tokens are those of the provider's ledger; a price is that of genai-prices, asked directly; an
estimate follows the documented rule: four bytes of UTF-8 text to a token, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import genai_prices

from flowspan import semconv
from flowspan.testing import LedgerEntry
from flowspan.usage import Usage

_PRICE_LIST_OF: Final = {
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
"""Names of providers in genai-prices, where they differ from the conventions'."""

FREE: Final = frozenset({"ollama"})
"""Providers whose models run here."""

TELLS_INPUT_FIRST: Final = frozenset(
    {"anthropic.messages", "bedrock.anthropic", "bedrock.llama", "bedrock.titan"}
)
"""Formats whose streams tell the input tokens with their first event."""

TELLS_ALL_ALONG: Final = frozenset({"gemini.generate_content"})
"""Formats whose streams tell with every event what was used so far."""

_BYTES_PER_TOKEN: Final = 4


def tokens_charged(entry: LedgerEntry) -> dict[str, int]:
    """The usage attributes of a call whose tokens are those of the ledger."""
    usage = entry.usage
    wanted = {
        semconv.USAGE_INPUT_TOKENS: usage.input_tokens or 0,
        semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens or 0,
        semconv.USAGE_CACHE_READ: usage.cache_read_tokens,
        semconv.USAGE_CACHE_WRITE: usage.cache_write_tokens,
        semconv.USAGE_REASONING: usage.reasoning_tokens,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def price(entry: LedgerEntry, started_ns: int) -> Decimal | None:
    """What genai-prices says that the charged tokens cost; ``None`` where it knows no price."""
    if entry.provider in FREE:
        return Decimal(0)
    usage = entry.usage
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(**counts),
            entry.model,
            provider_id=_PRICE_LIST_OF.get(entry.provider, entry.provider),
            genai_request_timestamp=datetime.fromtimestamp(started_ns / 1e9, UTC),
        )
    except LookupError:
        return None
    return found.total_price


def status(entry: LedgerEntry, price: Decimal | None) -> str:
    """``flowspan.cost.status`` of a call with that price."""
    if entry.provider in FREE:
        return "free"
    return "unpriced" if price is None else "priced"


def estimate(*texts: str) -> int:
    """The tokens of a text by the documented rule."""
    size = sum(len(text.encode()) for text in texts)
    return -(-size // _BYTES_PER_TOKEN)


def settled(
    entry: LedgerEntry, asked: Sequence[str], answer: Sequence[str], whole: Usage, arrived: range
) -> list[dict[str, Any]]:
    """The usage attributes that a stream may have which ended early.

    What the wire told is what was charged; the rest is estimated, from what had arrived.  All are
    marked: nobody knows what the provider makes of a stream that was left.

    Args:
        entry: The charge.
        asked: The texts of the prompt.
        answer: The pieces of the whole answer.
        whole: What the whole answer would have been charged with.
        arrived: How many of them may have been read.
    """
    told = entry.usage.input_tokens
    if entry.format in TELLS_ALL_ALONG and arrived.stop > 1:
        output = whole.output_tokens or 0
        return [_used(told, output * count // len(answer)) for count in arrived]
    if entry.format not in TELLS_INPUT_FIRST or arrived.stop == 1:
        told = estimate(*asked)
    return [_used(told, estimate(*answer[:count])) for count in arrived]


def _used(input_tokens: int | None, output_tokens: int) -> dict[str, Any]:
    return {
        semconv.USAGE_INPUT_TOKENS: input_tokens,
        semconv.USAGE_OUTPUT_TOKENS: output_tokens,
        semconv.USAGE_ESTIMATED: True,
    }
