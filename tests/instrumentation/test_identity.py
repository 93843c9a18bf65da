"""What is remembered of objects by who they are."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

from flowspan.instrumentation.identity import ByIdentity


@dataclass
class Equal:
    """Equal to others, and so without a hash."""

    name: str = "one"


class Refusing:
    """Says nothing of itself."""

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError

    def __hash__(self) -> NoReturn:
        raise RuntimeError


@pytest.mark.parametrize("make", [Equal, Refusing, type("Plain", (), {})])
def test_each_object_has_its_own(make: Any) -> None:
    known = ByIdentity[int]()
    things = [make() for _ in range(3)]

    for number, thing in enumerate(things):
        known.set(thing, number)
    assert known.set_once(things[1], 7) == 1

    assert [known.get(thing) for thing in (*things, make())] == [0, 1, 2, None]


def test_nothing_is_kept_alive_or_remembered_beyond_it() -> None:
    """Not of one that was remembered anew either, nor of a circle of garbage."""
    known = ByIdentity[int]()
    first, second = Equal(), Equal()
    second.name = second  # type: ignore[assignment]  # a circle
    known.set(first, 1)
    known.set(first, 2)
    known.set_once(first, 3)
    known.set(second, 4)
    assert (len(known), known.get(first)) == (2, 2)

    del first, second
    gc.collect()

    assert len(known) == 0


def test_what_cannot_be_referred_to_is_refused() -> None:
    with pytest.raises(TypeError):
        ByIdentity[int]().set((), 1)
