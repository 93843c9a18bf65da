"""Reading span maps: what is refused, and how it is said."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map

GOOD = '[[rows]]\ntarget = "program:good"\nkind = "run"\n'
BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{one + 1}: &a{one + 1} [{', '.join([f'*a{one}'] * 9)}]\n" for one in range(9)
)
"""Less than 500 characters that are three thousand million values."""


def load(folder: Path, text: str, name: str = "agent.toml") -> tuple[Integration | None, list[str]]:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    found, problems = load_map(file)
    return found, [problem.replace(str(file), name) for problem in problems]


def targets(found: Integration | None) -> list[str]:
    return [] if found is None else [patch.target for patch in found.patches]


def test_a_map_becomes_an_integration(tmp_path: Path) -> None:
    text = 'engine = "writer"\nrequires = "writer>=2"\n' + GOOD

    found, problems = load(tmp_path, text)

    assert problems == []
    assert found is not None
    assert (found.name, found.engine, found.requires) == ("map:writer", "writer", "writer>=2")
    assert targets(found) == ["program:good"]
    assert found.patches[0].kind == "run"


def test_a_map_without_a_name_is_called_after_its_file(tmp_path: Path) -> None:
    found, _ = load(tmp_path, GOOD)

    assert found is not None
    assert (found.name, found.engine, found.requires) == ("map:agent", "agent", "")


def test_a_map_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + GOOD)[1] == []


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            'target = "program"',
            (
                'line 5, rows[1].target: "program" is not usable: expected the function or '
                'method, as "package.module:function" or "package.module:Class.method"; '
                "* stands for any part of a name"
            ),
        ),
        (
            'kind = "run"',
            (
                'line 4, rows[1]: a row needs the key "target": the function or method, as '
                '"package.module:function" or "package.module:Class.method"; '
                "* stands for any part of a name"
            ),
        ),
        (
            'target = "p:f"\n\nkin = "run"',
            'line 7, rows[1].kin: a row has no key "kin": did you mean "kind"?',
        ),
        (
            'target = "p:f"\nkind = "agnet"',
            'line 6, rows[1].kind: "agnet" is not usable: did you mean "agent"?',
        ),
        (
            'target = "p:f"\nkind = "run"\nname = "about {topic"',
            'line 7, rows[1].name: "about {topic" has a single "{": expected {path}, or {{ or }}',
        ),
        (
            'target = "p:f"\nkind = "run"\nname = "{result.x}"',
            (
                'line 7, rows[1].name: "result" is not known here: '
                "the result is known only after the call"
            ),
        ),
        (
            'target = "p:f"\nkind = "run"\n[rows.attributes]\n"a.b" = "{self.x}"',
            (
                'line 8, rows[1].attributes.a.b: "self" is not known here: '
                "the target is a function, not a method"
            ),
        ),
        (
            'target = "p:f"\nname = "x"',
            'line 6, rows[1].name: "name" is about a span: expected a "kind" in the row',
        ),
        (
            'target = "p:f"\nkind = "agent"\n[rows.usage]\ninput_tokens = "result.x"',
            'line 7, rows[1].usage: tokens belong to kind "llm", this row has kind "agent"',
        ),
        (
            'target = "p:C.f"\ntransition = { watch = "{self.status}" }',
            (
                'line 6, rows[1].transition.watch: "{self.status}" is no path: expected a name, '
                'a dot or an item, found "{" at character 1; here it stands without braces'
            ),
        ),
        (
            'target = "p:C.f"\nstate = "self."',
            (
                'line 6, rows[1].state: "self." is no path: expected a name after ".", '
                "found the end at character 6"
            ),
        ),
        (
            'target = "p:C.f"\nstate = { watch = "result" }',
            (
                'line 6, rows[1].state.watch: "result" is not known here: '
                "the result is known only after the call"
            ),
        ),
        (
            'target = "p:f"\nkind = "run"\nfailed = { when = { path = "error", exists = true } }',
            (
                'line 7, rows[1].failed.when.path: "error" is not known here: '
                "a call that has returned has no error"
            ),
        ),
        (
            (
                'target = "p:f"\n[[rows.events]]\nname = "x"\nat = "failure"\n'
                'when = [{ path = "x", equals = 1 }, { path = "result", exists = true }]'
            ),
            (
                'line 9, rows[1].events[0].when[1].path: "result" is not known here: '
                "a call that has failed has no result"
            ),
        ),
        (
            'target = "p:f"\nwhen = { path = "x[", exists = true }',
            (
                'line 6, rows[1].when.path: "x[" is no path: expected a number, a "text", '
                "a path or * inside [ ], found the end at character 3"
            ),
        ),
        (
            'target = "p:f"\nretry = { attempt = "{before.x}" }',
            (
                'line 6, rows[1].retry.attempt: "before" is not known here: '
                "before the call nothing is remembered yet"
            ),
        ),
        (
            'target = "p:f"\nprompt_text = { text = "len(" }',
            (
                'line 6, rows[1].prompt_text.text: "len(" is no path: expected a name, '
                "such as self, result or an argument's, found the end at character 5"
            ),
        ),
        (
            'target = "program:good"',
            (
                'line 5, rows[1].target: "program:good" has a row already, rows[0]: '
                "expected one for each"
            ),
        ),
    ],
)
def test_a_wrong_row_is_left_out_and_said_with_its_line_and_what_was_expected(
    tmp_path: Path, row: str, complaint: str
) -> None:
    found, problems = load(tmp_path, f"{GOOD}[[rows]]\n{row}\n")

    assert problems == [f"span map agent.toml, {complaint} (the row is left out)"]
    assert targets(found) == ["program:good"]


def test_all_problems_are_said_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[[rows]]\ntarget = "p:f"\nkind = "run"\nname = "{"\nspan_name = "}"\n'
        f'[[rows]]\ntarget = "p:g"\nlabl = "x"\n{GOOD}[extra]\n'
    )

    found, problems = load(tmp_path, text)

    assert [problem.split(":")[0] for problem in problems] == [
        "span map agent.toml, line 4, rows[0].name",
        "span map agent.toml, line 5, rows[0].span_name",
        "span map agent.toml, line 8, rows[1].labl",
        "span map agent.toml, line 12, extra",
    ]
    assert targets(found) == ["program:good"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: expected rows that give roles to the functions"),
        ('engine = "x"', "is empty: expected rows or outcomes"),
        ("rows = 1", "line 1, rows: expected a list"),
        ("[[rows]]\nkind =\n", "line 2: no TOML: Invalid value"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("[[rows]]\nkind = 1", "line 2, rows[0].kind"),
    ],
)
def test_a_map_of_which_nothing_can_be_used_is_no_integration(
    tmp_path: Path, text: str, complaint: str
) -> None:
    found, problems = load(tmp_path, text)

    assert found is None
    assert any(complaint in problem for problem in problems), problems


def test_wrong_words_at_the_top_cost_no_row(tmp_path: Path) -> None:
    found, problems = load(tmp_path, "engine = 7\nrequires = []\n" + GOOD)

    assert targets(found) == ["program:good"]
    assert found is not None
    assert (found.name, found.requires) == ("map:agent", "")
    assert len(problems) == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "absent.toml"

    assert load_map(missing) == (
        None,
        [f"span map {missing} cannot be read: No such file or directory"],
    )
    assert load_map(str(tmp_path)) == (
        None,
        [f"span map {tmp_path} cannot be read: Is a directory"],
    )


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_bytes(b"ok = '\xff'")

    assert load_map(file) == (None, [f"span map {file} is no text in UTF-8 (byte 6)"])


YAML = """\
engine: writer
rows:
  - target: program:good
    kind: run
  - target: program:Class.method
    kind: nod
