"""Leaves out the tokens of spans whose call is counted on another span.

Spans of others keep what their makers put on them, for whoever else reads it in the process.  What
flowspan delivers has the tokens of a call once, so that sums over all spans are right.
"""

from __future__ import annotations

import copy
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv

_USAGE: Final = "gen_ai.usage."


def without_usage_elsewhere(span: ReadableSpan) -> ReadableSpan:
    """The span, or a copy without tokens if another one has them."""
    attributes = span.attributes
    if not attributes or semconv.USAGE_ELSEWHERE not in attributes:
        return span
    delivered = copy.copy(span)
    delivered._attributes = {  # noqa: SLF001 - a span is made of it, and has no other door
        name: value for name, value in attributes.items() if not name.startswith(_USAGE)
    }
    return delivered
