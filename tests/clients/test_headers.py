"""What the headers of answers tell: ids for support, limits where there were too many requests."""

from __future__ import annotations

from email.message import Message
from typing import Any

import httpx
import openai
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from flowspan import semconv
from flowspan.instrumentation.clients.wire.headers import RATE_LIMITS, told_by
from flowspan.testing import FakeProvider, Fault, Recording

OPENAI = {
    "x-request-id": "req_1",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-limit-tokens": "30000",
    "retry-after": "20",
    "retry-after-ms": "19500",
    "set-cookie": "session=secret",
}
ANTHROPIC = {
    "request-id": "req_2",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-input-tokens-remaining": "12",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-20T08:00:00Z",
    "retry-after": "7",
}


def known(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def test_limits_of_openai() -> None:
    assert known(told_by(429, httpx.Headers(OPENAI))) == {
        semconv.PROVIDER_REQUEST_ID: "req_1",
        "flowspan.rate_limit.requests.limit": 500,
        "flowspan.rate_limit.requests.remaining": 0,
        "flowspan.rate_limit.requests.reset": "6m0s",
        "flowspan.rate_limit.tokens.limit": 30000,
        semconv.RETRY_AFTER: 19.5,
    }


def test_limits_of_anthropic() -> None:
    assert known(told_by(429, httpx.Headers(ANTHROPIC))) == {
        semconv.PROVIDER_REQUEST_ID: "req_2",
        "flowspan.rate_limit.requests.limit": 50,
        "flowspan.rate_limit.input_tokens.remaining": 12,
        "flowspan.rate_limit.input_tokens.reset": "2026-11-20T08:00:00Z",
        semconv.RETRY_AFTER: 7.0,
    }


@pytest.mark.parametrize("status", [None, 200, 500])
def test_other_answers_tell_their_id_alone(status: int | None) -> None:
    assert known(told_by(status, httpx.Headers(OPENAI))) == {semconv.PROVIDER_REQUEST_ID: "req_1"}


def test_headers_of_every_kind_are_read() -> None:
    message = Message()
    message["Request-Id"] = "req_3"
    kinds = message, requests.structures.CaseInsensitiveDict(message.items()), dict(ANTHROPIC)

    ids = [told_by(200, headers)[semconv.PROVIDER_REQUEST_ID] for headers in kinds]

    assert ids == ["req_3", "req_3", "req_2"]


@pytest.mark.parametrize("headers", [None, 7, "text", object()])
def test_what_are_no_headers_tell_nothing(headers: object) -> None:
    assert told_by(429, headers) == {}


@given(
    st.dictionaries(
        st.sampled_from([*RATE_LIMITS, "retry-after", "retry-after-ms", "request-id"]),
        st.one_of(st.text(), st.binary(), st.integers(), st.none()),
    )
)
def test_odd_values_never_raise_and_stay_short(headers: dict[str, Any]) -> None:
    for name, value in known(told_by(429, headers)).items():
        if name == semconv.RETRY_AFTER:
            assert isinstance(value, float)
        else:
            assert isinstance(value, int | str)
            assert len(str(value)) <= 128


# --- of calls ---------------------------------------------------------------------------------


def attributes(recording: Recording) -> dict[str, Any]:
    (span,) = recording.spans
    return dict(span.attributes or {})


CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_call_has_the_id_of_its_request(
    client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    client.chat.completions.create(**CHAT)

    assert attributes(recording)[semconv.PROVIDER_REQUEST_ID] == provider.ledger[0].request_id


def test_so_has_a_stream(
    client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    list(client.chat.completions.create(**CHAT, stream=True))

    assert attributes(recording)[semconv.PROVIDER_REQUEST_ID] == provider.ledger[0].request_id


def test_a_call_that_is_tried_again_has_the_limits_that_it_met_and_its_last_id(
    client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    provider.fail(Fault.rate_limited())

    client.chat.completions.create(**CHAT)

    found = attributes(recording)
    assert found["flowspan.rate_limit.requests.limit"] == 10000
    assert found[semconv.RETRY_AFTER] == pytest.approx(0.001)
    assert found[semconv.PROVIDER_REQUEST_ID] == provider.ledger[0].request_id


def test_so_has_one_that_fails(
    client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    provider.fail(Fault.rate_limited())

    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=0).chat.completions.create(**CHAT)

    found = attributes(recording)
    assert found[semconv.ERROR_TYPE] == "RateLimitError"
    assert found["flowspan.rate_limit.requests.limit"] == 10000
    assert found[semconv.PROVIDER_REQUEST_ID] == provider.requests[0].request_id


@pytest.mark.parametrize("fails", [False, True])
def test_of_plain_http(
    provider: FakeProvider,
    recording: Recording,
    fails: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if fails:
        provider.fail(Fault.rate_limited())
    with httpx.stream("POST", f"{provider.openai_url}/chat/completions", json=CHAT) as response:
        response.read()

    found = attributes(recording)
    assert found[semconv.PROVIDER_REQUEST_ID] == provider.requests[0].request_id
    assert ("flowspan.rate_limit.requests.limit" in found) is fails
