"""Objects that lie, fail and swell: what a map asks of them costs its attribute, nothing else."""

from __future__ import annotations

import enum
import functools
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from flowspan.instrumentation.integration import Integration
from flowspan.testing import record

ASKED = (
    "{thing}",
    "{thing.a}",
    "{thing[0]}",
    "{thing[*].x}",
    "{thing[*]}",
    "{len(thing)}",
    "{type(thing)}",
    "{keys(thing)}",
    "{sha256(thing)}",
    "{text(thing)}",
    "a {thing} b",
)
MAP = """
engine = "h"
[[rows]]
target = "hostile:work"
kind = "node"
name = "{thing}"
id = "{thing.a.b}"
attempt = "{thing}"
state = "thing"
transition = { watch = "thing", id = "{thing}" }
route = { to = "{result}" }
prompt_text = { text = "result", variables = "{keys(thing)}" }
when = { path = "other", exists = false }
[rows.remember]
kept = "{thing}"
[rows.attributes]
safe = "{type(thing)}"
""" + "".join(f'"h.{number}" = "{path}"\n' for number, path in enumerate(ASKED))
for test in (
    "equals = 3",
    'in = [1, "x"]',
    "above = 10_000",
    'like = "zz*"',
    'same_as = "thing.z"',
):
    MAP += f'[[rows.failed]]\nwhen = {{ path = "result", {test} }}\n'


def lying(kind: type) -> Any:
    """An object that says that it is of another class, as proxies do."""
    return type("Liar", (), {"__class__": property(lambda _: kind)})()


def _fails(*_: Any) -> Any:
    raise RuntimeError("asked")


def failing(base: type, *arguments: Any, **more: Any) -> Any:
    """An object of a subclass that fails wherever it is asked."""
    asked = ("__str__", "__len__", "__iter__", "__getitem__", "__abs__", "__le__", "__eq__")
    own = dict.fromkeys((*asked, "__format__", "__contains__", "__gt__"), _fails)
    return type("Failing", (base,), {**own, "__hash__": base.__hash__})(*arguments, **more)


class Bottomless:
    """Has every attribute and every item, each of them itself."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __len__(self) -> int:
        return -1  # noqa: PLE0303 - the point of it


class Colour(enum.Enum):
    RED = 1

    @property
    def name(self) -> str:
        raise RuntimeError


THINGS: dict[str, Callable[[], Any]] = {
    **{
        f"lying {kind.__name__}": functools.partial(lying, kind)
        for kind in (str, int, list, dict, enum.Enum)
    },
    "failing str": lambda: failing(str, "x"),
    "failing list": lambda: failing(list, [1, 2]),
    "failing tuple": lambda: failing(tuple, (1, 2)),
    "failing dict": lambda: failing(dict, {"a": 1}),
    "failing int": lambda: failing(int, 5),
    "failing float": lambda: failing(float, 5.0),
    "failing decimal": lambda: failing(Decimal, "1.5"),
    "failing enum": lambda: Colour.RED,
    "huge number": lambda: 10**6000,
    "bottomless": Bottomless,
    "generator": lambda: (number for number in range(3)),
    "long list": lambda: list(range(10**6)),
    "no unicode": lambda: "\ud800",
    "nested": lambda: [[1, [2, [3]]]],
}


@pytest.fixture(autouse=True, name="work")
def _work() -> Iterator[Callable[[Any], Any]]:
    module = ModuleType("hostile")
    exec("def work(thing): return thing", vars(module))  # noqa: S102 - the program of the test
    sys.modules["hostile"] = module

    def work(thing: Any) -> Any:
        return module.work(thing)  # looked up when it is called, as programs do

    yield work
    del sys.modules["hostile"]


@pytest.mark.parametrize("name", THINGS)
def test_whatever_an_object_does_the_rest_is_recorded(
    name: str, work: Callable[[Any], Any], mapped: Callable[[str], Integration]
) -> None:
    """Here an error of telemetry would be raised; a program would lose the row's attributes."""
    thing = THINGS[name]()

    with record(mapped(MAP)) as recording:
        assert work(thing) is thing

    (span,) = recording.spans
    attributes = span.attributes or {}
    assert attributes["safe"] == type(thing).__name__
    plain = {type(value) for value in attributes.values() if not isinstance(value, tuple)}
    assert plain <= {str, int, float, bool}


def test_no_generator_is_read(
    work: Callable[[Any], Any], mapped: Callable[[str], Integration]
) -> None:
    with record(mapped(MAP)):
        assert list(work(number for number in range(3))) == [0, 1, 2]


def test_a_subclass_gives_the_plain_value_that_it_is(
    work: Callable[[Any], Any], mapped: Callable[[str], Integration]
) -> None:
    with record(mapped(MAP)) as recording:
        for thing in (failing(str, "x"), failing(int, 5), failing(list, [1, 2])):
            work(thing)

    assert [(span.attributes or {})["h.0"] for span in recording.spans] == ["x", 5, (1, 2)]
