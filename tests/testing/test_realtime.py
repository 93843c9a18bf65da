"""The provider's side of a realtime conversation, spoken to by a plain WebSocket client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowspan.testing import FakeProvider, Gate, Reply, ToolCall
from flowspan.usage import Usage

connect = pytest.importorskip("websockets.sync.client").connect

Talk = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def socket(provider: FakeProvider) -> Iterator[Any]:
    address = provider.openai_url.replace("http", "ws")
    with connect(f"{address}/realtime?model=gpt-realtime", max_size=None) as socket:
        yield socket


@pytest.fixture
def talk(socket: Any) -> Talk:
    """Say something, and hear everything up to an event of that type."""

    def talk(message: dict[str, Any], until: str) -> list[dict[str, Any]]:
        socket.send(json.dumps(message))
        heard = [json.loads(socket.recv())]
        while heard[-1]["type"] != until:
            heard.append(json.loads(socket.recv()))
        return heard

    return talk


def said(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item}


def test_a_response_is_told_and_charged(provider: FakeProvider, talk: Talk, socket: Any) -> None:
    """Piece by piece, its usage at the end; what was said before is its prompt."""
    provider.reply("one two")
    begun = json.loads(socket.recv())

    talk(said("a b c"), "conversation.item.added")
    events = talk({"type": "response.create"}, "response.done")

    assert begun["session"]["model"] == "gpt-realtime"
    assert [event["type"] for event in events] == [
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_item.done",
        "response.done",
    ]
    assert events[-1]["response"]["usage"]["input_tokens"] == 3
    [entry] = provider.ledger
    assert entry.usage == Usage(input_tokens=3, output_tokens=2)
    assert (entry.model, entry.operation, entry.stream) == ("gpt-realtime", "chat", True)
    assert provider.requests[0].texts == ("a b c",)


def test_what_was_answered_is_part_of_the_conversation(provider: FakeProvider, talk: Talk) -> None:
    """The second response is charged for all that went before."""
    provider.reply("one two", Reply(tool_calls=(ToolCall("search", {"q": "x"}),)))
    talk(said("a b c"), "conversation.item.added")
    talk({"type": "response.create"}, "response.done")

    events = talk({"type": "response.create"}, "response.done")

    [item] = events[-1]["response"]["output"]
    assert (item["type"], item["name"]) == ("function_call", "search")
    assert [entry.usage.input_tokens for entry in provider.ledger] == [3, 5]


def test_a_long_message_is_a_message(provider: FakeProvider, talk: Talk) -> None:
    """Lengths are told in one, two or eight bytes."""
    for size in (10, 1_000, 100_000):
        added = talk(said("a" * size), "conversation.item.added")[-1]
        assert len(added["item"]["content"][0]["text"]) == size


def test_an_update_is_acknowledged_and_the_unknown_is_not(talk: Talk, socket: Any) -> None:
    """Audio that comes in has no answer of its own."""
    socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}))

    events = talk({"type": "session.update", "session": {"tools": []}}, "session.updated")

    assert [event["type"] for event in events] == ["session.created", "session.updated"]
    assert socket.ping().wait(5)


@pytest.mark.parametrize("politely", [True, False])
def test_a_client_that_leaves_is_charged_for_what_it_got(
    *, politely: bool, provider: FakeProvider, talk: Talk, socket: Any
) -> None:
    """Whether it closes the socket or hangs up."""
    provider.reply(Reply("one two three", gate=Gate(after_chunks=1)))
    talk(said("a b c"), "conversation.item.added")
    talk({"type": "response.create"}, "response.output_text.delta")

    if politely:
        socket.close()
    else:
        socket.socket.shutdown(2)

    [entry] = provider.ledger.wait_for(1)
    assert (entry.outcome, entry.usage) == (
        "client_closed",
        Usage(input_tokens=3, output_tokens=1),
    )
    assert not entry.usage_on_wire
