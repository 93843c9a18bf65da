"""AWS event streams below an SDK: messages in binary frames, wherever the network cut them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.aws_events import MessageSplitter
from flowspan.instrumentation.clients.wire.bedrock_converse import CONVERSE
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner
from flowspan.testing.wire.aws_eventstream import message


def event(kind: str, data: Any) -> bytes:
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(names, json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())


def chunk(data: Any) -> bytes:
    payload = base64.b64encode(json.dumps(data, separators=(",", ":")).encode()).decode()
    return event("chunk", {"bytes": payload, "p": "abc"})


CONVERSED = b"".join(
    (
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"delta": {"text": "Zwölf "}, "contentBlockIndex": 0}),
        event("contentBlockDelta", {"delta": {"text": "Boxer"}, "contentBlockIndex": 0}),
        event("contentBlockStop", {"contentBlockIndex": 0}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": {"inputTokens": 20, "outputTokens": 9, "totalTokens": 29}}),
    )
)
INVOKED = b"".join(
    (
        chunk({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 5}}}),
        chunk({"type": "content_block_delta", "index": 0, "delta": {"text": "Twelve"}}),
        chunk({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}}),
        chunk({"type": "message_stop"}),
    )
)


def joined(shape: Shape, *chunks: bytes, content: bool = False) -> Answer:
    joiner = BodyJoiner(shape, content=content)
    for piece in chunks:
        joiner.add(piece)
    assert joiner.complete
    return joiner.result()


@pytest.mark.parametrize("at", range(1, len(CONVERSED)))
def test_a_stream_may_be_cut_anywhere(at: int) -> None:
    """What is told does not depend on where the network cut the bytes."""
    answer = joined(CONVERSE, CONVERSED[:at], CONVERSED[at:])

    assert answer.output_bytes == len("Zwölf Boxer".encode())
    usage = CONVERSE.usage(answer.body)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (20, 9)
    assert answer.body["stopReason"] == "end_turn"


def test_what_a_model_sent_is_read_as_its_own_stream() -> None:
    """InvokeModel wraps the model's events; the shape is that of the model."""
    answer = joined(MESSAGES, *(INVOKED[at : at + 7] for at in range(0, len(INVOKED), 7)))

    usage = MESSAGES.usage(answer.body)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (5, 3)
    assert answer.output_bytes == len("Twelve")


def test_the_text_is_kept_where_content_is_wanted() -> None:
    """All pieces are there, joined to the blocks of a whole answer."""
    answer = joined(CONVERSE, CONVERSED, content=True)

    [said] = CONVERSE.messages(answer.body)
    assert said["parts"] == [{"type": "text", "content": "Zwölf Boxer"}]


def test_an_exception_ends_the_stream() -> None:
    """Its kind is in a header, and what it says is not looked at."""
    names = {":exception-type": "throttlingException", ":message-type": "exception"}
    begun = event("messageStart", {"role": "assistant"})

    answer = joined(CONVERSE, begun, message(names, b'{"message":"x"}'))

    assert answer.error == "throttlingException"
    assert answer.body["error"] == {"type": "throttlingException"}


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=40))
def test_any_bytes_are_taken(data: bytes, size: int) -> None:
    """What only begins like a message is nothing, and nothing is raised."""
    splitter = MessageSplitter()
    data = b"\0\0" + data
    for at in range(0, len(data), size):
        for found in splitter.feed(data[at : at + size]):
            assert isinstance(found, bytes)
    assert splitter.flush() == []


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_headers_and_payload_are_taken(headers: bytes, payload: bytes) -> None:
    """A message whose insides are garbage gives an event or none."""
    total = len(headers) + len(payload) + 16
    framed = total.to_bytes(4) + len(headers).to_bytes(4) + bytes(4) + headers + payload + bytes(4)

    assert len(MessageSplitter().feed(framed)) == 1
