"""Streams of the OpenAI SDK: every way to open one, every way in which it can end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply

CHUNKS = ("Once ", "upon ", "a ", "time ", "there ", "was.")
QUESTION = "Tell me a story please"

Opener = Callable[[Any], Any]


def chat_arguments() -> dict[str, Any]:
    return {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def responses_arguments() -> dict[str, Any]:
    return {"model": "gpt-4o", "input": QUESTION, "stream": True}


def resource(client: Any, api: str) -> tuple[Any, dict[str, Any]]:
    if api == "chat":
        return client.chat.completions, chat_arguments()
    if not hasattr(client, "responses"):
        pytest.skip("this version has no responses")
    return client.responses, responses_arguments()


def helper(client: Any, api: str) -> Any:
    """The manager that ``stream(...)`` gives."""
    owner, arguments = resource(client, api)
    if not hasattr(owner, "stream"):
        owner = client.beta.chat.completions
    del arguments["stream"]
    return owner.stream(**arguments)


@dataclass
class Opened:
    """An open stream: how it is read and closed."""

    subject: Any
    items: Callable[[], Any]
    close: Callable[[], Any]


def open_sync(client: Any, api: str, way: str) -> Opened:
    owner, arguments = resource(client, api)
    if way == "helper":
        stream = helper(client, api).__enter__()
        return Opened(stream, stream.__iter__, stream.close)
    if way == "plain":
        stream = owner.create(**arguments)
        assert isinstance(stream, openai.Stream)
        return Opened(stream, stream.__iter__, stream.close)
    if way == "raw":
        stream = owner.with_raw_response.create(**arguments).parse()
        assert isinstance(stream, openai.Stream)
        return Opened(stream, stream.__iter__, stream.close)
    response = owner.with_streaming_response.create(**arguments).__enter__()
    return Opened(response, response.iter_lines, response.close)


async def open_async(client: Any, api: str, way: str) -> Opened:
    owner, arguments = resource(client, api)
    if way == "helper":
        stream = await helper(client, api).__aenter__()
        return Opened(stream, stream.__aiter__, stream.close)
    if way == "plain":
        stream = await owner.create(**arguments)
        assert isinstance(stream, openai.AsyncStream)
        return Opened(stream, stream.__aiter__, stream.close)
    if way == "raw":
        stream = (await owner.with_raw_response.create(**arguments)).parse()
        assert isinstance(stream, openai.AsyncStream)
        return Opened(stream, stream.__aiter__, stream.close)
    response = await owner.with_streaming_response.create(**arguments).__aenter__()
    return Opened(response, response.iter_lines, response.close)


# --- endings ------------------------------------------------------------------------------------


def drained(opened: Opened) -> None:
    for _ in opened.items():
        pass


def broken_out_of(opened: Opened) -> None:
    for _ in opened.items():
        break


def closed(opened: Opened) -> None:
    items = opened.items()
    next(items)
    opened.close()


def left_in_with(opened: Opened) -> None:
    if not hasattr(opened.subject, "__exit__"):
        pytest.skip("no context manager of its own")
    with opened.subject:
        for _ in opened.items():
            break


class CallerError(Exception):
    """What the program itself raises while it reads."""


def fail() -> None:
    raise CallerError


def left_by_exception(opened: Opened) -> None:
    with contextlib.suppress(CallerError):
        for _ in opened.items():
            fail()


def never_read(opened: Opened) -> None:
    assert opened.subject is not None


async def async_drained(opened: Opened) -> None:
    async for _ in opened.items():
        pass


async def async_broken_out_of(opened: Opened) -> None:
    async for _ in opened.items():
        break


async def async_closed(opened: Opened) -> None:
    items = opened.items()
    await anext(items)
    await opened.close()


async def async_left_in_with(opened: Opened) -> None:
    if not hasattr(opened.subject, "__aexit__"):
        pytest.skip("no context manager of its own")
    async with opened.subject:
        async for _ in opened.items():
            break


async def async_left_by_exception(opened: Opened) -> None:
    with contextlib.suppress(CallerError):
        async for _ in opened.items():
            fail()


async def async_never_read(opened: Opened) -> None:
    assert opened.subject is not None


EARLY = {
    "broken": (broken_out_of, async_broken_out_of),
    "closed": (closed, async_closed),
    "with": (left_in_with, async_left_in_with),
    "exception": (left_by_exception, async_left_by_exception),
    "unread": (never_read, async_never_read),
}

WAYS = ("plain", "raw", "streaming", "helper")

every_api = pytest.mark.parametrize("api", ["chat", "responses"])
every_way = pytest.mark.parametrize("way", WAYS)
every_early_end = pytest.mark.parametrize(
    "case", list(itertools.product(["chat", "responses"], WAYS, EARLY)), ids="-".join
)


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span, which is that of the model call."""
    return dict(recording.spans.one("chat gpt-4o").attributes or {})


