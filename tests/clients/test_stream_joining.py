"""Bodies that are read bit by bit, added up to an answer."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.estimates import utf8_length
from flowspan.instrumentation.clients.wire import cohere, gemini
from flowspan.instrumentation.clients.wire import stream as stream_module
from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner

SHAPES = (CHAT, RESPONSES, MESSAGES, TEXT, EMBEDDINGS)


def sse(*events: Any, spaced: bool = False) -> bytes:
    separators = None if spaced else (",", ":")
    return b"".join(
        b"data: " + json.dumps(event, separators=separators).encode() + b"\n\n"
        if not isinstance(event, str)
        else f"data: {event}\n\n".encode()
        for event in events
    )


def joined(shape: Shape, *chunks: bytes | str, content: bool = False) -> Answer:
    joiner = BodyJoiner(shape, content=content)
    for chunk in chunks:
        joiner.add(chunk)
    return joiner.result()


def chat_chunk(delta: dict[str, Any] | None = None, end: str | None = None, **more: Any) -> Any:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": end}]
    return {"id": "chatcmpl-1", "model": "gpt-4o", "choices": choices, **more}


CHAT_STREAM = (
    chat_chunk({"role": "assistant", "content": ""}, usage=None),
    chat_chunk({"content": "Hël"}, usage=None),
    chat_chunk({"content": 'lo "you"\n'}, usage=None),
    chat_chunk({}, "stop", usage=None),
    chat_chunk(usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}),
    "[DONE]",
)
CHAT_TEXT = 'Hëllo "you"\n'

ANTHROPIC_STREAM = (
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "model": "claude-sonnet-4-5",
            "role": "assistant",
            "content": [],
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1},
        },
    },
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
)


@pytest.mark.parametrize("wanted", ["numbers", "content"])
@pytest.mark.parametrize("form", ["dense", "spaced"])
def test_a_chat_stream_adds_up(wanted: str, form: str) -> None:
    """Id, model, finish reason, usage and the length of the text; JSON may have spaces."""
    content = wanted == "content"
    joiner = BodyJoiner(CHAT, content=content)
    counted = [joiner.add(sse(event, spaced=form == "spaced")) for event in CHAT_STREAM]
    answer = joiner.result()

    assert all(counted)
    assert joiner.complete
    assert answer.error is None
    assert answer.output_bytes == utf8_length(CHAT_TEXT)
    assert CHAT.usage(answer.body).input_tokens == 5  # type: ignore[union-attr]
    assert CHAT.response(answer.body) == {
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.response.finish_reasons": ["stop"],
    }
    if content:
        assert CHAT.messages(answer.body) == [
            {"role": "assistant", "parts": [{"type": "text", "content": CHAT_TEXT}]}
        ]


@pytest.mark.parametrize("wanted", ["numbers", "content"])
def test_an_anthropic_stream_adds_up(wanted: str) -> None:
    """The input comes in the first event, the output in the last but one."""
    content = wanted == "content"
    answer = joined(MESSAGES, sse(*ANTHROPIC_STREAM), content=content)
    usage = MESSAGES.usage(answer.body)

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (14, 9, 4)
    assert answer.output_bytes == 5
    assert MESSAGES.response(answer.body)["gen_ai.response.finish_reasons"] == ["end_turn"]
    if content:
        assert MESSAGES.messages(answer.body)[0]["parts"] == [{"type": "text", "content": "Hello"}]


def test_the_output_that_a_message_begins_with_is_not_its_output() -> None:
    """Cut before the last event, only the input of an Anthropic message is known."""
    answer = joined(MESSAGES, sse(*ANTHROPIC_STREAM[:5]))
    usage = MESSAGES.usage(answer.body)

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (14, None)


def test_tool_calls_of_a_stream_are_joined() -> None:
    """Arguments come in pieces, several calls in any order; without content they are measured."""

    def piece(index: int, arguments: str, **more: Any) -> Any:
        function = {"arguments": arguments, **({"name": "find"} if more else {})}
        return chat_chunk({"tool_calls": [{"index": index, **more, "function": function}]})

    events = (
        piece(0, "", id="call_1"),
        piece(0, '{"q":'),
        piece(1, "{}", id="call_2"),
        chat_chunk({"tool_calls": ["odd"]}),
        piece(0, ' "é"}'),
    )
    answer = joined(CHAT, sse(*events), content=True)

    assert joined(CHAT, sse(*events)).output_bytes == utf8_length('{"q": "é"}{}')
    assert CHAT.messages(answer.body)[0]["parts"] == [
        {"type": "tool_call", "id": "call_1", "name": "find", "arguments": {"q": "é"}},
        {"type": "tool_call", "id": "call_2", "name": "find", "arguments": {}},
    ]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([CHAT, MESSAGES]))
def test_how_the_network_cut_a_stream_makes_no_difference(sizes: list[int], shape: Shape) -> None:
    """Chunks of any size give the same answer, and the same text length."""
    stream = sse(*(CHAT_STREAM if shape is CHAT else ANTHROPIC_STREAM))
    expected = joined(shape, stream)
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1

    assert joined(shape, *chunks) == expected


@given(st.text(max_size=60))
def test_any_text_has_its_length(text: str) -> None:
    """Escapes, quotation marks, other scripts: the measure is the text's length in UTF-8."""
    events = (chat_chunk({"role": "assistant"}), chat_chunk({"content": text}))
    for ascii_only in (True, False):
        chunks = [
            b"data: " + json.dumps(event, ensure_ascii=ascii_only).encode("utf-8") + b"\n\n"
            for event in events
        ]
        assert joined(CHAT, *chunks).output_bytes == utf8_length(text)


