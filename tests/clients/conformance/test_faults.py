"""What goes wrong before an answer: refusals, retries and broken connections."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from conformance import charges
from conformance.asking import (
    charged,
    is_seen,
    known_of,
    names_in_chain,
    one_of_each_kind,
    only_call,
    watching,
)
from conformance.discovery import Case
from conformance.driving import Driven, drive
from flowspan import semconv
from flowspan.instrumentation.clients.wire.headers import RATE_LIMITS
from flowspan.testing import FakeProvider, Fault, ReceivedRequest, Reply
from flowspan.testing.wire.registry import route

EVERY_TRY = 10
"""More often than any client tries."""
UNAVAILABLE = 503
RETRY_AFTER = 0.001


def failing(case: Case, provider: FakeProvider, fault: Fault) -> tuple[Driven, ReadableSpan]:
    """A call whose every attempt meets the fault: one span, an error, nothing charged."""
    provider.fail(fault, times=EVERY_TRY)

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    span = only_call(recording)
    known = known_of(span)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE]
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.COST_STATUS not in known
    assert known.get(semconv.RETRY_COUNT, 0) == len(provider.requests) - 1
    return driven, span


@pytest.mark.parametrize("status", [429, 500])
@one_of_each_kind()
def test_a_refused_call_says_with_what_status(
    case: Case, status: int, provider: FakeProvider
) -> None:
    """An error with status and request id, whether the client raises or not."""
    _, span = failing(case, provider, Fault.http(status))

    known = known_of(span)
    assert known[semconv.HTTP_STATUS_CODE] == status
    refused = {request.request_id for request in provider.requests}
    assert known.get(semconv.PROVIDER_REQUEST_ID) in {None, *refused}


@one_of_each_kind()
def test_who_asked_too_often_is_told_the_limits(case: Case, provider: FakeProvider) -> None:
    """The headers of a 429 are attributes, and so are its request id and how long to wait."""
    _, span = failing(case, provider, Fault.rate_limited(retry_after=RETRY_AFTER))

    known = known_of(span)
    *_, latest = provider.requests
    sent = headers_sent(latest)
    limits = {name: value for name, value in known.items() if name.startswith(semconv.RATE_LIMIT)}
    wanted = {RATE_LIMITS[name]: value for name, value in sent.items() if "ratelimit" in name}
    assert {name: str(value) for name, value in limits.items()} == wanted
    assert known.get(semconv.RETRY_AFTER) == (RETRY_AFTER if case.way.plain else None)
    assert known.get(semconv.PROVIDER_REQUEST_ID) == request_id(latest)


@one_of_each_kind()
def test_an_answer_has_its_request_id(case: Case, provider: FakeProvider) -> None:
    """By which the provider's support finds it, where the provider sends one."""
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))

    (request,) = provider.requests
    assert known_of(only_call(recording)).get(semconv.PROVIDER_REQUEST_ID) == request_id(request)


def headers_sent(request: ReceivedRequest) -> Mapping[str, str]:
    """What the provider sent with a refusal, beside what every server sends."""
    wire = route("POST", request.path).wire
    assert wire is not None
    return {**wire.headers(request.request_id), **wire.error_headers(429)}


def request_id(request: ReceivedRequest) -> str | None:
    """The id that the provider sent, if it sends any."""
    return request.request_id if request.request_id in headers_sent(request).values() else None


@one_of_each_kind(lambda way: way.plain)
def test_a_page_in_place_of_an_answer_is_no_answer(case: Case, provider: FakeProvider) -> None:
    """Of a proxy, with status 200: whatever the client makes of it, nothing was used."""
    provider.fail(Fault.page(), times=EVERY_TRY)

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    span = only_call(recording)
    known = known_of(span)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] in {"html_page", *names_in_chain(driven.error)}
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.USAGE_OUTPUT_TOKENS not in known
    assert semconv.COST_USD not in known
    assert len(provider.ledger) == 0


@one_of_each_kind()
def test_a_connection_that_breaks_is_an_error(case: Case, provider: FakeProvider) -> None:
    """Nothing came back, nothing was charged."""
    driven, _ = failing(case, provider, Fault.reset())

    assert driven.error is not None


@one_of_each_kind(lambda way: way.tries > 1)
def test_a_retry_is_part_of_its_call(case: Case, provider: FakeProvider) -> None:
    """The provider is overloaded once: one span, one retry that says why."""
    provider.fail(Fault.http(UNAVAILABLE))
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    span, (entry,) = only_call(recording), provider.ledger
    known = known_of(span)
    retries = [
        dict(each.attributes or {}) for each in span.events if each.name == semconv.EVENT_RETRY
    ]
    assert driven.error is None
    assert span.status.status_code is StatusCode.UNSET
    assert known[semconv.RETRY_COUNT] == 1
    assert retries == [{semconv.ATTEMPT: 2, semconv.ERROR_TYPE: str(UNAVAILABLE)}]
    if case.way.reports:
        wanted = charges.tokens_charged(entry)
        assert {name: known.get(name) for name in wanted} == wanted
