"""Type checkers see what was decorated, unchanged; ``make types`` reads this file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, assert_type

import pytest

import flowspan


@flowspan.node
def bare(one: int, *, other: str = "x") -> list[int]:
    return [one]


@flowspan.node("{one}", id="k", topic="tea")
def named(one: int) -> str:
    return str(one)


@flowspan.tool
async def coroutine(one: int) -> int:
    return one


@flowspan.step()
def generator() -> Iterator[int]:
    yield 1


@flowspan.agent
async def async_generator() -> AsyncIterator[int]:
    yield 1


@flowspan.agent
class Worker:
    def __init__(self, name: str) -> None:
        self.name = name

    def run(self) -> int:
        return 1

    @flowspan.tool("look")
    def look(self, key: str) -> bytes:
        return key.encode()

    @staticmethod
    @flowspan.tool
    def free(key: str) -> str:
        return key


@flowspan.prompt("p", version="1")
def prompted(topic: str) -> str:
    return topic


def test_signatures_are_kept() -> None:
    assert_type(bare(1, other="x"), list[int])
    assert_type(named(1), str)
    assert_type(asyncio.run(coroutine(1)), int)
    assert_type(generator(), Iterator[int])
    assert_type(async_generator(), AsyncIterator[int])
    assert_type(Worker("w").run(), int)
    assert_type(Worker("w").look("k"), bytes)
    assert_type(Worker.free("k"), str)
    assert_type(prompted("t"), str)
    taken: Callable[[int], Coroutine[Any, Any, int]] = coroutine
    assert taken is coroutine


def test_wrong_calls_are_seen() -> None:
    with pytest.raises(TypeError):
        bare(1, another="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Worker()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        named()  # type: ignore[call-arg]


def test_blocks_give_a_handle() -> None:
    with flowspan.run("r") as span:
        assert_type(span, flowspan.Handle)
    with flowspan.prompt("p") as inside:
        assert_type(inside, flowspan.Handle)
    assert_type(flowspan.current(), flowspan.Handle)