"""


@pytest.mark.parametrize("name", ["agent.yaml", "agent.yml", "agent.YAML"])
def test_a_map_may_be_written_in_yaml(tmp_path: Path, name: str) -> None:
    found, problems = load(tmp_path, YAML, name)

    assert targets(found) == ["program:good"]
    assert problems == [
        (
            f'span map {name}, line 6, rows[1].kind: "nod" is not usable: did you mean "node"? '
            "(the row is left out)"
        )
    ]


def test_a_key_that_yaml_has_twice_is_refused(tmp_path: Path) -> None:
    text = f"{YAML}    name: {{a}}\n    kind: run\n  - {{target: p:g, name: x, name: y}}\n"

    found, problems = load(tmp_path, text, "agent.yaml")

    assert targets(found) == ["program:good"]
    assert [problem for problem in problems if "twice" in problem] == [
        f"span map agent.yaml, line {place} is here twice: expected it once (the row is left out)"
        for place in ('8, rows[1].kind: "kind"', '9, rows[2].name: "name"')
    ]


def test_yaml_needs_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert load(tmp_path, YAML, "agent.yaml") == (
        None,
        [
            (
                "span map agent.yaml is YAML, which needs PyYAML in the program's environment: "
                "install pyyaml, or write the map in TOML"
            )
        ],
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rows:\n  - a: b\n - c", "span map agent.yaml, line 3: no YAML: "),
        ("rows: !!python/object:os.system {}", "span map agent.yaml, line 1: no YAML: "),
        ("rows: 2026-13-45", "span map agent.yaml: no YAML: ValueError"),
        ("\x07", "span map agent.yaml: no YAML: "),
        ("", "span map agent.yaml, line 1: expected a table (rows that give roles"),
        ("[" * 5000, "span map agent.yaml: no YAML: RecursionError"),
        (BOMB, "span map agent.yaml: no YAML: it has more than 100,000 values, those behind"),
        ("rows: 2026-11-20", "line 1, rows: expected a list (one row for each function or method "),
        ("rows: &r\n  - *r", "line 1, rows[0]: expected a table"),
    ],
)
def test_what_is_no_yaml_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    found, problems = load(tmp_path, text, "agent.yaml")

    assert found is None
    assert complaint in problems[0]


@given(text=st.text(max_size=60), good=st.booleans())
def test_no_text_makes_reading_fail(
    tmp_path_factory: pytest.TempPathFactory, text: str, *, good: bool
) -> None:
    folder = tmp_path_factory.mktemp("map")
    content = (GOOD if good else "") + text
    for name in ("agent.toml", "agent.yaml"):
        (folder / name).write_text(content, encoding="utf-8", errors="surrogatepass")
        load_map(folder / name)


# --- any value in any place ---------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "engine": "x",
    "requires": "x>=1",
    "tables": {"words": {"a": "b"}},
    "outcomes": [
        {
            "engine": "lang*",
            "kind": ["node", "step"],
            "name": "x*",
            "when": {"path": "result.x", "equals": "error"},
            "error": "{result.why}",
        }
    ],
    "rows": [
        {
            "target": "a.b:C.d",
            "names": ["a.c:d"],
            "kind": "llm",
            "name": "{tables.words[x] or type(self)}",
            "span_name": "{x}",
            "operation": "chat",
            "label": "x",
            "id": "{caller.self.key}",
            "attempt": 1,
            "index": "{i}",
            "attributes": {"a.b": ["x", 1, True]},
            "result_attributes": {"c": "{result}"},
            "error_attributes": {"d": "{error}"},
            "remember": {"size": "{len(self.x)}"},
            "when": [{"path": "self.x", "in": ["a", 1]}],
            "keep": {"path": "self.x", "differs_from": "before.size"},
            "failed": {"when": {"path": "result", "exists": False}, "error": "none"},
            "transition": {"watch": "self.x", "span": "node", "cause": "{x}", "id": 1},
            "state": {"watch": "self", "keys": ["a"]},
            "prompt": {"name": "x", "version": 1, "reason": "y", "candidates": ["x"]},
            "prompt_text": {"text": "result", "variables": "{keys(kwargs)}"},
            "route": {"from": "a", "to": "b", "action": "c"},
            "retry": {"attempt": 2, "error": "x", "when": {"path": "x", "above": 1.5}},
            "events": [{"name": "x", "at": "before", "attributes": {"a": 1}}],
            "usage": {"input_tokens": "result.x"},
            "quiet": ["Pause"],
            "detail": "full",
            "subclasses": True,
            "script": False,
            "optional": True,
        }
    ],
}


def places(data: Any) -> list[tuple[str | int, ...]]:
    """Every place of a map."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found: list[tuple[str | int, ...]] = []
    for key, value in items:
        inner = places(value) if isinstance(value, dict | list) else []
        found += [(key,), *((key, *place) for place in inner)]
    return found


