"""The schema that is published for editors is the one by which maps are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowspan import semconv
from flowspan.instrumentation.integration import Patch
from flowspan.instrumentation.spanmap.events import SHORTHANDS
from flowspan.instrumentation.spanmap.schema import CHECKS, NOTES, check, schema
from flowspan.instrumentation.spanmap.values import TESTS
from flowspan.usage import Usage

VALIDATOR = jsonschema.Draft202012Validator(schema())
ROW = schema()["$defs"]["row"]["properties"]


def rules(rule: Any = None) -> Iterator[dict[str, Any]]:
    """Every rule of the schema."""
    rule = schema() if rule is None else rule
    yield rule
    for key in ("properties", "$defs"):
        for inner in rule.get(key, {}).values():
            yield from rules(inner)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(rule.get(key), dict):
            yield from rules(rule[key])
    for inner in rule.get("anyOf", ()):
        yield from rules(inner)


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_keyword_of_the_schema_is_understood() -> None:
    """A keyword that only editors understand would let a wrong map pass."""
    assert {keyword for rule in rules() for keyword in rule} <= CHECKS.keys() | NOTES


def test_the_checks_find_what_they_read_beside_their_keyword() -> None:
    for rule in rules():
        if "properties" in rule:
            assert rule["additionalProperties"] is False
            assert rule["title"]
        if "maxProperties" in rule:
            assert "minProperties" in rule


def test_the_schema_says_the_same_as_the_vocabulary() -> None:
    assert ROW["kind"]["enum"] == list(semconv.Kind.__args__)  # type: ignore[attr-defined]
    assert schema()["$defs"]["usage"]["properties"].keys() < Usage.__dataclass_fields__.keys()
    assert schema()["$defs"]["condition"]["properties"].keys() == TESTS.keys() | {"path"}
    for key in ("label", "operation", "quiet", "subclasses", "script", "optional"):
        assert key in Patch.__dataclass_fields__
    for name, shorthand in SHORTHANDS.items():
        others = {"at", "span", "when"} | ({"text"} if name == "prompt_text" else set())
        keys = schema()["$defs"][name]["properties"].keys()
        assert keys == shorthand.attributes.keys() | others


TEXTS = st.sampled_from(["", "a.b:c", "a:b.c", "run", "own", "self.x", "normal", "1:2", "after"])
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-1, 1), st.floats(allow_nan=False))
WRONG = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(TEXTS, SCALARS, max_size=2),
)


def data_of(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What is mostly in order by a rule, and sometimes not."""
    while "$ref" in rule:
        rule = schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    if "anyOf" in rule:
        found = st.one_of(*map(data_of, rule["anyOf"]))
    elif "enum" in rule:
        found = st.sampled_from(rule["enum"])
    elif isinstance(rule["type"], list):
        found = SCALARS
    else:
        found = OF_TYPE[rule["type"]](rule)
    return st.integers(0, 19).flatmap(lambda dice: found if dice else WRONG)


def later(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: data_of(rule))


def object_of(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in rule:
        return st.dictionaries(TEXTS, data_of(rule["additionalProperties"]), max_size=2)
    optional = {key: later(inner) for key, inner in rule["properties"].items()}
    required = {key: optional.pop(key) for key in rule.get("required", ())}
    some = (
        st.fixed_dictionaries({})
        if not optional
        else st.sets(st.sampled_from(sorted(optional)), max_size=4).flatmap(
            lambda keys: st.fixed_dictionaries({key: optional[key] for key in sorted(keys)})
        )
    )
    return st.tuples(st.fixed_dictionaries(required), some).map(lambda both: both[0] | both[1])


OF_TYPE: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "array": lambda rule: st.lists(later(rule["items"]), max_size=2),
    "boolean": lambda _: st.booleans(),
    "number": lambda _: st.integers(-1, 1),
    "object": object_of,
    "string": lambda _: TEXTS,
}


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data_of(dict(schema())))
def test_a_map_is_refused_exactly_where_the_published_schema_refuses_it(data: Any) -> None:
    problems = list(check(data))

    assert (not problems) is VALIDATOR.is_valid(data), problems


