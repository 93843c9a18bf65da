"""Exceptions are described once, briefly, without secrets, and without touching the program."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.stacktraces import stacktrace
from flowspan.testing import Recording, record

ROWS = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="toyengine:Engine.node", kind="node", name="node"),
        Patch(target="toyengine:Engine.fail", kind="internal"),
    ),
)


def told(recording: Recording, name: str) -> dict[str, Any]:
    span = next(span for span in recording.spans if span.name == name)
    (event,) = span.events
    return dict(event.attributes or {})


def failed(toy: ModuleType, error: BaseException) -> dict[str, Any]:
    with record(ROWS) as recording:
        with pytest.raises(type(error)):
            toy.Engine().fail(error)
        return told(recording, "Engine.fail")


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_the_stack_is_what_python_would_print() -> None:
    import traceback  # noqa: PLC0415

    for error in (
        raised(LookupError("lost")),
        raised(LookupError("lost"), raised(KeyError("k"))),
        raised(LookupError(), None),
    ):
        expected = "".join(traceback.format_exception(error))
        assert stacktrace(error) == expected


def test_what_an_exception_came_from_is_told() -> None:
    def handle() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise LookupError("second")  # noqa: B904 - the context is the point

    with pytest.raises(LookupError) as caught:
        handle()
    text = stacktrace(caught.value)
    assert text.index("KeyError: 'first'") < text.index("During handling of the above")
    assert text.endswith("LookupError: second\n")


def test_a_group_tells_what_is_in_it() -> None:
    group = ExceptionGroup("two of them", [ValueError("a"), KeyError("b")])
    assert stacktrace(group) == (
        "ExceptionGroup: two of them (2 sub-exceptions)\n  | ValueError: a\n  | KeyError: 'b'\n"
    )


def test_causes_in_a_circle_come_to_an_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert stacktrace(first).count("ValueError: ") == 2


def test_a_huge_message_is_cut_before_it_is_looked_at(toy: ModuleType) -> None:
    started = time.perf_counter()
    attributes = failed(toy, ValueError("password=" * 2_000_000))
    assert time.perf_counter() - started < 2
    assert len(attributes["exception.message"]) < 1_100
    assert len(attributes["exception.stacktrace"]) <= 8_000


def test_no_object_of_the_programs_is_asked_for_its_attributes(toy: ModuleType) -> None:
    asked = []

    class Remote:
        def __dir__(self) -> list[str]:
            asked.append("a question over the network")
            return []

    with record(ROWS), pytest.raises(AttributeError):
        toy.Engine().run(1, lambda _: Remote().colour)  # type: ignore[attr-defined]
    assert asked == []


def test_an_exception_is_left_as_it_was(toy: ModuleType) -> None:
    cause = KeyError("cause")
    error = LookupError("mine")
    error.__cause__ = cause
    error.add_note("a note")
    with record(ROWS), pytest.raises(LookupError) as caught:
        toy.Engine().run(1, lambda _: toy.Engine().fail(error))
    assert caught.value is error
    assert (error.__cause__, error.__context__, error.__notes__) == (cause, None, ["a note"])


def test_an_error_where_another_one_was_is_a_new_one(toy: ModuleType) -> None:
    """Python gives the address of an exception that is gone to another one."""

    def first(_: int) -> None:
        raise LookupError("first")

    def retry(_: int) -> None:
        gone = 0
        try:
            toy.Engine().node(0, first)
        except LookupError as error:
            gone = id(error)
        others = []
        for _attempt in range(1000):
            others.append(LookupError("second"))
            if id(others[-1]) == gone:
                raise others.pop()
        raise AssertionError("the first exception is still there")

    gc.disable()
    try:
        with record(ROWS) as recording, pytest.raises(LookupError, match="second"):
            toy.Engine().run(1, retry)
    finally:
        gc.enable()
    assert (recording.spans[0].attributes or {})["flowspan.rollup.errors"] == 2
    assert "second" in told(recording, "run_step node")["exception.stacktrace"]


def test_an_error_that_comes_back_from_a_pool_is_the_same_one(toy: ModuleType) -> None:
    from opentelemetry import context  # noqa: PLC0415

    def in_pool(_: int) -> None:
        around = context.get_current()

        def work() -> None:
            token = context.attach(around)
            try:
                toy.Engine().fail(LookupError("in a thread"))
            finally:
                context.detach(token)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()

    with record(ROWS) as recording:
        with pytest.raises(LookupError):
            toy.Engine().run(1, in_pool)
        assert (recording.spans[0].attributes or {})["flowspan.rollup.errors"] == 1
        assert "exception.stacktrace" not in told(recording, "run_step node")
