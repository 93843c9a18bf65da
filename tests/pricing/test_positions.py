"""Documents that know on which line everything stands."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.pricing.positions import UnreadableError, read_json, read_toml

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=values, indent=st.sampled_from([None, 0, 3]))
def test_json_says_what_json_says(value: Any, indent: int | None) -> None:
    assert read_json(json.dumps(value, indent=indent)).value == value


def strict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def no_number(name: str) -> None:
    raise ValueError(name)


@given(text=st.text(alphabet='{}[],:"\\ \nabc01.-etrufalsnN', max_size=12))
def test_what_is_not_json_is_refused(text: str) -> None:
    """As the standard library has it, but for keys given twice and what is no number."""
    try:
        expected = json.loads(
            text, parse_float=Decimal, parse_constant=no_number, object_pairs_hook=strict
        )
    except ValueError:
        with pytest.raises(UnreadableError, match="line"):
            read_json(text)
    else:
        assert read_json(text).value == expected


def test_numbers_are_exact() -> None:
    document = read_json("[0.1, 1e-3, 10000000000000000000001, -2.50]")

    assert document.value == [
        Decimal("0.1"),
        Decimal("0.001"),
        10000000000000000000001,
        Decimal("-2.50"),
    ]


def test_every_value_of_json_has_its_line() -> None:
    document = read_json('\n{"a": [1,\n {"b":\n 2}],\n\n "c": {}\n}\n')

    assert {path: document.lines[path] for path in document.lines} == {
        (): 2,
        ("a",): 2,
        ("a", 0): 2,
        ("a", 1): 3,
        ("a", 1, "b"): 3,
        ("c",): 6,
    }
    assert document.line("a", 1, "b", "nowhere") == 3
    assert document.line("nowhere") == 2


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "Expecting value"),
        ("{\n'a': 1}", 2, "expected a name in double quotes"),
        ('{"a"\n 1}', 2, "expected ':'"),
        ('{"a": 1\n "b": 2}', 2, "expected ',' or '}'"),
        ("[1\n\n 2]", 3, "expected ',' or ']'"),
        ('{"a": 1,\n "a": 2}', 2, "expected 'a' only once"),
        ("[]\n[]", 2, "expected nothing more"),
        ("[\nNaN]", 2, "expected a number instead of NaN"),
        ('["\n"]', 1, "Invalid control character"),
        ("[\n" + "1" * 5000 + "]", 2, "not JSON that can be read"),
        ("[" * 100_000, 1, "not JSON that can be read"),
    ],
)
def test_what_is_wrong_with_json_is_said_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(UnreadableError, match=f"line {line}: ") as raised:
        read_json(text)

    assert reason in str(raised.value)


def test_tables_of_toml_and_their_keys_have_lines() -> None:
    document = read_toml(
        'note = "x"\n\n[[prices]]\nmodel = "a"\ninput = 0.10\n\n[["prices"]]\n"model" = "b"\n'
        "tiers.batch = 0.5\n",
        "prices",
    )

    assert document.value["prices"][0] == {"model": "a", "input": Decimal("0.10")}
    assert [
        document.line("note"),
        document.line("prices", 0),
        document.line("prices", 0, "input"),
        document.line("prices", 1),
        document.line("prices", 1, "model"),
        document.line("prices", 1, "tiers"),
        document.line("prices", 7),
    ] == [1, 3, 5, 7, 8, 9, 1]


@pytest.mark.parametrize(
    "text", ["a = ", "[[prices]]\nb = 1\nb = 2", "a = " + "1" * 5000, "a = " + "[" * 100_000]
)
def test_what_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match="not TOML"):
        read_toml(text, "prices")
