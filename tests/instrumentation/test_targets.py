"""What cannot be patched without changing the program is left alone, and said."""

from __future__ import annotations

import functools
import gc
import pickle
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

import dill
import pytest

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import Recording, record


def rows(*paths: str, subclasses: bool = False) -> Integration:
    return Integration(
        "toy",
        "",
        tuple(
            Patch(target=f"toyengine:{path}", kind="internal", subclasses=subclasses)
            for path in paths
        ),
    )


def why(recording: Recording) -> str:
    (status,) = recording.statuses()
    return f"{status.state}: {status.detail}"


class Odd:
    """Attributes that are no functions, each in a way of its own."""

    number = 7
    nothing = None

    def __init__(self, count: int = 0) -> None:
        self.count = count

    @property
    def double(self) -> int:
        return 2 * self.count

    @functools.cached_property
    def triple(self) -> int:
        return 3 * self.count

    class Inner:
        pass


class Made:
    """Made by ``__new__`` alone, with an argument that ``object.__init__`` does not take."""

    def __new__(cls, count: int) -> Self:
        made = super().__new__(cls)
        made.count = count  # type: ignore[attr-defined]
        return made


class Filled:
    """Made by ``__init__`` alone, with an argument that ``object.__new__`` does not take."""

    def __init__(self, count: int) -> None:
        self.count = count


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("Odd.number", "is a int, not a function"),
        ("Odd.nothing", "is a NoneType, not a function"),
        ("Odd.double", "is a property, not a function"),
        ("Odd.triple", "is a cached_property, not a function"),
        ("Odd.Inner", "is a class; name its __init__"),
        ("Odd", "is a class; name its __init__"),
        ("Made.__init__", "is inherited from object"),
        ("Filled.__new__", "is inherited from object"),
    ],
)
def test_what_is_no_function_stays_what_it_is(toy: ModuleType, path: str, reason: str) -> None:
    vars(toy).update(Odd=Odd, Made=Made, Filled=Filled)
    with record(rows(path)) as recording:
        odd = toy.Odd(5)
        assert (odd.number, odd.nothing, odd.double, odd.triple) == (7, None, 10, 15)
        assert type(odd.double) is int
        assert type(odd.Inner()) is Odd.Inner
        assert (toy.Made(3).count, toy.Filled(4).count) == (3, 4)
        assert why(recording).startswith(f"failed: toyengine:{path} cannot be patched: it {reason}")
    assert toy.Filled(4).count == 4


def test_a_module_is_not_asked_for_what_it_would_import_first(toy: ModuleType) -> None:
    asked = []

    def lazily(name: str) -> Any:
        asked.append(name)
        raise ImportError(name)

    toy.__getattr__ = lazily  # type: ignore[method-assign]
    for path in ("later", "Later.run"):
        with record(rows(path)) as recording:
            assert "name the module that defines it" in why(recording)
            assert why(recording).startswith("missing: ")
    assert asked == []


class Callables:
    """Attributes that are called and are no plain functions."""

    length = len
    part = functools.partialmethod(lambda _self, a, b: (a, b), 1)

    @functools.lru_cache  # noqa: B019 - a test
    def cached(self, x: int) -> int:
        return x

    @functools.singledispatchmethod
    def by_type(self, x: Any) -> str:
        return "any"

    @by_type.register
    def _(self, x: int) -> str:
        return "int"


def test_callables_of_every_kind_are_seen_and_work_as_before(toy: ModuleType) -> None:
    vars(toy).update(Callables=Callables)
    with record(
        rows(*(f"Callables.{name}" for name in ("length", "part", "cached", "by_type")))
    ) as recording:
        callables = toy.Callables()
        assert callables.length([1, 2]) == 2
        assert callables.part(2) == (1, 2)
        assert callables.cached(3) == 3
        assert toy.Callables.cached.cache_info().misses == 1
        assert (callables.by_type(1), callables.by_type("x")) == ("int", "any")
        assert len(recording.spans) == 5


def test_static_methods_are_one_object_and_pickle_by_their_name(toy: ModuleType) -> None:
    before = pickle.dumps(toy.Engine.free)
    with record(rows("Engine.free")):
        assert toy.Engine.free is toy.Engine().free
        assert pickle.dumps(toy.Engine.free) == before
        assert pickle.loads(before) is toy.Engine.free


def test_what_was_pickled_by_value_can_be_read_where_flowspan_is_not(toy: ModuleType) -> None:
    with record(rows("helper")):
        toy.helper.__module__ = "somewhere.else"
        assert b"flowspan" not in dill.dumps(toy.helper)


# --- subclasses -------------------------------------------------------------------------------


def test_an_override_by_another_name_of_the_same_function_is_seen_once(toy: ModuleType) -> None:
    original = toy.Node.act
    with record(rows("Node.act", subclasses=True)) as recording:

        class Alias(toy.Node):  # type: ignore[misc, name-defined]
            act = toy.Node.act

        assert Alias().act() == "base"
        assert len(recording.spans) == 1
    assert vars(Alias)["act"] is original


def test_a_class_that_a_decorator_makes_anew_is_seen_once_and_taken_back(toy: ModuleType) -> None:
    with record(rows("Node.act", subclasses=True)) as recording:

        @dataclass(slots=True)
        class Slotted(toy.Node):  # type: ignore[misc, name-defined]
            count: int = 1

            def act(self) -> str:
                return f"slotted {self.count}"

        assert Slotted().act() == "slotted 1"
        assert len(recording.spans) == 1
    assert type(vars(Slotted)["act"]).__name__ == "function"


def test_an_override_that_is_no_function_is_left_alone(toy: ModuleType) -> None:
    with record(rows("Node.act", subclasses=True)):

        class Mute(toy.Node):  # type: ignore[misc, name-defined]
            act = None

        class Property(toy.Node):  # type: ignore[misc, name-defined]
            @property
            def act(self) -> Callable[[], str]:
                return lambda: "from a property"

        assert Mute.act is None
        assert Property().act() == "from a property"


def test_classes_that_a_program_makes_and_drops_are_not_kept(toy: ModuleType) -> None:
    def make() -> weakref.ref[type]:
        class Passing(toy.Node):  # type: ignore[misc, name-defined]
            def act(self) -> str:
                return f"{super().act()} passing"

        assert Passing().act() == "base passing"
        return weakref.ref(Passing)

    with record(rows("Node.act", subclasses=True)) as recording:
        made = [make() for _ in range(10)]
        gc.collect()

        assert [reference() for reference in made] == [None] * 10
        assert recording.patcher is not None
        assert len(recording.patcher._changes) == 2  # Node and Left
    assert "toyengine" in sys.modules
