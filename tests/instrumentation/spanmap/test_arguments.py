"""Arguments by their names, however they were passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.spanmap.arguments import argument


class Engine:
    def run(self, topic: str, *rest: int, depth: int = 2, **options: Any) -> None: ...

    @classmethod
    def make(cls, topic: str = "tea") -> None: ...

    @staticmethod
    def check(topic: str, color: str = "red") -> None: ...


def call(function: Callable[..., Any] | None, instance: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(instance, args, kwargs, function=function)


ENGINE = Engine()


@pytest.mark.parametrize(
    ("seen", "name", "expected"),
    [
        (call(ENGINE.run, ENGINE, "honey"), "topic", "honey"),
        (call(Engine.run, ENGINE, "honey"), "topic", "honey"),
        (call(ENGINE.run, ENGINE, topic="honey"), "topic", "honey"),
        (call(ENGINE.run, ENGINE), "topic", None),
        (call(ENGINE.run, ENGINE, "honey", 1, 2), "rest", (1, 2)),
        (call(ENGINE.run, ENGINE, "honey"), "depth", 2),
        (call(ENGINE.run, ENGINE, "honey", depth=3), "depth", 3),
        (call(ENGINE.run, ENGINE, "honey", depth=3, color="red"), "options", {"color": "red"}),
        (call(ENGINE.run, ENGINE, "honey", color="red"), "color", "red"),
        (call(ENGINE.run, ENGINE, "honey"), "absent", None),
        (call(ENGINE.run, ENGINE, "honey"), "self", None),
        (call(Engine.make, Engine, "honey"), "topic", "honey"),
        (call(Engine.make, Engine), "topic", "tea"),
        (call(Engine.check, None, "honey", "blue"), "color", "blue"),
        (call(Engine.check, None, "honey"), "color", "red"),
        (call([].append, [], 7), "object", 7),
        (call(dict.fromkeys, dict, "ab"), "iterable", "ab"),
        (call(None, ENGINE, "honey", depth=3), "topic", None),
        (call(None, ENGINE, "honey", depth=3), "depth", 3),
        (call(dir, None, 7), "anything", None),
    ],
)
def test_an_argument_is_found_by_its_name(seen: Call, name: str, expected: Any) -> None:
    assert argument(seen, name) == expected


def test_a_callable_that_cannot_be_referred_to_weakly_will_do() -> None:
    class Slim:
        __slots__ = ()

        def __call__(self, topic: str) -> None: ...

    assert argument(call(Slim(), None, "honey"), "topic") == "honey"