@given(st.text(alphabet='"\\:{}ageusrcontnifhdl _,', max_size=40))
def test_what_a_model_writes_is_never_taken_for_a_mark(text: str) -> None:
    """Text that looks like the protocol is text."""
    written = f'"usage":{{"error":"content":"finish_reason":"{text}'
    answer = joined(CHAT, sse(chat_chunk({"role": "assistant"}), chat_chunk({"content": written})))

    assert answer.error is None
    assert CHAT.usage(answer.body) is None
    assert answer.output_bytes == utf8_length(written)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@given(chunks=st.lists(st.binary(max_size=40) | st.text(max_size=20), max_size=6))
def test_no_body_makes_it_fail(shape: Shape, chunks: list[bytes | str]) -> None:
    """Whatever bytes come, and however they are cut, there is an answer."""
    answer = joined(shape, *chunks, content=True)

    assert isinstance(answer, Answer)


MEMBERS = (
    *("id", "model", "usage", "choices", "delta", "message", "content", "index", "type", "error"),
    *("response", "status", "output", "item", "output_index", "tool_calls", "function"),
    *("content_block", "text", "name", "role", "arguments", "service_tier"),
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@given(events=st.lists(anything, max_size=5))
def test_any_events_can_be_described(shape: Shape, events: list[Any]) -> None:
    """Any JSON may come in a stream; extractors of the answer take all of it."""
    answer = joined(shape, sse(*events), content=True)
    assert joined(shape, sse(*events)).output_bytes == answer.output_bytes

    assert isinstance(shape.response(answer.body), dict)
    shape.usage(answer.body)
    shape.messages(answer.body)
    shape.output(answer.body)


def test_comments_and_parts_of_events_are_no_chunks() -> None:
    """Keep-alive comments must not count as the first chunk of an answer."""
    joiner = BodyJoiner(CHAT)

    assert not joiner.add(b": OPENROUTER PROCESSING\n\n")
    assert not joiner.add(b'data: {"id":"x",')
    assert joiner.add(b'"choices":[]}\n\n')


def test_an_error_in_the_form_of_anthropic() -> None:
    """The message that had begun is kept beside it."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    answer = joined(MESSAGES, sse(*ANTHROPIC_STREAM[:4], error))

    assert answer.error == "overloaded_error"
    assert MESSAGES.response(answer.body)["gen_ai.response.id"] == "msg_1"


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"message": "no", "type": "server_error", "code": None}},
        {"error": {"message": "no", "code": 502}},
        {"error": "overloaded"},
    ],
)
def test_an_error_event_ends_a_stream(event: Any) -> None:
    """Its kind is the answer's error; what comes behind it is not looked at."""
    joiner = BodyJoiner(CHAT)
    joiner.add(sse(chat_chunk({"content": "Hel"})))
    joiner.add(sse(event))
    joiner.add(sse(chat_chunk({"content": "never"})))

    assert joiner.complete
    assert joiner.result().error in {"server_error", "502", "overloaded"}
    assert joiner.result().output_bytes == 3


@pytest.mark.parametrize("end", ['"}\n', "\n", "\r", '\\"\n', "\\u00\n"])
def test_a_text_ends_with_its_line(end: str) -> None:
    """Broken JSON is measured the same however it came."""
    begun = sse(chat_chunk({"content": "Hel"}))
    broken = f'data: {{"content":"lo{end}"x": "y"\n\n'.encode()

    each = joined(CHAT, begun, broken)

    assert each == joined(CHAT, begun + broken)
    assert each.output_bytes in range(5, 12)


@pytest.mark.parametrize("pieces", ["each", "all"])
def test_an_event_of_an_error_with_text_in_it_ends_a_stream(pieces: str) -> None:
    """Also where it comes alone and looks like a piece of text."""
    events = (
        chat_chunk({"content": "Hel"}),
        {"type": "error", "content": "no"},
        chat_chunk({"content": "never"}),
    )
    chunks = [sse(event) for event in events]
    joiner = BodyJoiner(CHAT)
    for chunk in chunks if pieces == "each" else [b"".join(chunks)]:
        joiner.add(chunk)

    assert joiner.complete
    assert joiner.result().output_bytes == 5


@pytest.mark.parametrize(
    ("shape", "events"),
    [
        (
            RESPONSES,
            [
                {"output_index": 0, "item": {"content": [["no object"]]}},
                {"output_index": 0, "type": "response.output_text.delta", "delta": "x"},
            ],
        ),
        (
            gemini.GENERATE,
            [{"candidates": [{"content": {"parts": [5, {"text": "a"}, "text", {"text": "b"}]}}]}],
        ),
        (cohere.CHAT_V1, [{"event_type": "x", "response": {"text": {}}}, {"text": "y"}]),
    ],
    ids=["openai.responses", "gemini", "cohere"],
)
def test_what_stands_where_a_text_should_is_passed_over(shape: Shape, events: list[Any]) -> None:
    """Nothing that a server sends raises."""
    stream = sse(*events)

    assert joined(shape, stream, content=True).body is not None


def test_an_error_in_the_form_of_the_responses_api() -> None:
    """There the error is the event."""
    answer = joined(
        RESPONSES,
        sse({"type": "error", "code": "rate_limit_exceeded", "message": "no", "param": None}),
    )

    assert answer.error == "rate_limit_exceeded"


@pytest.mark.parametrize("ending", ["response.completed", "response.incomplete"])
def test_a_response_stream_has_the_state_that_came_last(ending: str) -> None:
    """Its last event carries the whole response, usage included."""
    events = (
        {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"},
        {
            "type": ending,
            "response": {
                "id": "r",
                "model": "gpt-5",
                "status": ending.partition(".")[2],
                "usage": {"input_tokens": 3, "output_tokens": 4},
            },
        },
    )
    joiner = BodyJoiner(RESPONSES)
    joiner.add(sse(*events))
    body = joiner.result().body

    assert joiner.complete
    assert RESPONSES.usage(body).output_tokens == 4  # type: ignore[union-attr]
    assert RESPONSES.response(body)["gen_ai.response.finish_reasons"] == [ending.partition(".")[2]]


def test_a_response_that_was_cut_is_put_together_from_its_pieces() -> None:
    """With content on, text and arguments so far make up the output."""
    answer = joined(
        RESPONSES,
        sse(
            {"type": "response.created", "response": {"id": "r", "output": []}},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "On"},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "ce"},
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
            },
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"},
            {"type": "response.unheard_of", "output_index": 2, "delta": 5},
        ),
        content=True,
    )

    assert RESPONSES.messages(answer.body) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Once"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": {}}],
        },
    ]


