import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx
import openai
import pytest

from flowspan.testing import FakeProvider, Gate, Reply
from flowspan.usage import Usage

HELLO: Any = [{"role": "user", "content": "hi"}]


def test_gate_holds_a_stream_after_so_many_chunks(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """What is before the gate arrives; what is behind it comes when the gate is opened."""
    gate = Gate(after_chunks=2)
    provider.reply(Reply("one two three", gate=gate))

    stream = openai_client.chat.completions.create(model="m", messages=HELLO, stream=True)
    words = [next(stream).choices[0].delta.content for _ in range(3)]
    gate.wait_until_reached()
    charged_before = len(provider.ledger)
    gate.open()
    words += [chunk.choices[0].delta.content for chunk in stream]

    assert words == ["", "one ", "two ", "three", None]
    assert charged_before == 0
    assert provider.ledger[0].outcome == "completed"


def test_gate_holds_a_plain_answer(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """A plain answer waits at the gate before its first byte; any event may be the gate's."""
    opened = threading.Event()
    gate = Gate(opened=opened)
    provider.reply(Reply("late", gate=gate))

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(openai_client.chat.completions.create, model="m", messages=HELLO)
        gate.wait_until_reached()
        done_before = future.done()
        opened.set()
        completion = future.result(timeout=5)

    assert not done_before
    assert completion.choices[0].message.content == "late"


def test_gate_that_nobody_reaches() -> None:
    """Waiting for an answer that never comes ends with a sentence."""
    with pytest.raises(TimeoutError, match="no answer has reached the gate"):
        Gate().wait_until_reached(timeout=0.01)


def test_client_that_closes_a_stream_is_charged_for_what_was_sent(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """The provider notices the hang-up at the closed gate and charges two words of three."""
    provider.reply(Reply("one two three", gate=Gate(after_chunks=2)))

    with openai_client.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
        for _ in range(3):
            next(stream)
    [entry] = provider.ledger.wait_for(1)

    assert (entry.outcome, entry.chunks_sent, entry.usage_on_wire) == ("client_closed", 2, False)
    assert entry.usage == Usage(input_tokens=1, output_tokens=2)


async def test_async_client_that_is_cancelled(
    provider: FakeProvider, async_anthropic_client: anthropic.AsyncAnthropic
) -> None:
    """A cancelled task hangs up; the input has been charged in full."""
    gate = Gate(after_chunks=1)
    provider.reply(Reply("one two three", gate=gate))

    async def read() -> None:
        async for _ in await async_anthropic_client.messages.create(
            model="m", max_tokens=9, messages=HELLO, stream=True
        ):
            pass

    task = asyncio.create_task(read())
    await asyncio.to_thread(gate.wait_until_reached)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    [entry] = await asyncio.to_thread(provider.ledger.wait_for, 1)

    assert entry.outcome == "client_closed"
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == (1, 1)


def test_client_that_gives_up_a_plain_answer_is_charged_in_full(provider: FakeProvider) -> None:
    """The answer was made, whoever waits for it; the client was not told what it cost."""
    provider.reply(Reply("one two", gate=Gate()))

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{provider.openai_url}/chat/completions",
            json={"model": "m", "messages": HELLO},
            timeout=httpx.Timeout(5, read=0.05),
        )
    [entry] = provider.ledger.wait_for(1)

    assert (entry.outcome, entry.usage_on_wire) == ("client_closed", False)
    assert entry.usage == Usage(input_tokens=1, output_tokens=2)


def test_client_that_leaves_a_slow_stream(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Between slow chunks too the hang-up is noticed, and the rest is neither sent nor charged."""
    provider.reply(Reply("one two " * 500, chunk_delay=0.01))

    with openai_client.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
        next(stream)
    [entry] = provider.ledger.wait_for(1)

    assert entry.outcome == "client_closed"
    assert entry.usage.output_tokens == entry.chunks_sent < 1000


def test_delay_comes_before_the_first_byte(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """A delayed answer is charged like any other, streamed or not."""
    provider.reply(Reply("late", delay=0.001), Reply("late", delay=0.001))

    openai_client.chat.completions.create(model="m", messages=HELLO)
    list(openai_client.chat.completions.create(model="m", messages=HELLO, stream=True))

    assert [entry.outcome for entry in provider.ledger] == ["completed", "completed"]


def test_closing_the_provider_frees_whoever_waits() -> None:
    """A provider that is closed lets no client hang at a gate."""
    gate = Gate()
    with FakeProvider() as provider, ThreadPoolExecutor(1) as pool:
        provider.reply(Reply("never", gate=gate))
        url = f"{provider.openai_url}/chat/completions"
        future = pool.submit(httpx.post, url, json={"model": "m", "messages": HELLO})
        gate.wait_until_reached()
        provider.close()

        with pytest.raises(httpx.RemoteProtocolError):
            future.result(timeout=5)
