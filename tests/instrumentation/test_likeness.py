"""What tells one piece of input from another, cheaply and without keeping any of it."""

from __future__ import annotations

import functools
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.likeness import FAR, NEAR, likeness

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Task:
    goal: str
    parts: list[Any] = field(default_factory=list)

    @property
    def dear(self) -> str:
        raise AssertionError("a property was read")


class Opaque:
    __slots__ = ("__weakref__",)


def adder(amount: int) -> Any:
    return lambda value: value + amount


def same(one: Any, other: Any) -> bool:
    return likeness(one).same(likeness(other))


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        lambda: 1.5,
        lambda: "te" + str(1),
        lambda: b"x",
        lambda: ["a", 1],
        lambda: ("a", {"b": [1, 2]}),
        lambda: {"a", "b"},
        lambda: deque([1]),
        lambda: Task("tea", [1]),
        lambda: datetime(2026, 1, 1, tzinfo=UTC),
        lambda: Decimal("1.0"),
        lambda: Colour.RED,
        lambda: adder(1),
        lambda: functools.partial(same, 1),
        lambda: Task("tea").__eq__,
        lambda: threading,
        lambda: Task,
        lambda: len,
        lambda: "x" * 10_000,
        lambda: list(range(10_000)),
        lambda: range(5),
    ],
)
def test_what_is_made_again_looks_the_same(make: Any) -> None:
    assert same(make(), make())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, True),
        (1, 1.0),
        ("a", "b"),
        ("a", b"a"),
        (["a"], ("a",)),
        ([1, 2], [2, 1]),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": {"cursor": [1]}}, {"a": {"cursor": [2]}}),
        ({1, 2}, {1, 3}),
        (Task("tea"), Task("honey")),
        (Task("tea", [1]), Task("tea", [2])),
        (Colour.RED, Colour.BLUE),
        (adder(1), adder(2)),
        (functools.partial(same, 1), functools.partial(same, 2)),
        ("x" * 10_000, "x" * 10_001),
        ("x" * 10_000, "x" * 9_999 + "y"),
        (list(range(10_000)), [*range(9_999), 0]),
        (threading, functools),
    ],
)
def test_what_differs_nearby_looks_different(one: Any, other: Any) -> None:
    assert not same(one, other)


@given(JSON, JSON)
def test_plain_data_looks_the_same_exactly_where_it_is(one: Any, other: Any) -> None:
    if likeness(one).whole and likeness(other).whole and repr(one) != repr(other):
        assert not same(one, other)


@pytest.mark.parametrize(
    "value", [list(range(1000)), {str(at): at for at in range(1000)}, "x" * 10**7]
)
def test_no_more_is_looked_at_than_a_handful(value: Any) -> None:
    tokens = len(repr(likeness(value)))

    assert tokens < 200
    assert likeness([value] * 5).number == likeness([value] * 5).number


@pytest.mark.parametrize("plain", [1, 0.5, True, None, "word", b"word"])
def test_the_newest_part_of_a_large_state_is_always_seen(plain: object) -> None:
    """A count that a node keeps in it, say: numbers before it do not use up what is looked at."""
    state = {"context": {"a": [1, 2]}} | dict.fromkeys(map(str, range(10_000)), plain)

    looks = {likeness(state | {"turn": turn}).number for turn in range(20)}

    assert len(looks) == 20


def test_what_was_not_wholly_looked_at_says_so() -> None:
    assert likeness([1, 2, 3]).whole
    assert not likeness(list(range(NEAR.tokens))).whole
    assert not likeness([[at] for at in range(NEAR.items)] * 2).whole
    assert not likeness([[[at], [at]] for at in range(NEAR.items)]).whole
    assert not likeness([["x"] * NEAR.items] + [[str(at)] * NEAR.items for at in range(6)]).whole


def test_circles_are_gone_around_once() -> None:
    task = Task("tea")
    task.parts.append(task)

    assert likeness(task).whole
    assert same(task, task)


def test_what_cannot_be_looked_into_is_like_itself_only_while_it_is_there() -> None:
    """Python soon gives its address to another object."""
    one = Opaque()
    before = likeness(one)
    assert before.same(likeness(one))

    del one

    assert not before.same(before)


def test_what_cannot_even_be_referred_to_is_like_nothing() -> None:
    value = object()

    assert not same(value, value)


def test_nothing_is_kept_alive() -> None:
    task = Task("tea")
    gone = weakref.ref(task)
    look = likeness(["a", task])

    del task

    assert gone() is None
    assert look.number


def test_a_look_may_go_farther() -> None:
    rows = [{"id": at, "done": False} for at in range(500)]
    near, far = likeness(rows), likeness(rows, FAR)

    rows[250]["done"] = True

    assert near.same(likeness(rows))
    assert far.whole
    assert not far.same(likeness(rows, FAR))


def test_what_says_that_it_is_a_dict_is_looked_at_as_what_it_is() -> None:
    """As proxies say, and mocks with a ``spec``."""
    state = Mock(spec=dict, goal="a")

    before = likeness({"state": state})
    assert before.same(likeness({"state": state}))
    state.goal = "b"
    assert not before.same(likeness({"state": state}))
