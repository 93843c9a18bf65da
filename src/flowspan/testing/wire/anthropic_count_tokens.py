"""Counting the tokens of an Anthropic message that is not sent: nothing is charged."""

from __future__ import annotations

from flowspan.testing.wire.anthropic_common import error, headers, texts
from flowspan.testing.wire.format import WireFormat

FORMAT = WireFormat(
    name="anthropic.count_tokens",
    provider="anthropic",
    operation="count_tokens",
    path_endings=("/messages/count_tokens",),
    texts=texts,
    body=lambda answer: {"input_tokens": answer.usage.input_tokens},
    headers=headers,
    error=error,
    billed=False,
)
