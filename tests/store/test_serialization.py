from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.store.serialization import plain_dict, text_of, to_json


class _Mute:
    """Raises from everything that could describe it."""

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")

    __str__ = __repr__


class _Named:
    def __repr__(self) -> str:
        return "<a named thing>"


class _BrokenMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> NoReturn:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class _BrokenBytes(bytes):
    def __bytes__(self) -> NoReturn:
        raise RuntimeError("no")


class _Word(str):
    __slots__ = ()


_ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | _ANY_TEXT
    | st.builds(object)
    | st.builds(_Mute)
    | st.complex_numbers()
)
_KEYS = _ANY_TEXT | st.integers() | st.none() | st.tuples(st.integers()) | st.builds(_Mute)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_KEYS, inner)
        | st.frozensets(st.integers())
        | st.dictionaries(_ANY_TEXT, inner).map(MappingProxyType)
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_any_value_becomes_json_that_sqlite_takes_and_gives_back(value: Any) -> None:
    text = to_json(value)

    connection = sqlite3.connect(":memory:")
    stored = connection.execute("SELECT ?", (text,)).fetchone()[0]
    valid = connection.execute("SELECT json_valid(?)", (text,)).fetchone()[0]
    connection.close()
    assert stored == text
    assert valid == 1
    json.loads(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_json_can_say_comes_back_as_it_was(value: Any) -> None:
    assert json.loads(to_json(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\x00\xff", {"bytesValue": "AP8="}),
        (bytearray(b"a"), {"bytesValue": "YQ=="}),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (10**30, 10**30),
        ("\ud800half", "\ufffdhalf"),
        ("\ud83d\ude00", "😀"),
        ({1: "a"}, {"1": "a"}),
        ({(1, 2): "a"}, {"(1, 2)": "a"}),
        (_Named(), "<a named thing>"),
        (_Mute(), "<_Mute>"),
        ([_Mute(), math.nan, b"a"], ["<_Mute>", "NaN", {"bytesValue": "YQ=="}]),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        (frozenset({1}), [1]),
        ([math.inf, frozenset({1}), _Word("w"), True, None], ["Infinity", [1], "w", True, None]),
        (_BrokenBytes(b"a"), "<_BrokenBytes>"),
        (_BrokenMapping(), "<_BrokenMapping>"),
        ([_BrokenMapping()], "<list>"),
    ],
)
def test_what_json_cannot_say_has_a_form(value: Any, expected: Any) -> None:
    assert json.loads(to_json(value)) == expected


def test_an_integer_too_large_to_print_is_given_by_its_hexadecimal_digits() -> None:
    text = json.loads(to_json({"a": 1 << 50_000}))["a"]

    assert text.startswith("0x1000")
    assert len(text) == 1_000


def test_a_value_that_contains_itself_is_cut() -> None:
    value: list[Any] = [1]
    value.append(value)

    assert '"…"' in to_json(value)


def test_a_value_that_multiplies_itself_is_cut() -> None:
    """Thirty lists of ten times the same list would be more than any disk holds."""
    value: Any = [math.nan]
    for _ in range(30):
        value = [value] * 10

    assert len(to_json(value)) < 1_000_000


def test_deep_nesting_is_cut() -> None:
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]

    assert "…" in to_json(value)


def test_a_mapping_is_copied_whatever_it_is() -> None:
    class Readable(_BrokenMapping):
        def __getitem__(self, key: str) -> Any:
            return key

        def __iter__(self) -> Iterator[str]:
            return iter("a")

    assert plain_dict(None) == {}
    assert plain_dict({"a": 1}) == {"a": 1}
    assert plain_dict(Readable()) == {"a": "a"}


def test_words_for_a_value_never_fail() -> None:
    assert text_of(3) == "3"
    assert text_of(_Mute()) == "<_Mute>"
    assert text_of("\udfff") == "\ufffd"
