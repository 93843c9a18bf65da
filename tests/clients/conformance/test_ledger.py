"""A call that came to its end has the tokens that the provider charged, and what they cost."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from conformance import charges
from conformance.asking import (
    charged,
    every,
    generates,
    is_seen,
    known_of,
    one_of_each_kind,
    only_call,
    watching,
)
from conformance.discovery import Case
from conformance.driving import drive
from flowspan import semconv
from flowspan.testing import FakeProvider, Reply


@every(lambda way: way.reports)
def test_a_call_has_the_tokens_of_the_ledger_and_their_price(
    case: Case, provider: FakeProvider
) -> None:
    """One span, the charged tokens, the price that genai-prices gives for them."""
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    assert driven.error is None
    span, (entry,) = only_call(recording), provider.ledger
    known = known_of(span)
    wanted = charges.tokens_charged(entry)
    assert {name: known.get(name) for name in wanted} == wanted
    assert semconv.USAGE_ESTIMATED not in known
    price = charges.price(entry, span.start_time or 0)
    assert known.get(semconv.COST_USD) == (None if price is None else float(price))
    assert known[semconv.COST_STATUS] == charges.status(entry, price)


@every(lambda way: not way.reports)
def test_a_call_whose_answer_says_no_tokens_has_a_marked_estimate(
    case: Case, provider: FakeProvider
) -> None:
    """Four bytes of text to a token, and a mark that it is no more than that."""
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))

    known = known_of(only_call(recording))
    output = charges.estimate(*case.way.answer) if generates(case.way) else 0
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == charges.estimate(*provider.requests[0].texts)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == output


@every()
def test_a_call_says_what_was_asked_and_what_answered(case: Case, provider: FakeProvider) -> None:
    """Name, kind, provider, operation, models, response id, finish reasons, address, transport."""
    way, address = case.way, urlsplit(provider.url)
    provider.reply(Reply(chunks=case.way.answer, usage=charged(way)))

    with watching(case) as recording:
        drive(way, provider, settled=is_seen(recording))

    span, (entry,) = only_call(recording), provider.ledger
    known = known_of(span)
    wanted = {
        semconv.KIND: "llm",
        semconv.OPERATION_NAME: way.operation,
        semconv.PROVIDER_NAME: way.provider or entry.provider,
        semconv.REQUEST_MODEL: way.model or None,
        semconv.SERVER_ADDRESS: address.hostname,
        semconv.SERVER_PORT: address.port,
        semconv.TRANSPORT: case.client.transport,
        semconv.RESPONSE_ID: entry.response_id if way.identified else None,
    }
    assert {name: known.get(name) for name in wanted} == wanted
    assert known.get(semconv.RESPONSE_MODEL, entry.model) == entry.model
    assert known.get(semconv.PROVIDER_REQUEST_ID, entry.request_id) == entry.request_id
    reasons = known.get(semconv.RESPONSE_FINISH_REASONS, ())
    assert len(reasons) == (generates(way) and way.reasoned)
    assert span.name == f"{way.operation} {way.model}".strip()
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert semconv.STREAM_ABANDONED not in known
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in known or not way.stream


@one_of_each_kind(lambda way: way.reports)
def test_metrics_have_the_same_tokens_and_the_same_cost(case: Case, provider: FakeProvider) -> None:
    """What dashboards add up is what the ledger has."""
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))
        metrics = recording.metrics()

    span, (entry,) = only_call(recording), provider.ledger
    told = {point[semconv.TOKEN_TYPE]: value for point, value in metrics[semconv.METRIC_TOKENS]}
    cost = sum(value for _, value in metrics.get(semconv.METRIC_COST_USD, ()))
    assert told.get("input", 0) == entry.usage.input_tokens
    assert told.get("output", 0) == (entry.usage.output_tokens or 0)
    price = charges.price(entry, span.start_time or 0) or 0
    assert cost == pytest.approx(float(price), rel=1e-12)
    assert sum(value for _, value in metrics[semconv.METRIC_LLM_CALLS]) == 1