VALID: dict[str, Any] = {
    "engine": "x",
    "requires": "x>=1",
    "rows": [
        {
            "target": "a.b:C.d",
            "kind": "node",
            "name": "{x}",
            "attempt": 1,
            "attributes": {"a.b": ["x", 1, True]},
            "remember": {"size": "{len(self.x)}"},
            "when": [{"path": "self.x", "in": ["a", 1]}],
            "failed": {"when": {"path": "result", "exists": False}, "error": "none"},
            "transition": {"watch": "self.x", "span": "enclosing"},
            "state": "self",
            "prompt": {"name": "x", "at": "before"},
            "events": [{"name": "x", "when": {"path": "x", "above": 1.5}}],
            "usage": {"input_tokens": "result.x"},
            "subclasses": True,
        }
    ],
}


def test_a_map_that_uses_everything_is_in_order() -> None:
    assert list(check(VALID)) == []
    assert VALIDATOR.is_valid(VALID)


@pytest.mark.parametrize(
    ("change", "location", "sentence"),
    [
        ({"rows": None}, ("rows",), "expected a list (one row for each function"),
        ({"rows": []}, ("rows",), "expected one row for each function or method that has a role,"),
        ({"rows": ["x"]}, ("rows", 0), "expected a table (what calls of one function"),
        ({"row": []}, ("row",), 'a span map has no key "row": did you mean "rows"?'),
        ({"engine": ""}, ("engine",), "expected a name for the program's engine"),
        ({"zzz": 1}, ("zzz",), "expected one of engine, requires, rows"),
    ],
)
def test_what_is_wrong_at_the_top_is_named(
    change: dict[str, Any], location: tuple[Any, ...], sentence: str
) -> None:
    problems = list(check(VALID | change))

    assert [problem.location for problem in problems] == [location]
    assert sentence in problems[0].sentence


@pytest.mark.parametrize(
    ("change", "location", "sentence"),
    [
        ({"target": "a.b"}, ("target",), '"a.b" is not usable: expected the function or method'),
        ({"target": 7}, ("target",), "expected a text (the function or method"),
        ({"kind": "nod"}, ("kind",), '"nod" is not usable: did you mean "node"?'),
        ({"kind": "zzz"}, ("kind",), "expected one of run, step, node"),
        ({"kind": ["run"]}, ("kind",), "a list is not usable: expected one of run"),
        ({"kid": "x"}, ("kid",), 'a row has no key "kid": did you mean "kind"?'),
        ({"zzz": 1}, ("zzz",), 'a row has no key "zzz": expected one of target, kind'),
        ({7: 1}, (7,), 'a row has no key "7"'),
        ({"name": 7}, ("name",), "found a number"),
        ({"name": ""}, ("name",), "found nothing"),
        ({"subclasses": "yes"}, ("subclasses",), "expected true or false"),
        (
            {"attempt": {}},
            ("attempt",),
            "expected a text, a number or a boolean or a list, found a table",
        ),
        ({"attempt": None}, ("attempt",), "found nothing"),
        ({"attributes": {"a": {}}}, ("attributes", "a"), "found a table"),
        ({"attributes": {7: 1}}, ("attributes",), "7 is no usable key: expected a text"),
        ({"attributes": {"": 1}}, ("attributes", ""), '"" is no usable key'),
        ({"remember": {"a b": "x"}}, ("remember", "a b"), '"a b" is no usable key'),
        ({"when": {"path": "x"}}, ("when",), "expected a path and one test, found 1 of them"),
        ({"when": {"equals": 1, "above": 1}}, ("when",), 'a condition needs the key "path"'),
        ({"when": []}, ("when",), "found nothing"),
        ({"when": "x"}, ("when",), "found a text"),
        ({"failed": {"error": "x"}}, ("failed",), 'a rule of failure needs the key "when"'),
        (
            {"events": [{"name": "x", "at": "end"}]},
            ("events", 0, "at"),
            '"end" is not usable: expected one of before',
        ),
        ({"transition": {}}, ("transition",), 'needs the key "watch": where the state is'),
        ({"usage": {}}, ("usage",), "found nothing"),
    ],
)
def test_what_is_wrong_in_a_row_is_named_with_what_was_expected(
    change: dict[Any, Any], location: tuple[Any, ...], sentence: str
) -> None:
    problems = list(check({"rows": [VALID["rows"][0] | change]}))

    assert problems[0].location == ("rows", 0, *location)
    assert sentence in problems[0].sentence


def test_a_row_needs_a_target() -> None:
    problems = list(check({"rows": [{}]}))

    assert problems[0].sentence.startswith('a row needs the key "target": the function or method')
