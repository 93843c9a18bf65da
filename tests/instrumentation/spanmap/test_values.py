"""Texts with paths in them, and conditions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from flowspan.instrumentation.integration import Call
from flowspan.instrumentation.spanmap.paths import MOST_ITEMS, PathError, Scope
from flowspan.instrumentation.spanmap.values import (
    attribute_value,
    parse_condition,
    parse_value,
)


class Status(Enum):
    READY = 1


class Word(StrEnum):
    DONE = "done"


class Number(IntEnum):
    ONE = 1


NODE = SimpleNamespace(
    goal="honey", depth=2, parts=["a", "b"], status=Status.READY, ok=True, cost=0.5, none=None
)
SCOPE = Scope(Call(NODE, (), {}), result=NODE)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{self.goal}", "honey"),
        ("{ self.goal }", "honey"),
        ("{self.depth}", 2),
        ("{self.parts}", ["a", "b"]),
        ("{self.ok}", True),
        ("about {self.goal} at {self.depth}", "about honey at 2"),
        ("{self.goal}{self.depth}", "honey2"),
        ("all of {self.parts}", "all of a, b"),
        ("{{literal}} {self.goal}", "{literal} honey"),
        ("{self.absent}", None),
        ("about {self.absent}", None),
        (7, 7),
        (0.5, 0.5),
        (False, False),
        (["a", "{self.goal}", "{self.absent}"], ["a", "honey"]),
        ([1, 2], [1, 2]),
        ([], []),
    ],
)
def test_a_value_is_a_text_with_paths_a_constant_or_a_list(data: Any, expected: Any) -> None:
    assert parse_value(data).read(SCOPE) == expected


def test_a_name_is_always_a_text() -> None:
    assert parse_value("{self.depth}").text(SCOPE) == "2"
    assert parse_value("{self.absent}").text(SCOPE) is None


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("{self.goal", 'has a single "{": expected {path}, or {{ or }}'),
        ("self.goal}", 'has a single "}"'),
        ("a {} b", '"" is no path'),
        ("{self goal}", "is no path"),
        (["at {self.depth}"], '"at {self.depth}" mixes text and paths'),
    ],
)
def test_wrong_braces_and_paths_are_refused(data: Any, complaint: str) -> None:
    with pytest.raises(PathError) as refusal:
        parse_value(data)

    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Status.READY, "READY"),
        (Word.DONE, "DONE"),
        (Number.ONE, "ONE"),
        ("text", "text"),
        (1.5, 1.5),
        (2**63, str(2**63)),
        (-(2**62), -(2**62)),
        (int, "int"),
        (date(2026, 11, 20), "2026-11-20"),
        (Decimal("0.10"), "0.10"),
        (PurePosixPath("a/b"), "a/b"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, 2), [1, 2]),
        ([1, "a", True], ["1", "a", "True"]),
        ([1, None, object()], ["1"]),
        ([[1, 2], [3]], ["1, 2", "3"]),
        ([Status.READY], ["READY"]),
        ([], []),
        (None, None),
        ({"a": 1}, None),
        (object(), None),
        (b"bytes", None),
    ],
)
def test_only_what_an_attribute_may_hold_becomes_one(value: Any, expected: Any) -> None:
    assert attribute_value(value) == expected


def test_objects_are_never_turned_into_text() -> None:
    class Costly:
        def __str__(self) -> str:
            raise AssertionError("the program was asked")

        __repr__ = __str__

    assert attribute_value(Costly()) is None
    assert attribute_value([Costly()]) == []


def test_long_lists_are_cut() -> None:
    assert attribute_value(list(range(1000))) == list(range(MOST_ITEMS))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"path": "self.goal", "equals": "honey"}, True),
        ({"path": "self.goal", "equals": "tea"}, False),
        ({"path": "self.status", "equals": "READY"}, True),
        ({"path": "self.ok", "equals": True}, True),
        ({"path": "self.ok", "equals": 1}, False),
        ({"path": "self.depth", "equals": 2.0}, True),
        ({"path": "self.goal", "not_equals": "tea"}, True),
        ({"path": "self.goal", "not_equals": "honey"}, False),
        ({"path": "self.goal", "in": ["tea", "honey"]}, True),
        ({"path": "self.goal", "in": ["tea"]}, False),
        ({"path": "self.goal", "not_in": ["tea"]}, True),
        ({"path": "self.goal", "not_in": ["tea", "honey"]}, False),
        ({"path": "self.depth", "above": 1}, True),
        ({"path": "self.depth", "above": 2}, False),
        ({"path": "self.cost", "below": 1}, True),
        ({"path": "self.ok", "below": 2}, False),
        ({"path": "self.goal", "below": 2}, False),
        ({"path": "len(self.parts)", "above": 1}, True),
        ({"path": "self.goal", "exists": True}, True),
        ({"path": "self.goal", "exists": False}, False),
        ({"path": "self", "exists": True}, True),
        ({"path": "self.absent", "exists": False}, True),
        ({"path": "self.none", "exists": False}, True),
        ({"path": "self.absent", "equals": "honey"}, False),
        ({"path": "self.absent", "not_equals": "honey"}, False),
        ({"path": "self.absent", "not_in": ["honey"]}, False),
        ({"exists": True, "path": "self.goal"}, True),
    ],
)
def test_a_condition_tests_what_a_path_finds_and_the_unknown_fulfils_only_its_absence(
    condition: dict[str, Any], *, holds: bool
) -> None:
    assert parse_condition(condition).holds(SCOPE) is holds
