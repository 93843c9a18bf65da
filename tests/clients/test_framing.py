"""How streams are framed: server-sent events, JSON lines, a JSON array in pieces."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.clients.wire import lines, recognise
from flowspan.instrumentation.clients.wire import stream as stream_module
from flowspan.instrumentation.clients.wire.lines import LineSplitter
from flowspan.instrumentation.clients.wire.openai_chat import CHAT
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.clients.wire.shape import Answer, Marks
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in


def _fold(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The newest value of every member, but texts one behind the other."""
    body: dict[str, Any] = {}
    for event in events:
        said = body.get("content", "") + str(event.get("content", ""))
        body |= {**event, "content": said}
    return body


FRAMED = dataclasses.replace(
    CHAT,
    marks=Marks(text=("content",), flags=("done",)),
    fold=_fold,
    output=lambda body: body.get("content"),
    lines=True,
    array=True,
)
EVENTS: list[dict[str, Any]] = [
    {"model": "m", "content": "Zwölf ", "done": False},
    {"model": "m", "content": "Box\n", "done": False},
    {"model": "m", "content": "", "done": True, "count": 7},
]
TEXT = "Zwölf Box\n"


def in_lines(*events: Any, spaced: bool = False) -> bytes:
    separators = None if spaced else (",", ":")
    return b"".join(
        json.dumps(event, separators=separators, ensure_ascii=False).encode() + b"\n"
        for event in events
    )


def in_events(*events: Any) -> bytes:
    return b"".join(b"data: " + in_lines(event) + b"\n" for event in events)


def in_array(*events: Any) -> bytes:
    written = ",\r\n".join(json.dumps(event, indent=2, ensure_ascii=False) for event in events)
    return f"[{written}\n]".encode()


FRAMINGS = {"lines": in_lines, "events": in_events, "array": in_array}


def joined(*chunks: bytes, content: bool = True) -> Answer:
    joiner = BodyJoiner(FRAMED, content=content)
    for chunk in chunks:
        joiner.add(chunk)
    return joiner.result()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_gives_the_same_answer(framing: str) -> None:
    """What a stream says does not depend on how it is framed."""
    answer = joined(FRAMINGS[framing](*EVENTS))

    assert answer.body == {"model": "m", "content": TEXT, "done": True, "count": 7}
    assert answer.error is None


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("wanted", ["content", "numbers"])
def test_a_cut_between_any_two_bytes_gives_the_same_answer(framing: str, wanted: str) -> None:
    """Inside a character, a number, a line's end: the network cuts anywhere."""
    stream = FRAMINGS[framing](*EVENTS)
    whole = joined(stream, content=wanted == "content")

    cut = [
        joined(stream[:at], stream[at:], content=wanted == "content")
        for at in range(len(stream) + 1)
    ]
    single = joined(
        *(stream[at : at + 1] for at in range(len(stream))), content=wanted == "content"
    )

    assert whole.body["count"] == 7
    assert all(answer == whole for answer in [*cut, single])


@pytest.mark.parametrize("form", ["dense", "spaced"])
@pytest.mark.parametrize("wanted", ["content", "numbers"])
def test_lines_are_measured_and_say_themselves_that_they_are_over(form: str, wanted: str) -> None:
    """A chunk of text takes the short way, and the flag of the last line ends the stream."""
    joiner = BodyJoiner(FRAMED, content=wanted == "content")

    counted = [joiner.add(in_lines(event, spaced=form == "spaced")) for event in EVENTS[:2]]
    before = joiner.complete
    joiner.add(in_lines(EVENTS[2], spaced=form == "spaced"))

    assert counted == [True, True]
    assert not before
    assert joiner.complete
    assert joiner.result().output_bytes == len(TEXT.encode())
    assert joiner.result().body["count"] == 7


def test_a_flag_inside_a_value_does_not_end_a_stream() -> None:
    """Only that of the event itself does."""
    joiner = BodyJoiner(FRAMED)

    joiner.add(in_lines(EVENTS[0], {"content": "", "arguments": {"done": True}}, EVENTS[1]))

    assert not joiner.complete
    assert joiner.result().output_bytes == len(TEXT.encode())


