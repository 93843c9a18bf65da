"""A streamed result ends its call exactly once, however it ends, and stays what it was."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowspan.instrumentation import streams
from flowspan.instrumentation.integration import Call, Integration, Patch
from flowspan.instrumentation.invocation import Invocation
from flowspan.testing import Recording, record
from flowspan.usage import Usage


class Joiner:
    def __init__(self, _: Call) -> None:
        self.text = ""
        self.complete = False

    def add(self, chunk: Any) -> bool | None:
        if chunk == "ping":
            return False
        if chunk == "[DONE]":
            self.complete = True
        else:
            self.text += chunk
        return None

    def result(self) -> Any:
        return {"text": self.text}


def _usage(_: Call, result: Any) -> Usage:
    return Usage(input_tokens=1, output_tokens=len(result["text"]))


STREAM = Patch(
    target="toyengine:Model.stream",
    kind="llm",
    name="toy-1",
    join=Joiner,
    lazy=lambda _call, result: result,
    usage=_usage,
)
INTEGRATION = Integration(
    "toy",
    "",
    (
        STREAM,
        Patch(target="toyengine:Stream.__iter__", role="iterate"),
        Patch(target="toyengine:Stream.__aiter__", role="iterate"),
        Patch(target="toyengine:Stream.take", role="next"),
        Patch(target="toyengine:Stream.atake", role="next"),
        Patch(target="toyengine:Stream.close", role="close"),
    ),
)


def ended(recording: Recording) -> dict[str, Any]:
    span = recording.spans.one()
    return {**(span.attributes or {}), "status": span.status.status_code.name}


def test_a_drained_stream_has_its_tokens_and_is_the_object_that_the_program_made(
    toy: ModuleType,
) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab", "c"])

        assert type(stream) is toy.Stream
        assert vars(stream).keys() == {"chunks", "was_closed"}
        assert list(stream) == ["ab", "c"]
        attributes = ended(recording)
        assert attributes["gen_ai.usage.output_tokens"] == 3
        assert attributes["gen_ai.response.time_to_first_chunk"] > 0
        assert "flowspan.stream.abandoned" not in attributes


def test_nothing_is_ended_before_the_stream_is(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab", "c"])
        iterator = iter(stream)
        next(iterator)
        assert len(recording.spans) == 0

        next(iterator, None)
        next(iterator, None)
        assert len(recording.spans) == 1


@pytest.mark.parametrize("how", ["break", "close", "with", "drop", "never", "next-drop"])
def test_a_stream_that_ends_early_is_settled_from_what_arrived(toy: ModuleType, how: str) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab", "c", "d"])
        if how == "break":
            for _ in stream:
                break
        elif how == "close":
            next(iter(stream))
            stream.close()
        elif how == "with":
            with stream:
                next(iter(stream))
        elif how == "drop":
            next(iter(stream))
        elif how == "next-drop":
            stream.take()
        del stream
        gc.collect()

        attributes = ended(recording)
        assert attributes["flowspan.stream.abandoned"] is True
        assert attributes["gen_ai.usage.output_tokens"] == (0 if how == "never" else 2)
        assert attributes["status"] == "UNSET"


def test_a_stream_closed_after_it_said_that_it_is_over_was_not_abandoned(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab", "[DONE]", "never read"])
        stream.take()
        stream.take()
        stream.close()

        assert "flowspan.stream.abandoned" not in ended(recording)


def test_a_stream_that_is_cut_is_an_error_with_the_tokens_that_arrived(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        with pytest.raises(ConnectionError):
            list(toy.Model().stream(["ab", ConnectionError("cut")]))

        attributes = ended(recording)
        assert attributes["error.type"] == "ConnectionError"
        assert attributes["status"] == "ERROR"
        assert attributes["gen_ai.usage.output_tokens"] == 2


def test_an_exception_in_the_callers_with_block_is_the_calls_error(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        with pytest.raises(LookupError), toy.Model().stream(["ab", "c"]) as stream:
            stream.take()
            raise LookupError

        assert ended(recording)["error.type"] == "LookupError"


def test_closing_inside_an_except_block_of_something_else_is_no_error(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        try:
            raise LookupError
        except LookupError:
            stream = toy.Model().stream(["ab", "c"])
            stream.take()
            stream.close()

        assert ended(recording)["status"] == "UNSET"


def test_a_chunk_without_an_answer_is_not_the_first(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ping", "ab"])
        stream.take()
        observation = streams.find(stream)
        assert observation is not None
        assert isinstance(observation.invocation, Invocation)
        known = observation.invocation.attributes
        assert "gen_ai.response.time_to_first_chunk" not in known
        stream.take()
        assert "gen_ai.response.time_to_first_chunk" in known
        stream.close()
        assert len(recording.spans) == 1


async def test_async_streams_end_as_sync_ones(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        assert [chunk async for chunk in toy.Model().stream(["ab", "c"])] == ["ab", "c"]
        stream = toy.Model().stream(["ab"])
        assert await stream.atake() == "ab"
        with pytest.raises(StopAsyncIteration):
            await stream.atake()
        with pytest.raises(ConnectionError):
            await toy.Model().stream([ConnectionError()]).atake()

        spans = recording.spans
        assert len(spans) == 3
        assert spans.total("gen_ai.usage.output_tokens") == 5
        assert spans[2].status.status_code.name == "ERROR"


def test_a_stream_may_be_read_in_another_thread(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab", "c"])
        thread = threading.Thread(target=lambda: list(stream))
        thread.start()
        thread.join()

        assert ended(recording)["gen_ai.usage.output_tokens"] == 3


def test_a_broken_joiner_never_reaches_the_program(toy: ModuleType) -> None:
    class Broken(Joiner):
        def add(self, chunk: Any) -> bool | None:
            raise RuntimeError

        def result(self) -> Any:
            raise RuntimeError

    import dataclasses  # noqa: PLC0415

    broken = dataclasses.replace(STREAM, join=Broken)
    integration = Integration("toy", "", (broken, *INTEGRATION.patches[1:]))
    with record(integration, strict=False) as recording:
        assert list(toy.Model().stream(["ab", "c"])) == ["ab", "c"]
        assert len(recording.spans) == 1


def test_open_streams_end_when_recording_stops(toy: ModuleType) -> None:
    with record(INTEGRATION) as recording:
        stream = toy.Model().stream(["ab"])
        stream.take()
    assert ended(recording)["flowspan.stream.abandoned"] is True


@pytest.fixture
def _a_small_heap() -> Iterator[None]:
    """Collections look at what the test makes, not at every library that others have imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_a_small_heap")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.sampled_from(["a", "bc", "ping", "[DONE]"]), max_size=5),
    steps=st.lists(st.sampled_from(["take", "iter", "list", "close", "drop"]), max_size=6),
)
def test_whatever_is_done_to_a_stream_its_call_ends_once(
    toy: ModuleType, chunks: list[str], steps: list[str]
) -> None:
    def behaviour() -> list[Any]:
        stream = toy.Model().stream(list(chunks))
        seen: list[Any] = []
        for step in steps:
            if stream is None:
                break
            try:
                if step == "take":
                    seen.append(stream.take())
                elif step == "iter":
                    seen.append(next(iter(stream)))
                elif step == "list":
                    seen.append(list(stream))
                elif step == "close":
                    seen.append(stream.close())
                else:
                    stream = None
            except StopIteration:
                seen.append("stop")
        return seen

    expected = behaviour()
    with record(INTEGRATION) as recording:
        assert behaviour() == expected
        gc.collect()
        assert len(recording.spans) == 1


def test_objects_without_weak_references_end_their_call_at_once(toy: ModuleType) -> None:
    lazy = Patch(target="toyengine:helper", kind="node", lazy=lambda _call, result: result)
    with record(Integration("toy", "", (lazy,))) as recording:
        toy.helper(1)
        assert len(recording.spans) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_no_part_in_its_parents_streams() -> None:
    program = textwrap.dedent("""
        import os, sys
        sys.path.insert(0, sys.argv[1])
        from flowspan.instrumentation import streams
        class Subject: pass
        subject = Subject()
        class Invocation:
            class site:
                class patch: join = None
            def abandon(self, partial): os.write(1, b"ended ")
        streams.observe(subject, Invocation())
        if os.fork() == 0:
            assert streams.find(subject) is None
            del subject
            streams.end_open()
            os._exit(0)
        os.wait()
        del subject
        streams.settle()
    """)
    result = subprocess.run(
        [sys.executable, "-c", program, "."], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout == "ended "
