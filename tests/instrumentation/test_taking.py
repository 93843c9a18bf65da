"""Bodies that are read as files are, and connections whose answer is another object."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from flowspan.instrumentation.integration import Call, Integration, Observed, Patch
from flowspan.testing import Recording, record
from flowspan.usage import Usage


class IncompleteError(Exception):
    def __init__(self, partial: bytes) -> None:
        super().__init__("cut")
        self.partial = partial


class Source:
    """What a response reads from; takes no weak references, as some streams do not."""

    __slots__ = ("data", "error")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.error: Exception | None = None

    async def readany(self) -> bytes:
        if self.error is not None:
            raise self.error
        taken, self.data = self.data[:2], self.data[2:]
        return taken

    async def read(self) -> bytes:
        pieces = []
        while piece := await self.readany():
            pieces.append(piece)
        return b"".join(pieces)


class Response:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.source = Source(data)
        self.error: Exception | None = None

    def read(self, amount: int = -1) -> bytes:
        if self.error is not None:
            raise self.error
        amount = len(self.data) if amount < 0 else amount
        taken, self.data = self.data[:amount], self.data[amount:]
        if not self.data:
            self.close()  # as responses do that give their connection back
        return taken

    def readline(self) -> bytes:
        line = b""
        while (byte := self.read(1)) and byte != b"\n":
            line += byte
        return line

    def close(self) -> None:
        pass


class Outer:
    """A response around another one, by which it may be read as well."""

    def __init__(self, data: bytes) -> None:
        self.raw = Response(data)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.raw.read(2):
            yield piece


class Connection:
    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.error: Exception | None = None

    def request(self) -> None:
        pass

    def answer(self) -> Any:
        if self.error is not None:
            raise self.error
        return Response(self.data) if self.data else None

    def close(self) -> None:
        pass


def call(kind: Any, data: bytes) -> Any:
    return kind(data)


class Joiner:
    def __init__(self, _: Call) -> None:
        self.data = b""

    def add(self, chunk: bytes) -> None:
        self.data += chunk

    def result(self) -> bytes:
        return self.data


def _observed(_call: Call, result: Any) -> Any:
    if isinstance(result, Outer):
        return Observed(result.raw, others=(result,))
    return Observed(result, members=("source",))


def _taken(call: Call, result: bytes) -> tuple[bytes, bool]:
    return result, not result or not call.instance.data


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    body = ModuleType("toybody")
    vars(body).update(
        Response=Response, Source=Source, Outer=Outer, Connection=Connection, call=call
    )
    monkeypatch.setitem(sys.modules, "toybody", body)
    shared: dict[str, Any] = {
        "kind": "llm",
        "name": "toy-1",
        "join": Joiner,
        "usage": lambda _call, result: Usage(output_tokens=len(result or b"")),
    }
    rows = (
        Patch(target="toybody:call", lazy=_observed, **shared),
        Patch(
            target="toybody:Connection.request",
            lazy=lambda call, _result: call.instance,
            **shared,
        ),
        Patch(
            target="toybody:Connection.answer",
            role="hand",
            lazy=lambda _call, result: result,
        ),
        Patch(target="toybody:Connection.close", role="close"),
        Patch(target="toybody:Response.read", role="take", taken=_taken),
        Patch(target="toybody:Response.readline", role="take"),
        Patch(target="toybody:Response.close", role="close"),
        Patch(target="toybody:Source.read", role="take"),
        Patch(target="toybody:Source.readany", role="take"),
        Patch(target="toybody:Outer.__iter__", role="read"),
    )
    with record(Integration("toy", "", rows)) as recording:
        yield recording


def ended(recording: Recording) -> tuple[int, bool]:
    """Bytes counted, and whether the end was early."""
    known = dict(recording.spans.one().attributes or {})
    count = known.get("gen_ai.usage.output_tokens")
    assert isinstance(count, int)
    return count, "flowspan.stream.abandoned" in known


def opened(kind: Any, data: bytes) -> Any:
    return sys.modules["toybody"].call(kind, data)


def test_a_body_read_in_pieces_ends_with_its_last_piece(recording: Recording) -> None:
    """The row tells that nothing is left; that the response closes itself is no early end."""
    response = opened(Response, b"abcde")

    assert [response.read(2), response.read(2)] == [b"ab", b"cd"]
    assert len(recording.spans) == 0
    assert response.read(2) == b"e"
    assert ended(recording) == (5, False)


def test_of_methods_that_call_each_other_the_innermost_is_counted(recording: Recording) -> None:
    """Each byte once."""
    response = opened(Response, b"ab\ncd\n")

    assert [response.readline(), response.readline()] == [b"ab", b"cd"]
    assert ended(recording) == (6, False)


async def test_a_coroutine_is_seen_when_it_is_awaited(recording: Recording) -> None:
    """Through an object that takes no weak references, too."""
    response = opened(Response, b"abcde")

    reading = response.source.read()
    assert reading.__qualname__ == "Source.read"
    assert await reading == b"abcde"
    assert ended(recording) == (5, False)


def test_what_is_read_through_another_object_is_counted_once(recording: Recording) -> None:
    """Whether the program reads the outer object or the one inside."""
    outer = opened(Outer, b"abcde")

    assert next(iter(outer)) == b"ab"
    assert outer.raw.read() == b"cde"
    assert ended(recording) == (5, False)


def test_the_inner_object_may_outlive_the_outer_one(recording: Recording) -> None:
    """Many programs keep only the raw response."""
    raw = opened(Outer, b"abc").raw
    gc.collect()

    assert raw.read(1) == b"a"
    assert len(recording.spans) == 0
    del raw
    gc.collect()
    assert len(recording.spans) == 1
    assert ended(recording) == (1, True)


def test_a_body_that_is_closed_early_was_abandoned(recording: Recording) -> None:
    """Not an error."""
    response = opened(Response, b"abc")

    response.read(1)
    response.close()

    assert ended(recording) == (1, True)


def test_what_had_arrived_before_an_error_is_counted(recording: Recording) -> None:
    """An exception may carry it."""
    response = opened(Response, b"abc")
    response.read(1)
    response.error = IncompleteError(b"b")

    with pytest.raises(IncompleteError):
        response.read()

    assert ended(recording) == (2, False)
    assert recording.spans.one().status.status_code is StatusCode.ERROR


async def test_a_failure_in_a_coroutine_is_the_calls(recording: Recording) -> None:
    """What had been read stays read, and the exception is the program's."""
    response = opened(Response, b"abc")
    await response.source.readany()
    response.source.error = ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        await response.source.read()

    assert ended(recording) == (2, False)
    assert recording.spans.one().status.status_code is StatusCode.ERROR


