from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from flowspan.testing import FakeProvider, Fault, Reply
from flowspan.usage import Usage

HELLO: Any = [{"role": "user", "content": "hello big world"}]


def ask(client: openai.OpenAI) -> str | None:
    completion = client.chat.completions.create(model="m", messages=HELLO)
    return completion.choices[0].message.content


def ask_for_stream(client: openai.OpenAI) -> list[str]:
    stream = client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    words = []
    try:
        for chunk in stream:
            words += [choice.delta.content or "" for choice in chunk.choices]
    except Exception as error:
        error.add_note("".join(words))
        raise
    return words


def test_next_requests_fail_and_cost_nothing(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """A call that is refused twice before its answer is charged once."""
    provider.fail(Fault.rate_limited())
    provider.fail(Fault.server_error())
    provider.reply("At last")

    answer = ask(openai_client)

    assert answer == "At last"
    assert [request.status for request in provider.requests] == [429, 500, 200]
    assert [request.headers["x-stainless-retry-count"] for request in provider.requests] == [
        "0",
        "1",
        "2",
    ]
    [entry] = provider.ledger
    assert entry.request == 2


def test_rate_limit_says_when_to_come_back(provider: FakeProvider) -> None:
    """A refusal carries the waiting time in both headers, and the rate limits."""
    provider.fail(Fault.rate_limited(retry_after=2.5))
    provider.fail(Fault.http(503, retry_after=None, message="Down for a minute"))
    body = {"model": "m", "messages": HELLO}

    limited = httpx.post(f"{provider.openai_url}/chat/completions", json=body)
    down = httpx.post(f"{provider.openai_url}/chat/completions", json=body)

    assert limited.status_code == 429
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    assert (limited.headers["retry-after"], limited.headers["retry-after-ms"]) == ("2", "2500")
    assert "x-ratelimit-limit-requests" in limited.headers
    assert (down.status_code, down.json()["error"]["message"]) == (503, "Down for a minute")
    assert "retry-after" not in down.headers


def test_overload_has_anthropics_status(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic
) -> None:
    """Status 529 is not in any standard, but Anthropic's SDK knows it."""
    provider.fail(Fault.overloaded())

    anthropic_client.messages.create(model="m", max_tokens=9, messages=HELLO)

    assert [request.status for request in provider.requests] == [529, 200]


def test_reset_comes_before_the_first_byte(provider: FakeProvider) -> None:
    """The connection is reset after the request was read; nothing is charged."""
    provider.fail(Fault.reset())

    with pytest.raises(httpx.ReadError, match="reset"):
        httpx.post(f"{provider.openai_url}/chat/completions", json={"model": "m"})

    assert [request.status for request in provider.requests] == [None]
    assert len(provider.ledger) == 0


def test_fault_in_a_reply(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A reply may carry its fault itself, a status included."""
    provider.reply(Reply(fault=Fault.http(400, message="Too long")))

    with pytest.raises(openai.BadRequestError, match="Too long"):
        ask(openai_client)


@pytest.mark.parametrize(
    ("after_chunks", "heard"), [(0, ""), (2, "Echo: hello "), (99, "Echo: hello big world")]
)
def test_cut_stream(
    provider: FakeProvider, openai_client: openai.OpenAI, after_chunks: int, heard: str
) -> None:
    """A cut stream has sent so many words, and is charged for its input and for these."""
    provider.fail(Fault.cut(after_chunks=after_chunks))

    with pytest.raises((openai.APIConnectionError, httpx.HTTPError, httpx2.HTTPError)) as raised:
        ask_for_stream(openai_client)

    assert raised.value.__notes__ == [heard]
    words = len(heard.split())
    [entry] = provider.ledger
    assert (entry.outcome, entry.chunks_sent, entry.usage_on_wire) == ("cut", words, False)
    assert entry.usage == Usage(input_tokens=3, output_tokens=words)


def test_cut_share_is_in_proportion(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Of a scripted usage the output is charged in proportion to the chunks sent, rounded down."""
    usage = Usage(
        input_tokens=90,
        cache_read_tokens=30,
        output_tokens=41,
        reasoning_tokens=21,
        output_audio_tokens=3,
    )
    provider.reply(Reply("one two three four", usage=usage, fault=Fault.cut(after_chunks=2)))

    with pytest.raises((openai.APIConnectionError, httpx.HTTPError, httpx2.HTTPError)):
        ask_for_stream(openai_client)

    assert provider.ledger.total() == Usage(
        input_tokens=90,
        cache_read_tokens=30,
        output_tokens=20,
        reasoning_tokens=10,
        output_audio_tokens=1,
    )


def test_cut_of_a_plain_answer(provider: FakeProvider) -> None:
    """A plain answer that ends in its middle was made all the same, and is charged in full."""
    provider.fail(Fault.cut())

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        httpx.post(
            f"{provider.openai_url}/chat/completions", json={"model": "m", "messages": HELLO}
        )

    [entry] = provider.ledger
    assert (entry.outcome, entry.usage_on_wire) == ("cut", False)
    assert entry.usage == Usage(input_tokens=3, output_tokens=4)


def test_error_event(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """An error in mid-stream is an event that the SDK raises; the stream itself ends well."""
    provider.fail(Fault.error_event(after_chunks=1))

    with pytest.raises(openai.APIError, match="error while streaming") as raised:
        ask_for_stream(openai_client)

    assert raised.value.__notes__ == ["Echo: "]
    [entry] = provider.ledger
    assert (entry.outcome, entry.usage.output_tokens) == ("failed", 1)


def test_error_event_of_a_plain_answer(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Where there is no stream, the error is a status 500 and charges nothing."""
    provider.fail(Fault.error_event(message="Out of steam"), times=3)

    with pytest.raises(openai.InternalServerError, match="Out of steam"):
        ask(openai_client)

    assert len(provider.ledger) == 0


@pytest.mark.parametrize("after_chunks", [0, 2, 99])
def test_malformed_event(
    provider: FakeProvider, openai_client: openai.OpenAI, after_chunks: int
) -> None:
    """One event is no JSON; the provider does not notice and charges everything."""
    provider.fail(Fault.malformed(after_chunks=after_chunks))

    with pytest.raises(ValueError, match=r"line 1 column"):
        ask_for_stream(openai_client)

    [entry] = provider.ledger.wait_for(1)
    assert entry.usage.input_tokens == 3


def test_malformed_event_is_the_only_one(provider: FakeProvider) -> None:
    """What follows a broken event is sound again, the usage included."""
    provider.fail(Fault.malformed(after_chunks=1))
    body = {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    text = httpx.post(f"{provider.openai_url}/chat/completions", json=body).text

    broken = [line for line in text.splitlines() if line and not line.endswith(("}", "[DONE]"))]
    assert len(broken) == 1
    assert '"total_tokens":7' in text
    [entry] = provider.ledger
    assert (entry.outcome, entry.chunks_sent, entry.usage_on_wire) == ("completed", 4, True)


def test_malformed_plain_answer(provider: FakeProvider) -> None:
    """Half of a JSON text arrives in good order; it is charged, but the usage was not told."""
    provider.fail(Fault.malformed())

    answer = httpx.post(
        f"{provider.openai_url}/chat/completions", json={"model": "m", "messages": HELLO}
    )

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"line 1 column"):
        answer.json()
    [entry] = provider.ledger
    assert (entry.outcome, entry.usage_on_wire) == ("completed", False)
    assert entry.usage == Usage(input_tokens=3, output_tokens=4)
