"""Spans whose tokens another span has."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv
from flowspan.delivery.elsewhere import without_usage_elsewhere


def test_tokens_that_another_span_has_are_left_out() -> None:
    """The span itself stays as it is, for whoever else reads it."""
    attributes: dict[str, Any] = {
        semconv.USAGE_ELSEWHERE: True,
        semconv.USAGE_INPUT_TOKENS: 3,
        semconv.USAGE_CACHE_READ: 1,
        "gen_ai.request.model": "m",
    }
    span = ReadableSpan("theirs", attributes=attributes)

    delivered = without_usage_elsewhere(span)

    assert delivered.name == "theirs"
    assert delivered.attributes == {semconv.USAGE_ELSEWHERE: True, "gen_ai.request.model": "m"}
    assert span.attributes == attributes
    assert without_usage_elsewhere(delivered).attributes == delivered.attributes


def test_every_other_span_is_delivered_as_it_is() -> None:
    for span in (
        ReadableSpan("none"),
        ReadableSpan("ours", attributes={semconv.USAGE_INPUT_TOKENS: 3}),
    ):
        assert without_usage_elsewhere(span) is span