async def test_a_cancelled_read_ends_the_call(recording: Recording) -> None:
    """As every cancellation does."""
    response = opened(Response, b"abc")
    response.source.error = asyncio.CancelledError()

    with pytest.raises(asyncio.CancelledError):
        await response.source.read()

    assert len(recording.spans) == 1


def test_a_connections_answer_is_observed_in_its_place(recording: Recording) -> None:
    """One call from the request to the last byte; closing the connection is nothing any more."""
    connection = sys.modules["toybody"].Connection(b"abc")
    connection.request()
    assert len(recording.spans) == 0

    response = connection.answer()
    connection.close()
    del connection
    gc.collect()

    assert len(recording.spans) == 0
    assert response.read() == b"abc"
    assert ended(recording) == (3, False)


def test_an_answer_with_nothing_to_come_ends_the_call(recording: Recording) -> None:
    """What the row does not want observed is the whole result."""
    connection = sys.modules["toybody"].Connection()
    connection.request()

    assert connection.answer() is None
    assert ended(recording) == (0, False)


@pytest.mark.parametrize("how", ["close", "drop", "fail"])
def test_a_connection_that_never_answers_ends_the_call(recording: Recording, how: str) -> None:
    """Closed, dropped or failed before its answer."""
    connection = sys.modules["toybody"].Connection(b"abc")
    connection.request()

    if how == "close":
        connection.close()
    elif how == "drop":
        del connection
        gc.collect()
    else:
        connection.error = ValueError("reset")
        with pytest.raises(ValueError, match="reset"):
            connection.answer()

    assert len(recording.spans) == 1
    failed = recording.spans.one().status.status_code is StatusCode.ERROR
    assert failed is (how == "fail")


def test_objects_that_nobody_observes_are_left_alone(recording: Recording) -> None:
    """Their methods do what they always did."""
    response, connection = Response(b"abc"), Connection(b"abc")

    assert response.read() == b"abc"
    assert connection.answer().readline() == b"abc"
    assert len(recording.spans) == 0
