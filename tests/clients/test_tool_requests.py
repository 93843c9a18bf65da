"""Tools that a model asks for are events of its call: name and id, never arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from flowspan import semconv
from flowspan.testing import FakeProvider, Recording, Reply, ToolCall

ASKED = Reply(
    tool_calls=(
        ToolCall("weather", {"city": "Oslo", "name": "secret"}, id="call_a"),
        ToolCall("clock", id="call_b"),
    )
)
EXPECTED = [("weather", "call_a"), ("clock", "call_b")]
MESSAGES = [{"role": "user", "content": "What is it like?"}]


def requested(recording: Recording) -> list[tuple[Any, Any]]:
    (span,) = recording.spans
    found = [event for event in span.events if event.name == semconv.EVENT_TOOL_REQUESTED]
    assert all(
        set(event.attributes or {}) <= {semconv.TOOL_NAME, semconv.TOOL_CALL_ID} for event in found
    )
    attributes = [event.attributes or {} for event in found]
    return [(each.get(semconv.TOOL_NAME), each.get(semconv.TOOL_CALL_ID)) for each in attributes]


def chat(client: Any, *, stream: bool) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=stream)


def responses(client: Any, *, stream: bool) -> Any:
    if not hasattr(client, "responses"):
        pytest.skip("this version has no responses")
    return client.responses.create(model="gpt-4o", input="What is it like?", stream=stream)


every_api = pytest.mark.parametrize("call", [chat, responses])


@every_api
def test_of_an_answer(
    call: Callable[..., Any], client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    provider.reply(ASKED)

    call(client, stream=False)

    assert requested(recording) == EXPECTED


@every_api
def test_of_a_stream(
    call: Callable[..., Any], client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    provider.reply(ASKED)

    for _ in call(client, stream=True):
        pass

    assert requested(recording) == EXPECTED


@every_api
def test_of_a_stream_that_is_left_after_the_first(
    call: Callable[..., Any], client: openai.OpenAI, provider: FakeProvider, recording: Recording
) -> None:
    provider.reply(ASKED)

    with call(client, stream=True) as stream:
        for chunk in stream:
            if "weather" in chunk.model_dump_json():
                break

    assert requested(recording)[:1] == EXPECTED[:1]


def test_no_request_makes_no_event(client: openai.OpenAI, recording: Recording) -> None:
    chat(client, stream=False)

    assert requested(recording) == []


@pytest.fixture
def ask_anthropic(provider: FakeProvider) -> Iterator[Callable[..., httpx.Response]]:
    with httpx.Client(base_url=provider.anthropic_url) as client:

        def ask(*, stream: bool) -> httpx.Response:
            body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": MESSAGES}
            headers = {"anthropic-version": "2023-06-01"}
            asked = {**body, "stream": stream}
            with client.stream("POST", "/v1/messages", json=asked, headers=headers) as response:
                response.read()
            return response

        yield ask


@pytest.mark.parametrize("stream", [False, True])
def test_of_anthropic(
    ask_anthropic: Callable[..., httpx.Response],
    provider: FakeProvider,
    recording: Recording,
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    provider.reply(ASKED)

    ask_anthropic(stream=stream)

    assert requested(recording) == EXPECTED


@pytest.mark.parametrize(
    ("kind", "name"), [("computer_call", "computer"), ("custom_tool_call", "grep")]
)
def test_of_tools_that_are_no_functions(
    provider: FakeProvider, recording: Recording, kind: str, name: str
) -> None:
    """The program is to act on them as well; a search that ran at the provider is none."""
    item = {"type": kind, "call_id": "call_c", "name": "grep"} if name == "grep" else {"type": kind}
    body = {"id": "resp_1", "output": [item, {"type": "web_search_call", "id": "ws_1"}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))

    with httpx.Client(transport=transport) as client:
        client.post(
            "https://api.openai.com/v1/responses",
            content=json.dumps({"model": "gpt-4o", "input": "Click"}),
        )

    assert [found for found, _ in requested(recording)] == [name]
