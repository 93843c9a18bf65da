"""Functions that functions make: calls of what is made are calls of the row."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import Recording, record


class Factory:
    """Makes functions, as libraries' decorators do."""

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def made(name: str) -> Any:
            """What is made."""
            return function(name)

        return made

    def later(self) -> Callable[..., Any]:
        async def made(name: str) -> str:
            await asyncio.sleep(0)
            return name

        return made

    def nothing(self) -> Any:
        return None


ROWS = Integration(
    "factory",
    "",
    tuple(
        Patch(
            target=f"{__name__}:Factory.{method}",
            role="make",
            kind="node",
            request=lambda call: {semconv.STEP_NAME: call.argument("name", 0)},
        )
        for method in ("plain", "later", "nothing")
    ),
)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(ROWS) as recording:
        yield recording


def test_calls_of_what_is_made_are_seen(recording: Recording) -> None:
    """Plain functions and coroutine functions alike; making them is no call."""
    made = Factory().plain(str.upper)
    later = Factory().later()
    assert not recording.spans

    assert made("one") == "ONE"
    assert asyncio.run(later(name="two")) == "two"
    assert [span.name for span in recording.spans] == ["run_step one", "run_step two"]


def test_what_is_made_looks_as_it_did(recording: Recording) -> None:
    """It is a function, of the same kind and name; what is no function is given as it is."""
    made, later = Factory().plain(str.upper), Factory().later()

    assert inspect.isfunction(made)
    assert made.__name__ == "made"
    assert made.__doc__ == "What is made."
    assert inspect.iscoroutinefunction(later)
    assert asyncio.iscoroutinefunction(later)
    assert Factory().nothing() is None
    assert not recording.spans


def test_a_failure_passes(recording: Recording) -> None:
    """As it was raised, and as the span's."""
    with pytest.raises(ZeroDivisionError):
        Factory().plain(lambda _: 1 // 0)("bad")

    assert (recording.spans.one().attributes or {})[semconv.ERROR_TYPE] == "ZeroDivisionError"


def test_afterwards_it_is_not_seen_any_more() -> None:
    """What was made during a recording goes on working when that is over."""
    with record(ROWS) as recording:
        made = Factory().plain(str.upper)
    assert made("one") == "ONE"
    assert not recording.spans
