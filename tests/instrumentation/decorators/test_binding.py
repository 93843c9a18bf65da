"""Decorated methods get their instance as they would without the decorator, whatever they are."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapt

import flowspan
from flowspan.instrumentation.integration import Event, Integration, Patch
from flowspan.testing import record


@wrapt.decorator
def told(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Somebody else's: what it knows of the instance is what it tells."""
    return [type(instance).__name__, wrapped(*args, **kwargs)]


def plainly(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Shout:
    """No function: a class's attribute that is called without the instance."""

    def __call__(self, topic: str) -> str:
        return topic


class Plain:
    """What the class below is without decorators."""

    mood = "good"

    async def waiting(self, topic: str) -> str:
        return topic

    def parts(self, topic: str) -> Iterator[str]:
        yield topic

    @functools.lru_cache  # noqa: B019 - programs do
    def kept(self, topic: str) -> str:
        return topic

    @told
    def wrapped(self, topic: str) -> str:
        return topic

    @plainly
    def logged(self, topic: str) -> str:
        return topic

    called = Shout()


class Decorated:
    """The same, each with one or two of ours around it."""

    mood = "good"

    @flowspan.node("{self.mood}")
    @flowspan.tool
    async def waiting(self, topic: str) -> str:
        return topic

    @flowspan.node("{self.mood}")
    @flowspan.tool
    def parts(self, topic: str) -> Iterator[str]:
        yield topic

    @flowspan.node("{self.mood}")
    @functools.lru_cache  # noqa: B019 - programs do
    def kept(self, topic: str) -> str:
        return topic

    @flowspan.node("{self.mood}", topic="{topic}")
    @told
    def wrapped(self, topic: str) -> str:
        return topic

    @flowspan.node("good")
    @plainly
    def logged(self, topic: str) -> str:
        return topic

    called = flowspan.node("good")(flowspan.tool(Shout()))


def answer(found: Any) -> Any:
    if inspect.isawaitable(found):
        return asyncio.run(asyncio.wait_for(found, None))
    return list(found) if inspect.isgenerator(found) else found


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "through the instance": lambda owner, name: getattr(owner(), name)("tea"),
    "through the class": lambda owner, name: getattr(owner, name)(owner(), "tea"),
    "by keyword": lambda owner, name: getattr(owner(), name)(topic="tea"),
    "kept for later": lambda owner, name: functools.partial(getattr(owner(), name), "tea")(),
}
NAMES = ["waiting", "parts", "kept", "wrapped", "logged"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_called_as_without(name: str, way: str) -> None:
    def of(owner: type) -> Any:
        return [one.replace(owner.__name__, "its class") for one in answer(WAYS[way](owner, name))]

    without = of(Plain)
    assert of(Decorated) == without
    with record() as recording:
        assert of(Decorated) == without

    assert [span.name for span in recording.spans.of_kind("node")] == ["run_step good"]


def test_what_is_not_bound_without_is_not_bound_with() -> None:
    assert Plain().called("tea") == Decorated().called("tea") == "tea"
    with record() as recording:
        assert Decorated().called("tea") == "tea"

    assert recording.spans.tree() == "run_step good\n  execute_tool Shout"


@pytest.mark.parametrize("name", NAMES)
def test_bound_methods_are_what_they_were(name: str) -> None:
    plain, decorated = Plain(), Decorated()
    method = getattr(decorated, name)

    assert method == getattr(decorated, name)
    assert method != getattr(Decorated(), name)
    assert hash(method) == hash(getattr(decorated, name))
    assert method.__self__ is decorated
    assert method.__name__ == name
    assert str(inspect.signature(method)) == str(inspect.signature(getattr(plain, name)))
    assert type(pickle.loads(pickle.dumps(method)).__self__) is Decorated


@pytest.mark.parametrize("kind", [None, "node"])
def test_a_class_may_be_decorated_whose_method_a_row_has_reached(kind: Any) -> None:
    """Rows follow subclasses, and reach them as they are made, before their decorator does."""

    def after(call: Any, _: Any) -> Iterator[Event]:
        yield Event(
            "seen", {"topic": call.argument("topic", 0), "by": type(call.instance).__name__}
        )

    target = f"{__name__}:Base.run"
    rows = Integration("i", "", (Patch(target=target, kind=kind, subclasses=True, after=after),))
    with record(rows) as recording:

        @flowspan.agent
        class Own(Base):
            def run(self, topic: str) -> str:
                return topic + "!"

        @flowspan.agent
        class Inherits(Base): ...

        with flowspan.run("all"):
            assert [Own().run("tea"), Inherits().run(topic="tea")] == ["tea!", "tea"]

    events = [event for span in recording.spans for event in span.events if event.name == "seen"]
    assert [dict(event.attributes or {}) for event in events] == [
        {"topic": "tea", "by": "Own"},
        {"topic": "tea", "by": "Inherits"},
    ]
    assert [span.name for span in recording.spans.of_kind("agent")] == [
        "invoke_agent Own",
        "invoke_agent Inherits",
    ]
    assert [Own().run("tea"), Inherits().run(topic="tea")] == ["tea!", "tea"]


class Base:
    """What a row follows."""

    def run(self, topic: str) -> str:
        return topic