@pytest.mark.parametrize("indent", [None, 2])
def test_a_body_of_one_value_is_a_body(indent: int | None) -> None:
    """Whether it is written on one line, with or without an end, or on many."""
    body = {**EVENTS[0], "more": {"a": [1]}}
    written = json.dumps(body, indent=indent).encode()

    for data in (written, written + b"\n"):
        joiner = BodyJoiner(FRAMED)
        joiner.add(data[:20])
        before = joiner.complete
        joiner.add(data[20:])

        assert not before
        assert joiner.result().body == body
        assert indent is None or joiner.complete


def test_an_array_that_was_cut_has_the_events_that_arrived() -> None:
    """Down to the last one that is whole."""
    stream = in_array(*EVENTS)
    cut = stream[: stream.index(b'"count"')]

    joiner = BodyJoiner(FRAMED)
    first = joiner.add(cut)

    assert first
    assert not joiner.complete
    assert joiner.result().body == {"model": "m", "content": TEXT, "done": False}


def test_elements_that_are_no_objects_are_passed_over() -> None:
    """Also where the array is cut or deeper than Python goes."""
    assert joined(b'[1, "a", {"content": "x"}, null]').body == {"content": "x"}
    assert joined(b'["a", {"content": "x"}, [], {').body == {"content": "x"}
    assert joined(b"[" * 100_000).body == {}


def test_a_stream_read_at_once_is_understood() -> None:
    """Programs that do not want the pieces read the whole body."""
    for framing in FRAMINGS.values():
        answer = answer_in(FRAMED, framing(*EVENTS), status=200)
        assert (answer.body["count"], answer.status) == (7, 200)

    assert answer_in(FRAMED, None, status=500) == Answer(None, output_bytes=0, status=500)


PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_read_below_the_decoding_is_unpacked(framing: str, packing: str) -> None:
    """Raw bytes are compressed."""
    packed = PACKED[packing](FRAMINGS[framing](*EVENTS))

    answer = joined(*(packed[at : at + 1] for at in range(len(packed))))

    assert answer.body["content"] == TEXT


def test_compressed_bytes_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is not unpacked."""
    monkeypatch.setattr(stream_module, "_MOST_INFLATED", 1000)
    packed = gzip.compress(in_lines({"content": "x" * 100_000, "done": True}))

    assert joined(packed).body is None


def test_a_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends a line does not fill the memory."""
    monkeypatch.setattr(lines, "MOST_LINE", 100)
    splitter = LineSplitter()

    for _ in range(50):
        splitter.feed(b"x" * 50)

    assert sum(map(len, splitter.flush())) <= 150


@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"{", b"[", b"}\n", b"\x1f", b"\x78", b'"a":1']),
        max_size=9,
    )
)
def test_no_bytes_make_it_fail(chunks: list[bytes]) -> None:
    """What comes over the network may be anything, and is the same however it was cut."""
    whole = joined(b"".join(chunks))

    assert joined(*chunks) == whole


# --- requests -------------------------------------------------------------------------------------


def test_a_format_may_name_the_model_and_ask_for_a_stream_in_its_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The body need not say either."""
    verb = dataclasses.replace(
        CHAT,
        paths=(":generate", ":stream"),
        matches=lambda body: "contents" in body,
        model=lambda path, _body: path.rpartition("/")[2].partition(":")[0] or None,
        streams=lambda path, _body: path.endswith(":stream"),
    )
    monkeypatch.setattr(recognise, "_BY_PATH", tuple((path, verb) for path in verb.paths))

    def seen(path: str) -> Any:
        body = b'{"contents": []}'
        return recognise.recognise(Request(Place("h.example", 443), path, body, {}))

    assert (seen("/v1/models/m-1:generate").model, seen("/v1/models/m-1:generate").stream) == (
        "m-1",
        False,
    )
    assert seen("/v1/models/m-1:stream").stream
    assert seen("/v1/models/:stream") is None
