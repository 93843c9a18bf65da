"""The lines on which things stand in a map."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flowspan.instrumentation.spanmap.lines import Location, line_of, toml_lines, yaml_lines

EXAMPLE = '''\
# [rows] in a comment
engine = "writer"  # "]

[[rows]]
target = "a:b"
attributes = { "x.y" = """
[[rows]]
""", z = [
  1,
  { k = "]" },
] }

[[rows.events]]
name = 'first'

[[rows.events]]
name = "second"
[rows.events.attributes]
deep.er = 1

[[rows]]
"target" = "c:d"
[rows.prompt]
name = \'\'\'
[[not.a.header]]
key = "no"
\'\'\'
[other]
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ((), 1),
        (("engine",), 2),
        (("rows",), 4),
        (("rows", 0), 4),
        (("rows", 0, "target"), 5),
        (("rows", 0, "attributes"), 6),
        (("rows", 0, "attributes", "x.y"), 6),
        (("rows", 0, "attributes", "z"), 8),
        (("rows", 0, "attributes", "z", 0), 9),
        (("rows", 0, "attributes", "z", 1), 10),
        (("rows", 0, "attributes", "z", 1, "k"), 10),
        (("rows", 0, "events", 0), 13),
        (("rows", 0, "events", 1, "name"), 17),
        (("rows", 0, "events", 1, "attributes"), 18),
        (("rows", 0, "events", 1, "attributes", "deep", "er"), 19),
        (("rows", 1), 21),
        (("rows", 1, "target"), 22),
        (("rows", 1, "prompt", "name"), 24),
        (("other",), 28),
        (("rows", 1, "prompt", "absent"), 23),
        (("rows", 7, "absent"), 4),
        (("absent",), 1),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_each_table_key_and_item_of_a_toml_file_has_a_line(
    location: Location, line: int, ending: str
) -> None:
    assert line_of(toml_lines(EXAMPLE.replace("\n", ending)), location) == line


KEYS = st.sampled_from(["kind", "name", '"a.b"', "'quoted ]'", "dotted.key", "x"])
TRICKY = st.sampled_from(
    ['"plain"', '"[[rows]]"', "'# no comment'", '"\\"]"', "true", "1", "{ k = 1, l = '}' }", "[]"]
)
LINES = st.sampled_from(["# text", "]", "key = 1", '"', "[[rows]]", "", "\u2028", "'''x'''"])


MULTILINE = st.sampled_from(['"""\n[\n"""', "'''\n{ = ]\n'''", '[ 1,\n  { k = "}" } ]'])
Statement = tuple[str, int, dict[Location, int]]


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """The right side of a key, how many lines it takes, and the lines of what is inside."""
    form = draw(st.sampled_from(["one", "text", "list"]))
    if form == "one":
        return draw(TRICKY) + draw(st.sampled_from(["", '  # ] [[rows]] """'])), 1, {}
    if form == "text":
        inner = draw(st.lists(LINES, max_size=4))
        return '"""' + "\n".join(["", *inner, '"""']), len(inner) + 2, {}
    text, below = "[\n", 1
    expected: dict[Location, int] = {}
    for index, item in enumerate(draw(st.lists(TRICKY | MULTILINE, max_size=4))):
        comment = draw(st.sampled_from(["", "  # ] }\n", "\n"]))
        below += comment.count("\n")
        table = draw(st.booleans())
        expected[(index, "inner", "a.b") if table else (index,)] = below
        written = f'{{ inner . "a.b" = {item} }}' if table else item
        text += f"{comment}  {written}, # ]\n"
        below += written.count("\n") + 1
    return text + "]", below + 1, expected


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Location, int]]:
    """A map, and the lines on which its rows and keys were written."""
    text = ""
    line = 1
    expected: dict[Location, int] = {}
    for index in range(draw(st.integers(0, 4))):
        blank = draw(st.integers(0, 2))
        text += "\n" * blank + draw(st.sampled_from(["[[rows]]\n", "  [[ rows ]] # x\n"]))
        line += blank
        expected["rows", index] = line
        line += 1
        for key in draw(st.lists(KEYS, unique=True)):
            value, height, inside = draw(statements())
            text += f"{key} = {value}\n"
            expected["rows", index, *_names(key)] = line
            for place, below in inside.items():
                expected["rows", index, *_names(key), *place] = line + below
            line += height
    return text, expected


def _names(key: str) -> tuple[str, ...]:
    return tuple(key.split(".")) if key[0] not in "\"'" else (key[1:-1],)


@given(documents())
def test_the_lines_of_any_toml_file_are_those_on_which_it_was_written(
    document: tuple[str, dict[Location, int]],
) -> None:
    text, expected = document
    tomllib.loads(text)

    lines = toml_lines(text)

    assert {location: lines[location] for location in expected} == expected


def _yaml_lines(text: str) -> dict[Location, int]:
    return yaml_lines(yaml.SafeLoader(text).get_single_node())


def test_each_key_and_item_of_a_yaml_file_has_a_line() -> None:
    lines = _yaml_lines(
        "engine: writer\nrows:\n  - target: a:b\n    kind: run\n  -\n    x: [1,\n 2]\n"
    )

    assert lines["engine",] == 1
    assert lines["rows", 0] == 3
    assert lines["rows", 0, "kind"] == 4
    assert lines["rows", 1, "x"] == 6
    assert lines["rows", 1, "x", 1] == 7


def test_a_yaml_file_that_contains_itself_has_lines_too() -> None:
    assert _yaml_lines("rows: &all\n  - *all\n") == {("rows",): 1, ("rows", 0): 1}


def test_keys_that_are_no_scalars_have_no_line_of_their_own() -> None:
    assert _yaml_lines("? [a, b]\n: 1\n") == {}


@pytest.mark.parametrize("empty", ["", "# nothing\n"])
def test_an_empty_file_has_no_lines(empty: str) -> None:
    assert toml_lines(empty) == _yaml_lines(empty) == {}


def test_the_place_around_is_taken_where_a_place_has_no_line() -> None:
    lines: dict[Any, int] = {("rows",): 3, ("rows", 1): 9}

    assert line_of(lines, ("rows", 1, "x", "y")) == 9
    assert line_of(lines, ("rows", 2)) == 3
