"""Checks the shape of a span map by its JSON Schema, the same file that editors use.

Only the keywords of :data:`CHECKS` and :data:`NOTES` occur in that file, so that this page of code
can stand for a library that a watched program should not have to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.spanmap.lines import Location

SCHEMA_FILE: Final = Path(__file__).with_name("spanmap.schema.json")
"""The schema that is published for editors."""

Schema = Mapping[str, Any]


class Problem(NamedTuple):
    """Something wrong at a place of the map."""

    location: Location
    sentence: str


@cache
def schema() -> Schema:
    """The schema of span maps, read once."""
    found: Schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    return found


def check(data: Any) -> Iterator[Problem]:
    """What is wrong with the shape of a map.

    Args:
        data: The map as TOML or YAML gave it.

    Yields:
        One problem for each fault, in the order of the schema.
    """
    yield from _check(data, schema(), ())


def _check(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    rule = _resolved(rule)
    expected = rule.get("type")
    if expected is not None and not _has_type(data, expected):
        yield Problem(location, f"expected {_described(rule)}, found {_name_of_type(data)}")
        return
    for keyword, test in CHECKS.items():
        if keyword in rule:
            yield from test(data, rule, location)


def _resolved(rule: Schema) -> Schema:
    """The rule with what it refers to; its own description goes first."""
    while "$ref" in rule:
        name = rule["$ref"].removeprefix("#/$defs/")
        rule = {**schema()["$defs"][name], **{k: v for k, v in rule.items() if k != "$ref"}}
    return rule


_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "array": ((list,), "a list"),
    "boolean": ((bool,), "true or false"),
    "number": ((int, float), "a number"),
    "object": ((dict,), "a table"),
    "string": ((str,), "a text"),
}


def _has_type(data: Any, expected: str | list[str]) -> bool:
    if isinstance(expected, list):
        return any(_has_type(data, each) for each in expected)
    if isinstance(data, bool):
        return expected == "boolean"
    return isinstance(data, _TYPES[expected][0])


def _name_of_type(data: Any) -> str:
    if data is None:
        return "nothing"
    for name, (_, described) in _TYPES.items():
        if _has_type(data, name):
            return described
    return f"a {type(data).__name__}"


def _described(rule: Schema) -> str:
    expected = rule.get("type")
    if isinstance(expected, str):
        noun = _TYPES[expected][1]
        return f"{noun} ({rule['description']})" if "description" in rule else noun
    return str(rule.get("title") or rule.get("description"))


def _required(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    for key in rule["required"]:
        if key not in data:
            meaning = _resolved(rule["properties"][key]).get("description", "")
            yield Problem(
                location, f'{rule["title"]} needs the key "{key}": {meaning}'.rstrip(": ")
            )


def _keys(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    known = rule.get("properties", {})
    others = rule["additionalProperties"]
    for key, value in data.items():
        if key in known:
            yield from _check(value, known[key], (*location, key))
        elif others is False:
            hint = _near(key, known) or f"expected one of {', '.join(known)}"
            yield Problem((*location, key), f'{rule["title"]} has no key "{key}": {hint}')
        else:
            yield from _check(value, others, (*location, key))


def _key_names(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    for key in data:
        if not isinstance(key, str):
            yield Problem(location, f"{key!r} is no usable key: expected a text")
            continue
        for problem in _check(key, rule["propertyNames"], (*location, key)):
            yield problem._replace(sentence=f'"{key}" is no usable key: {problem.sentence}')


def _items(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    for index, item in enumerate(data):
        yield from _check(item, rule["items"], (*location, index))


def _any_of(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    # The alternatives of this schema differ by type, so the type says which one was meant.
    for alternative in map(_resolved, rule["anyOf"]):
        if _has_type(data, alternative["type"]):
            yield from _check(data, alternative, location)
            return
    choices = " or ".join(_described(_resolved(each)) for each in rule["anyOf"])
    yield Problem(location, f"expected {choices}, found {_name_of_type(data)}")


def _enum(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    choices = rule["enum"]
    if data not in choices:
        hint = _near(data, choices)
        expected = f"expected one of {', '.join(choices)}"
        found = f'"{data}"' if isinstance(data, str) else _name_of_type(data)
        yield Problem(location, f"{found} is not usable: {hint or expected}")


def _pattern(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    if re.search(rule["pattern"], data) is None:
        expected = rule.get("description", "a name of letters, digits and _")
        yield Problem(location, f'"{data}" is not usable: expected {expected}')


def _size(data: Any, rule: Schema, location: Location) -> Iterator[Problem]:
    least = max(rule.get(key, 0) for key in ("minLength", "minItems", "minProperties"))
    if not least <= len(data) <= rule.get("maxProperties", len(data)):
        expected = rule.get("description") or rule.get("title") or "something"
        found = "nothing" if not data else f"{len(data)} of them"
        yield Problem(location, f"expected {expected}, found {found}")


def _near(name: Any, known: Any) -> str:
    found = get_close_matches(name, list(known), n=1) if isinstance(name, str) else []
    return f'did you mean "{found[0]}"?' if found else ""


CHECKS: Final[Mapping[str, Callable[[Any, Schema, Location], Iterator[Problem]]]] = {
    "required": _required,
    "propertyNames": _key_names,
    "additionalProperties": _keys,
    "minProperties": _size,
    "minItems": _size,
    "minLength": _size,
    "items": _items,
    "anyOf": _any_of,
    "enum": _enum,
    "pattern": _pattern,
}
"""What each keyword of the schema asks; a keyword's check may read its neighbours."""

NOTES: Final = frozenset(
    {
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "description",
        "maxProperties",
        "properties",
        "title",
        "type",
    }
)
"""Keywords that ask nothing by themselves, or that a neighbour's check reads."""