def replaced(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The same data with another value at a place."""
    if not place:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[place[0]] = replaced(data[place[0]], place[1:], value)
    return copy


def written(value: Any) -> str:
    """A value in TOML, all on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{written(k)} = {written(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats())
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def test_a_map_that_says_everything_is_in_order(tmp_path: Path) -> None:
    found, problems = load(tmp_path, json.dumps(EVERYTHING), "agent.yaml")

    assert problems == []
    assert found is not None
    assert len(found.outcomes) == len(found.patches) == 1


@settings(max_examples=300)
@given(place=st.sampled_from(places(EVERYTHING)), value=ANYTHING)
def test_any_value_in_any_place_is_used_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: Any
) -> None:
    """Never an exception; a refusal names the file and the line, in TOML and in YAML alike."""
    folder = tmp_path_factory.mktemp("map")
    wrong = replaced(EVERYTHING, place, value)
    toml = "".join(f"{written(key)} = {written(inner)}\n" for key, inner in wrong.items())
    sentence = re.compile(r"span map agent\.\w+(, line [1-9]\d*.*: .+| is empty: .+)", re.DOTALL)

    for name, text in (("agent.toml", toml), ("agent.yaml", json.dumps(wrong))):
        found, problems = load(folder, text, name)
        assert [one for one in problems if not sentence.fullmatch(one)] == []
        assert problems or found is not None
        assert not any(": no TOML: " in one for one in problems)
