"""Spans of others in which nothing is run, and that would each be a trace of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowspan import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_UNTOLD: Final = frozenset({("autogen-core", "create_agent")})
"""Scopes and operations: AutoGen says of every agent that its object was made."""


def is_untold(span: ReadableSpan) -> bool:
    """Whether a span is neither delivered nor shown: one that is alone, and no work.

    Inside anything else it is a part of that, and is told.
    """
    if span.parent is not None or span.instrumentation_scope is None:
        return False
    operation = (span.attributes or {}).get(semconv.OPERATION_NAME)
    return (span.instrumentation_scope.name, operation) in _UNTOLD