# --- bodies that are no streams -------------------------------------------------------------------


BODY = {"id": "x", "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1}}


@pytest.mark.parametrize("before", [b"", b"\n ", b"\xef\xbb\xbf"])
def test_a_json_body_in_pieces_is_parsed_at_its_end(before: bytes) -> None:
    """A body that is read bit by bit need not be a stream; none of its pieces is a chunk."""
    data = before + json.dumps(BODY).encode()
    joiner = BodyJoiner(CHAT)
    counted = [joiner.add(data[at : at + 7]) for at in range(0, len(data), 7)]

    assert not any(counted)
    assert joiner.result().body == BODY
    assert joiner.result().output_bytes is None


def test_a_json_body_that_was_cut_has_only_its_length() -> None:
    """Then its tokens can be estimated."""
    answer = joined(CHAT, json.dumps(BODY).encode()[:20])

    assert answer.body is None
    assert answer.output_bytes == 20


@pytest.mark.parametrize("step", [5, 1000])
@pytest.mark.parametrize("kind", ["stream", "body"])
def test_a_compressed_body_that_is_read_raw_is_understood(kind: str, step: int) -> None:
    """Who reads below the client's decoding reads gzip."""
    stream = kind == "stream"
    data = gzip.compress(sse(*CHAT_STREAM) if stream else json.dumps(BODY).encode())
    answer = joined(CHAT, *(data[at : at + step] for at in range(0, len(data), step)))

    usage = CHAT.usage(answer.body)
    assert usage is not None
    assert usage.input_tokens == (5 if stream else 2)


def test_texts_and_other_bytes_are_chunks_too() -> None:
    """Some libraries decode what they give."""
    text = sse(*CHAT_STREAM).decode()
    joiner = BodyJoiner(CHAT)
    joiner.add(text[:50])
    joiner.add(bytearray(text[50:].encode()))  # type: ignore[arg-type]

    assert joiner.result().output_bytes == utf8_length(CHAT_TEXT)


def test_a_stream_without_its_last_line_end_is_whole() -> None:
    """Some servers close behind the data of the last event."""
    whole = sse(*CHAT_STREAM[:-1])

    assert joined(CHAT, whole.rstrip(b"\n")) == joined(CHAT, whole)


def test_a_stream_may_end_in_the_middle_of_an_event() -> None:
    """What is behind the stream's own end, or is no event, is not looked at."""
    begun = sse(*CHAT_STREAM[:2])

    assert joined(CHAT, begun, b"data: {").output_bytes == 4
    assert joined(CHAT, begun, b"event: x").output_bytes == 4
    assert joined(CHAT, begun, b"data:\n").output_bytes == 4
    assert joined(CHAT, begun + b"data: [DONE]\n\ndata: {}").output_bytes == 4


def test_compressed_bytes_that_are_broken_end_the_reading() -> None:
    """Nothing can be told of them, and nothing fails."""
    data = gzip.compress(sse(*CHAT_STREAM))

    assert joined(CHAT, data[:12], b"\xff" * 50).output_bytes == 0


def test_broken_json_in_an_event_is_passed_over() -> None:
    """Its text is measured as it was written."""
    answer = joined(
        CHAT,
        sse(chat_chunk({"role": "assistant"})),
        b'data: {"choices":[{"delta":{"content":"a\\uZZZZb"\n\n',
        b'data: {"choices":[{"delta":{"content":"never closed\n\n',
        b'data: {"error": {\n\n',
        sse(chat_chunk({}, "stop")),
    )

    assert answer.output_bytes == len("a\\uZZZZb") + len("never closed")
    assert CHAT.response(answer.body)["gen_ai.response.finish_reasons"] == ["stop"]


def test_nothing_at_all_is_an_empty_answer() -> None:
    """A stream that was never read."""
    assert BodyJoiner(CHAT).result() == Answer(output_bytes=0)


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that marks every event, and an endless body, do not fill the memory."""
    monkeypatch.setattr(stream_module, "_MOST_KEPT", 3)
    monkeypatch.setattr(stream_module, "_MOST_BYTES", 100)
    marked = BodyJoiner(CHAT)
    body = BodyJoiner(CHAT)
    content = BodyJoiner(CHAT, content=True)
    for _ in range(50):
        marked.add(sse(chat_chunk({"content": "a"}, "stop")))
        content.add(sse(chat_chunk({"content": "a"})))
        body.add(b'{"choices": [')

    assert len(marked._kept) == 3
    assert len(content._kept) <= 2
    assert body._held <= 113
    assert marked.result().output_bytes == 50
