"""aiohttp: every way of reading and of leaving a response."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from opentelemetry.trace import StatusCode

from conformance import chat_by_http
from conformance.chat_by_http import ASKED, CHARGED, INTEGRATIONS, PATH, STREAMED, known_of
from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record
from flowspan.usage import Usage


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _all(iterator: Any) -> list[Any]:
    return [each async for each in iterator]


async def _lines(content: Any) -> list[bytes]:
    found = []
    while line := await content.readline():
        found.append(line)
    return found


async def _chunks(content: Any) -> None:
    while not content.at_eof():
        await content.readchunk()
    assert await content.readchunk() == (b"", False)


async def _exactly(content: Any) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        while True:
            await content.readexactly(11)


async def _no_wait(content: Any) -> None:
    while not content.at_eof():
        if not content.read_nowait():
            await asyncio.sleep(0)


READERS: dict[str, Callable[[aiohttp.ClientResponse], Awaitable[Any]]] = {
    "read()": lambda response: response.read(),
    "text()": lambda response: response.text(),
    "content.read()": lambda response: response.content.read(),
    "content.readline()": lambda response: _lines(response.content),
    "content.readchunk()": lambda response: _chunks(response.content),
    "content.readexactly()": lambda response: _exactly(response.content),
    "content.read_nowait()": lambda response: _no_wait(response.content),
    "iteration": lambda response: _all(response.content),
    "iter_any": lambda response: _all(response.content.iter_any()),
    "iter_chunked": lambda response: _all(response.content.iter_chunked(7)),
    "iter_chunks": lambda response: _all(response.content.iter_chunks()),
}


@pytest.mark.parametrize("reader", READERS)
async def test_every_way_of_reading_is_seen(
    reader: str, provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """Whatever way it is read in, each byte counts once, and the end is an ordinary one."""
    provider.reply(Reply("Zwölf Boxkämpfer", usage=CHARGED))
    response = await session.post(provider.url + PATH, json=STREAMED)

    await READERS[reader](response)

    known = known_of(recording)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.STREAM_ABANDONED not in known


BODIES: dict[str, dict[str, Any]] = {
    "json": {"json": ASKED},
    "text": {"data": json.dumps(ASKED)},
    "bytes": {"data": json.dumps(ASKED).encode()},
    "payload": {"data": aiohttp.JsonPayload(ASKED)},
}


@pytest.mark.parametrize("kind", BODIES)
async def test_every_body_that_is_there_is_read(
    kind: str, provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """As JSON to be, as text, as bytes or as a payload; what comes back is aiohttp's."""
    provider.reply(Reply("Once", usage=CHARGED))

    context = session.post(provider.url + PATH, **BODIES[kind])
    assert type(context).__module__.startswith("aiohttp")
    async with context as response:
        assert type(response) is aiohttp.ClientResponse
        assert (await response.json())["choices"]

    known = known_of(recording)
    assert recording.spans.one().name == "chat gpt-4o"
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


async def test_a_base_url_is_part_of_the_address(
    provider: FakeProvider, recording: Recording
) -> None:
    """A session may have one."""
    async with (
        aiohttp.ClientSession(provider.url) as session,
        session.post(PATH, json=ASKED) as response,
    ):
        await response.read()

    assert known_of(recording)[semconv.SERVER_PORT] == int(provider.url.rpartition(":")[2])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # aiohttp complains
@pytest.mark.parametrize("how", ["close", "release", "with", "session"])
async def test_a_response_that_is_left_ends_its_call(
    how: str, provider: FakeProvider, recording: Recording
) -> None:
    """Closed, released, left with its ``async with``, or dropped with its session."""
    provider.reply(Reply(chunks=("a", "b", "c"), gate=Gate(after_chunks=2)))
    session = aiohttp.ClientSession()
    response = await session.post(provider.url + PATH, json=STREAMED)
    await response.content.readany()

    if how == "with":
        async with response:
            pass
    elif how == "session":
        del response
    else:
        getattr(response, how)()
    await session.close()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()

    known = known_of(recording)
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True
    assert recording.spans.one().status.status_code is StatusCode.UNSET


async def test_an_exception_in_its_block_is_the_calls(
    provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """The program raised while it read."""
    provider.reply(Reply(chunks=("a", "b", "c"), gate=Gate(after_chunks=2)))

    with pytest.raises(ValueError, match="mine"):
        async with session.post(provider.url + PATH, json=STREAMED) as response:
            await response.content.readany()
            raise ValueError("mine")

    assert known_of(recording)[semconv.ERROR_TYPE] == "ValueError"


async def test_a_cancelled_read_is_no_error(
    provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """The task that reads is cancelled; the exception is the program's."""
    gate = Gate(after_chunks=2)
    provider.reply(Reply(chunks=("a", "b", "c"), gate=gate))

    async def reading() -> None:
        async with session.post(provider.url + PATH, json=STREAMED) as response:
            await response.read()

    task = asyncio.create_task(reading())
    await asyncio.to_thread(gate.wait_until_reached)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert recording.spans.one().status.status_code is StatusCode.UNSET


async def test_a_stream_that_the_server_cut_is_an_error(
    provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """What had arrived is estimated."""
    provider.reply(Reply(chunks=("Once ", "upon ", "a"), fault=Fault.cut(after_chunks=2)))

    with pytest.raises(aiohttp.ClientPayloadError):
        async with session.post(provider.url + PATH, json=STREAMED) as response:
            await response.read()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE].endswith("ClientPayloadError")
    assert known[semconv.USAGE_ESTIMATED] is True


async def test_a_refusal_ends_the_call_at_once(
    provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """Whether its body is read or not."""
    provider.fail(Fault.rate_limited())

    async with session.post(provider.url + PATH, json=ASKED) as response:
        assert response.status == 429
        assert len(recording.spans) == 1

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "429"
    assert semconv.USAGE_INPUT_TOKENS not in known


async def test_a_request_inside_a_model_call_is_an_attempt(provider: FakeProvider) -> None:
    """The owner hears of the retry."""
    row = Patch(
        target="conformance.chat_by_http:own",
        kind="llm",
        name="gpt-4o",
        usage=lambda _call, _result: Usage(input_tokens=1, output_tokens=2),
    )
    provider.fail(Fault.http(503))

    async def twice() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(provider.url + PATH, json=ASKED) as response:
                    await response.read()

    with record(Integration("owner", "", (row,)), *INTEGRATIONS) as recording:
        await chat_by_http.own(twice)

    known = known_of(recording)
    assert known[semconv.RETRY_COUNT] == 1
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 2


async def test_other_requests_are_left_alone(
    provider: FakeProvider, recording: Recording, session: aiohttp.ClientSession
) -> None:
    """Other methods, other paths, other bodies."""
    async with session.get(provider.url + PATH) as response:
        await response.read()
    async with session.post(f"{provider.url}/v1/files", json=ASKED) as response:
        await response.read()
    async with session.post(provider.url + PATH, data={"model": "form"}) as response:
        await response.read()

    assert len(recording.spans) == 0