def check_complete(recording: Recording, provider: FakeProvider) -> None:
    span, known = recording.spans.one(), known_of(recording)
    charged = provider.ledger.total()

    assert (charged.input_tokens, charged.output_tokens) == (
        known[semconv.USAGE_INPUT_TOKENS],
        known[semconv.USAGE_OUTPUT_TOKENS],
    )
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.STREAM_ABANDONED not in known
    assert semconv.RESPONSE_ID in known
    assert 0 < known[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < 60
    assert span.status.status_code is StatusCode.UNSET


def check_early(recording: Recording) -> None:
    span, known = recording.spans.one(), known_of(recording)

    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] > 0
    assert 0 <= known[semconv.USAGE_OUTPUT_TOKENS] <= len("".join(CHUNKS))
    assert span.status.status_code is StatusCode.UNSET


@every_api
@every_way
def test_a_drained_stream_has_the_tokens_that_the_provider_charged(
    api: str,
    way: str,
    provider: FakeProvider,
    client: openai.OpenAI,
    recording: Recording,
) -> None:
    """Whatever way a stream was opened, drained it has one span with the ledger's tokens."""
    provider.reply(Reply(chunks=CHUNKS))

    drained(open_sync(client, api, way))

    check_complete(recording, provider)


@every_api
@every_way
async def test_a_drained_async_stream_has_the_tokens_that_the_provider_charged(
    api: str,
    way: str,
    provider: FakeProvider,
    async_client: openai.AsyncOpenAI,
    recording: Recording,
) -> None:
    """Whatever way a stream was opened, drained it has one span with the ledger's tokens."""
    provider.reply(Reply(chunks=CHUNKS))

    await async_drained(await open_async(async_client, api, way))

    check_complete(recording, provider)


@every_early_end
def test_a_stream_that_ends_early_is_settled_with_a_marked_estimate(
    case: tuple[str, str, str],
    provider: FakeProvider,
    client: openai.OpenAI,
    recording: Recording,
) -> None:
    """Broken out of, closed, left by an exception or never read: one span, no error, estimated."""
    api, way, ending = case
    with_gate = Gate(after_chunks=3)  # the provider has not said its tokens yet
    provider.reply(Reply(chunks=CHUNKS, gate=with_gate))

    EARLY[ending][0](open_sync(client, api, way))
    gc.collect()

    check_early(recording)


@every_early_end
async def test_an_async_stream_that_ends_early_is_settled_with_a_marked_estimate(
    case: tuple[str, str, str],
    provider: FakeProvider,
    async_client: openai.AsyncOpenAI,
    recording: Recording,
) -> None:
    """Broken out of, closed, left by an exception or never read: one span, no error, estimated."""
    api, way, ending = case
    provider.reply(Reply(chunks=CHUNKS, gate=Gate(after_chunks=3)))

    await EARLY[ending][1](await open_async(async_client, api, way))
    await until_ended(recording)

    check_early(recording)


async def until_ended(recording: Recording) -> None:
    """Let event loop and collector finalise what was dropped, as they do of themselves."""
    for attempt in range(400):
        await asyncio.sleep(0.002)
        # What was dropped is young, unless it was still held when the first of these came by; a
        # whole collection takes long.
        gc.collect(2 if attempt % 40 == 39 else 1)
        if len(recording.spans):
            return


