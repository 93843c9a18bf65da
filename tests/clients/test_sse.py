"""Server-sent events, wherever the network cut them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.clients.wire.sse import EventSplitter


def split(*chunks: bytes) -> list[bytes]:
    splitter = EventSplitter()
    found = [event for chunk in chunks for event in splitter.feed(chunk)]
    return found + splitter.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data: first\ndata: second\n\n", [b"first\nsecond"]),
        (b"event: delta\nid: 7\nretry: 9\ndata: x\n\n", [b"x"]),
        (b": a comment\n\n: another\ndata: x\n\n", [b"x"]),
        (b"data:no space\n\n", [b"no space"]),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"data\n\n", [b""]),
        (b"data:\n\n", [b""]),
        (b"datatype: x\n\n", []),
        (b"\n\n\n", []),
        (b"", []),
        (b"\xef\xbb\xbfdata: behind a mark\n\n", [b"behind a mark"]),
        (b"data: without an end", [b"without an end"]),
        (b"data: without a blank line\n", [b"without a blank line"]),
    ],
)
def test_events_are_split_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    """Line ends, several data lines, comments, other fields and a missing end."""
    assert events == split(stream)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_cut_between_any_two_bytes_changes_nothing(newline: bytes) -> None:
    """Every boundary gives the same events, those inside CRLF and inside a character included."""
    stream = "data: één\n: no\ndata: two\n\nevent: x\ndata: {}\n\n".encode().replace(b"\n", newline)
    whole = split(stream)

    cut = [split(stream[:at], stream[at:]) for at in range(len(stream) + 1)]
    single = split(*(stream[at : at + 1] for at in range(len(stream))))

    assert len(whole) == 2
    assert all(events == whole for events in cut)
    assert single == whole


lines = st.sampled_from(
    [b"data: a", b"data: b", b"data:", b"data", b": c", b"event: e", b"", b"x", "data: ü".encode()]
)


@given(
    st.lists(lines, max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 120), max_size=6),
)
def test_the_events_do_not_depend_on_how_the_stream_was_cut(
    content: list[bytes], newline: bytes, cuts: list[int]
) -> None:
    """Any stream, cut anywhere, gives the events that it gives in one piece."""
    stream = newline.join(content) + newline
    places = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})

    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert split(*pieces) == split(stream)


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_no_bytes_make_it_fail(chunks: list[bytes]) -> None:
    """What comes over the network may be anything."""
    assert isinstance(split(*chunks), list)


def test_it_knows_when_part_of_an_event_is_waiting() -> None:
    """``pending`` tells whether the next bytes belong to an event that has begun."""
    splitter = EventSplitter()

    assert not splitter.pending
    splitter.feed(b"data: x\n")
    assert splitter.pending
    splitter.feed(b"\n")
    assert not splitter.pending
    splitter.feed(b"\r")
    assert splitter.pending
