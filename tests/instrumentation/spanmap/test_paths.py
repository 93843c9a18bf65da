"""The path language of span maps."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.spanmap.paths import (
    FUNCTIONS,
    MOST_CHARACTERS,
    MOST_ITEMS,
    PathError,
    Scope,
    parse_path,
)


def scope(instance: Any = None, *args: Any, result: Any = None, **kwargs: Any) -> Scope:
    return Scope(Call(instance, args, kwargs), result, before=SimpleNamespace(size=3))


def read(text: str, where: Scope) -> Any:
    return parse_path(text).read(where)


NODE = SimpleNamespace(
    goal="honey", config={"plan": ["Planner", {}]}, parts=[1, 2, 3], nothing=None
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("self.goal", "honey"),
        (" self . goal ", "honey"),
        ("args[0]", "plan"),
        ("kwargs['depth']", 2),
        ('kwargs["depth"]', 2),
        ("depth", 2),
        ("result[-1].title", "b"),
        ("result[*].title", ["a", "b"]),
        ('self.config["plan"][0]', "Planner"),
        ("self.config[args[0]][0]", "Planner"),
        ("len(self.parts)", 3),
        ("type(self)", "SimpleNamespace"),
        ("type(result[0].title)", "str"),
        ("keys(self)", ["goal", "config", "parts", "nothing"]),
        ("type(absent) or type(self)", "SimpleNamespace"),
        ("keys(self.config)", ["plan"]),
        ("sha256(self.goal)", hashlib.sha256(b"honey").hexdigest()),
        ("before.size", 3),
        ("arguments.depth", 2),
        ("absent or self.goal", "honey"),
        ("self.absent.further or result[9] or depth", 2),
        ("self.config[absent or args[0]][0]", "Planner"),
        ("text(depth)", "2"),
        ("text(absent or self.goal)", "honey"),
    ],
)
def test_a_path_finds_attributes_items_arguments_and_applies_functions(
    text: str, expected: Any
) -> None:
    pages = (SimpleNamespace(title="a"), SimpleNamespace(title="b"))

    assert read(text, scope(NODE, "plan", result=pages, depth=2)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "self.absent",
        "self.goal.absent.further",
        "args[7]",
        "kwargs['absent']",
        "absent",
        "result.anything",
        "self.config['absent'][0]",
        "self[*]",
        "len(self)",
        "text(self.parts)",
        "caller.self",
        "function",
        "absent or self.absent",
        "len(self.goal.absent)",
        "sha256(self.parts)",
        "type(absent)",
        "type(self.goal.absent)",
        "type(self.nothing)",
        "type(result)",
        "type(error)",
        "keys(absent)",
    ],
)
def test_a_path_that_leads_nowhere_finds_nothing(text: str) -> None:
    assert read(text, scope(NODE)) is None


def test_sha256_takes_bytes_and_texts_that_are_no_unicode() -> None:
    assert read("sha256(a)", scope(a=b"x")) == read("sha256(a)", scope(a="x"))
    assert len(read("sha256(a)", scope(a="\ud800"))) == 64


def test_a_property_that_raises_finds_nothing() -> None:
    class Broken:
        @property
        def state(self) -> str:
            raise RuntimeError

    assert read("self.state", scope(Broken())) is None


def test_an_interrupt_in_a_property_goes_on_its_way() -> None:
    class Interrupted:
        @property
        def state(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read("self.state", scope(Interrupted()))


def test_a_defaultdict_gets_no_key_by_being_asked() -> None:
    state: defaultdict[str, list[int]] = defaultdict(list)

    assert read("self['absent']", scope(state)) is None
    assert state == {}


def test_lists_of_items_are_bounded() -> None:
    where = scope(range(1000), list(range(1000)), {str(n): n for n in range(1000)})

    assert len(read("args[0][*]", where)) == MOST_ITEMS
    assert len(read("keys(args[1])", where)) == MOST_ITEMS


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("topic", {"topic"}),
        ("self.a[result.b]", {"self", "result"}),
        ("len(before.x)", {"before"}),
        ("type", {"type"}),
    ],
)
def test_a_path_knows_the_names_that_it_starts_from(text: str, roots: set[str]) -> None:
    assert parse_path(text).roots == roots


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a name, such as self, result or an argument's, found the end"),
        ("self.", 'expected a name after ".", found the end at character 6'),
        ("self..x", 'expected a name after ".", found "." at character 6'),
        ("self x", 'expected ".name", "[item]" or the end, found "x" at character 6'),
        ("self[", 'expected a number, a "text", a path or * inside [ ], found the end'),
        ("self[0", 'expected "]", found the end'),
        ("self[*", 'expected "]", found the end'),
        ("self[0 1]", 'expected "]", found "1"'),
        ("self[99999999999]", 'expected "]"'),
        ("len(self", 'expected ")", found the end'),
        ("len(self).x", 'expected ".name", "[item]" or the end, found "."'),
        ("eval(self)", "expected one of the functions keys, len, sha256, text, type"),
        ("self.run()", 'expected ".name", "[item]" or the end, found "("'),
        ("1", "expected a name"),
        ("self + 1", 'expected a name, a dot or an item, found "+" at character 6'),
        ("self['x]", 'found "\'" at character 6'),
        ("x" * (MOST_CHARACTERS + 1), f"expected at most {MOST_CHARACTERS} characters"),
        ("len(" * 120, "found the end"),
    ],
)
def test_what_is_no_path_is_refused_with_the_place_and_what_was_expected(
    text: str, complaint: str
) -> None:
    with pytest.raises(PathError) as refusal:
        parse_path(text)

    assert "is no path" in str(refusal.value)
    assert complaint in str(refusal.value)


@given(st.text(alphabet="self.args[]()*'\"0-1 {}xlen", max_size=40))
def test_any_text_is_a_path_or_refused_and_reading_never_raises(text: str) -> None:
    try:
        path = parse_path(text)
    except PathError:
        return
    path.read(scope(NODE, 1, x="y"))


def test_the_functions_are_these() -> None:
    """Functions added here belong into the documentation too."""
    assert set(FUNCTIONS) == {"keys", "len", "sha256", "text", "type"}


@pytest.mark.parametrize("name", ["__globals__", "__dict__", "__subclasses__", "__init__", "____"])
def test_what_is_pythons_own_is_out_of_reach(name: str) -> None:
    """From a method one could go to all that its module holds, keys and passwords too."""
    with pytest.raises(PathError, match=f'expected a name without __ .*found "{name}"'):
        parse_path(f"self.run.{name}['SECRET']")


def test_what_an_object_is_and_why_something_was_raised_can_be_asked() -> None:
    error = ValueError()
    error.__cause__ = KeyError("k")

    assert read("type(args[0].__cause__)", scope(None, error)) == "KeyError"
    assert read("self.__class__.__name__", scope(NODE)) == "SimpleNamespace"