@every_api
@every_way
def test_a_stream_that_the_server_cut_is_an_error_with_the_tokens_so_far(
    api: str,
    way: str,
    provider: FakeProvider,
    client: openai.OpenAI,
    recording: Recording,
) -> None:
    """A connection that breaks in mid-stream: error, and an estimate of what had arrived."""
    provider.reply(Reply(chunks=CHUNKS, fault=Fault.cut(after_chunks=4)))

    with pytest.raises(Exception) as raised:  # noqa: PT011 - its class depends on the version
        drained(open_sync(client, api, way))

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE]
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_OUTPUT_TOKENS] == -(-len("".join(CHUNKS[:4])) // 4)
    assert raised.value is not None


@every_api
@every_way
async def test_an_async_stream_that_the_server_cut_is_an_error(
    api: str,
    way: str,
    provider: FakeProvider,
    async_client: openai.AsyncOpenAI,
    recording: Recording,
) -> None:
    """A connection that breaks in mid-stream: error, and an estimate of what had arrived."""
    provider.reply(Reply(chunks=CHUNKS, fault=Fault.cut(after_chunks=4)))

    with pytest.raises(Exception):  # noqa: B017, PT011 - its class depends on the version
        await async_drained(await open_async(async_client, api, way))

    span = recording.spans.one("chat gpt-4o")
    assert span.status.status_code is StatusCode.ERROR
    assert known_of(recording)[semconv.USAGE_ESTIMATED] is True


@every_api
@every_way
def test_an_error_event_in_a_stream_is_an_error(
    api: str,
    way: str,
    provider: FakeProvider,
    client: openai.OpenAI,
    recording: Recording,
) -> None:
    """A stream may fail although its status is 200."""
    provider.reply(Reply(chunks=CHUNKS, fault=Fault.error_event(after_chunks=2)))

    if way == "streaming":
        drained(open_sync(client, api, way))
    else:
        with pytest.raises(openai.APIError):
            drained(open_sync(client, api, way))
    gc.collect()

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] not in {"", None}
    assert known[semconv.USAGE_ESTIMATED] is True


@every_way
async def test_a_cancelled_task_ends_its_stream(
    way: str,
    provider: FakeProvider,
    async_client: openai.AsyncOpenAI,
    recording: Recording,
) -> None:
    """Cancellation is no error; what had arrived is accounted for."""
    gate = Gate(after_chunks=3)
    provider.reply(Reply(chunks=CHUNKS, gate=gate))

    begun = asyncio.Event()

    async def read() -> None:
        opened = await open_async(async_client, "chat", way)
        async for _ in opened.items():
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.UNSET
    assert known[semconv.USAGE_ESTIMATED] is True


def test_an_exception_in_a_with_block_of_the_stream_marks_it(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """Who leaves a stream's own context by an exception has failed in reading it."""
    provider.reply(Reply(chunks=CHUNKS, gate=Gate(after_chunks=3)))

    with (
        contextlib.suppress(CallerError),
        client.chat.completions.create(**chat_arguments()) as stream,
    ):
        next(stream)
        fail()

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.ERROR_TYPE] == "CallerError"


def test_a_stream_without_usage_is_estimated(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """Who did not ask for usage gets an estimate: four bytes of text to a token."""
    provider.reply(Reply(chunks=CHUNKS))
    arguments = chat_arguments()
    del arguments["stream_options"]

    for _ in client.chat.completions.create(**arguments):
        pass

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == -(-len(QUESTION) // 4)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == -(-len("".join(CHUNKS)) // 4)
    assert semconv.STREAM_ABANDONED not in known


def test_read_by_next_a_stream_is_seen_as_well(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """``next(stream)`` reads past the iterator that ``for`` uses."""
    provider.reply(Reply(chunks=CHUNKS))
    stream: Iterator[Any] = client.chat.completions.create(**chat_arguments())

    while next(stream, None) is not None:
        pass

    check_complete(recording, provider)


async def test_read_by_anext_a_stream_is_seen_as_well(
    provider: FakeProvider, async_client: openai.AsyncOpenAI, recording: Recording
) -> None:
    """``anext(stream)`` reads past the iterator that ``async for`` uses."""
    provider.reply(Reply(chunks=CHUNKS))
    stream: AsyncIterator[Any] = await async_client.chat.completions.create(**chat_arguments())

    while await anext(stream, None) is not None:
        pass

    check_complete(recording, provider)


def test_the_program_gets_what_it_would_get_without_flowspan(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The chunks of a watched stream are those of the provider, in the SDK's own type."""
    provider.reply(Reply(chunks=CHUNKS))

    stream = client.chat.completions.create(**chat_arguments())
    chunks = list(stream)

    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert type(stream) is openai.Stream
    assert said == "".join(CHUNKS)


@every_api
def test_content_of_a_stream_is_joined_when_it_is_asked_for(
    api: str, provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """With content on, a stream's pieces are one message."""
    provider.reply(Reply(chunks=CHUNKS))

    drained(open_sync(client, api, "plain"))

    known = known_of(content_recording)
    assert "".join(CHUNKS) in str(known[semconv.OUTPUT_MESSAGES])
    assert QUESTION in str(known[semconv.INPUT_MESSAGES])
