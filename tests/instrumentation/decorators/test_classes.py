"""A decorated class: the method that does its work is seen, and the class is the class."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import flowspan
from flowspan import semconv
from flowspan.testing import record


def seen(function: Any) -> Any:
    with record() as recording:
        function()
    return recording.spans


def test_the_first_of_the_known_methods_that_the_class_defines_is_the_one() -> None:
    @flowspan.agent
    class Writer:
        def execute(self) -> str:
            return self.forward()

        def forward(self) -> str:
            return "x"

    assert Writer().execute() == "x"
    assert seen(lambda: (Writer().execute(), Writer().forward())).tree() == "invoke_agent Writer"


@pytest.mark.parametrize("method", ["__call__", "run", "execute", "forward", "invoke"])
def test_each_of_them_will_do(method: str) -> None:
    owner = flowspan.node(type("Owner", (), {method: lambda self, value: value}))

    assert seen(lambda: getattr(owner(), method)(1)).tree() == "run_step Owner"


def test_the_class_s_own_methods_come_before_inherited_ones() -> None:
    class Base:
        def __call__(self) -> None:
            raise AssertionError

    @flowspan.node
    class Own(Base):
        def run(self) -> Any: ...

    @flowspan.node
    class Inherits(Base):
        def __call__(self) -> None:
            return None

    assert seen(lambda: (Own().run(), Inherits()())).tree() == "run_step Own\nrun_step Inherits"


def test_an_inherited_method_is_seen_in_this_class_alone() -> None:
    class Base:
        def run(self) -> str:
            return type(self).__name__

    @flowspan.node
    class Left(Base): ...

    class Right(Base): ...

    assert seen(lambda: (Left().run(), Right().run(), Base().run())).tree() == "run_step Left"


def test_a_subclass_has_its_own_name_and_is_one_span_where_both_are_decorated() -> None:
    @flowspan.node
    class Base:
        def run(self) -> Any: ...

    class Quiet(Base): ...

    @flowspan.node
    class Loud(Base): ...

    assert seen(lambda: (Quiet().run(), Loud().run())).tree() == "run_step Quiet\nrun_step Loud"


def test_a_subclass_that_asks_its_base_is_a_span_inside_a_span() -> None:
    @flowspan.node
    class Base:
        def run(self) -> Any: ...

    @flowspan.node
    class Sub(Base):
        def run(self) -> None:
            super().run()

    assert seen(lambda: Sub().run()).tree() == "run_step Sub\n  run_step Sub"


def test_the_methods_may_be_named() -> None:
    @flowspan.tool("{self.name}", method=("think", "athink"), topic="{topic}")
    class Thinker:
        name = "thinker"

        def run(self) -> Any: ...

        def think(self, topic: str) -> None: ...

        async def athink(self, topic: str) -> None: ...

    def use() -> None:
        Thinker().run()
        Thinker().think("tea")
        asyncio.run(Thinker().athink("honey"))

    assert (
        seen(use).tree("topic")
        == """\
execute_tool thinker topic='tea'
execute_tool thinker topic='honey'"""
    )


def test_static_and_class_methods_stay_what_they_are() -> None:
    @flowspan.tool
    class One:
        @staticmethod
        def run(value: int) -> int:
            return value

    @flowspan.tool
    class Two:
        @classmethod
        def run(cls, value: int) -> tuple[Any, int]:
            return cls, value

    assert (One.run(1), One().run(2)) == (1, 2)
    assert (Two.run(1), Two().run(2)) == ((Two, 1), (Two, 2))
    assert seen(lambda: (One.run(1), Two.run(1))).tree() == "execute_tool One\nexecute_tool Two"


def test_a_class_of_an_async_method_is_seen_to_its_end() -> None:
    @flowspan.agent
    class Writer:
        async def run(self) -> str:
            await asyncio.sleep(0)
            with flowspan.tool("pen"):
                return "done"

    assert seen(lambda: asyncio.run(Writer().run())).tree() == (
        "invoke_agent Writer\n  execute_tool pen"
    )


def test_instances_of_a_node_class_are_told_apart_if_the_class_says_how() -> None:
    @flowspan.node(id="{self.key}")
    class Task:
        def __init__(self, key: str) -> None:
            self.key = key

        def __call__(self) -> None: ...

    spans = seen(lambda: [Task(key)() for key in "ab"])

    assert [span.attributes[semconv.NODE_ID] for span in spans] == ["a", "b"]
