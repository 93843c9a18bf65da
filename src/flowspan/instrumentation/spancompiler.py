"""Turns the data of one row into a :class:`Row`, and says what in it cannot be meant.

The shape of the data was checked by the schema before; here is what a schema cannot say: that a
path can be parsed, and that what it asks for is known at the moment when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from flowspan import semconv
from flowspan.instrumentation.spanevents import (
    SHORTHANDS,
    EventRule,
    StateWatch,
    TransitionWatch,
    Watch,
)
from flowspan.instrumentation.spanlines import Location
from flowspan.instrumentation.spanpaths import Path, PathError, parse_path
from flowspan.instrumentation.spanrows import Failure, Row
from flowspan.instrumentation.spanschema import Problem
from flowspan.instrumentation.spanvalues import Condition, Value, parse_condition, parse_value

Moment = Literal["before", "after", "failure", "end"]
"""When a path is read; ``end`` is after the call, whichever way it went."""

_PLAIN: Final = ("target", "label", "operation", "detail", "subclasses", "script", "optional")
_SPAN_KEYS: Final = (
    *("name", "span_name", "operation", "id", "attempt", "index"),
    *("failed", "usage", "quiet"),
)
_ATTRIBUTE_OF_KEY: Final = {
    "id": semconv.NODE_ID,
    "attempt": semconv.ATTEMPT,
    "index": semconv.STEP_INDEX,
}
_NOT_YET: Final[Mapping[str, Mapping[str, str]]] = {
    "before": {
        "result": "the result is known only after the call",
        "error": "an error is known only after the call has failed",
        "before": "before the call nothing is remembered yet",
    },
    "after": {"error": "a call that has returned has no error"},
    "failure": {"result": "a call that has failed has no result"},
    "end": {},
}


class RowCompiler:
    """Reads one row.

    Attributes:
        problems: What was found to be wrong; a row with problems is of no use.
    """

    def __init__(self, data: Mapping[str, Any], location: Location) -> None:
        self.problems: list[Problem] = []
        self._data = data
        self._location = location
        self._is_method = "." in data["target"].partition(":")[2]

    def row(self) -> Row:
        """The row; not to be used if there are problems."""
        data = self._data
        self._check_kind()
        plain = {key: data[key] for key in _PLAIN if key in data}
        plain["quiet"] = tuple(data.get("quiet", ()))
        return Row(
            plain=plain,
            kind=data.get("kind"),
            name=self._one(data, (), "name", "before"),
            span_name=self._one(data, (), "span_name", "before"),
            request=(*self._numbers(), *self._table("attributes", "before")),
            response=self._table("result_attributes", "after"),
            failure=self._table("error_attributes", "failure"),
            remember=self._table("remember", "before"),
            when=self._conditions(data, (), "before"),
            failed=self._failed(),
            watches=self._watches(),
            events=(*self._shorthands(), *self._events()),
            usage=self._usage(),
        )

    # --- the parts of a row --------------------------------------------------------------------

    def _check_kind(self) -> None:
        kind = self._data.get("kind")
        if kind is None:
            for key in _SPAN_KEYS:
                if key in self._data:
                    self._wrong((key,), f'"{key}" is about a span: expected a "kind" in the row')
        elif kind != "llm" and "usage" in self._data:
            self._wrong(("usage",), f'tokens belong to kind "llm", this row has kind "{kind}"')

    def _numbers(self) -> list[tuple[str, Value]]:
        found = (
            (attribute, self._one(self._data, (), key, "before"))
            for key, attribute in _ATTRIBUTE_OF_KEY.items()
        )
        return [(attribute, value) for attribute, value in found if value is not None]

    def _table(self, key: str, moment: Moment) -> tuple[tuple[str, Value], ...]:
        table = self._data.get(key, {})
        found = ((name, self._one(table, (key,), name, moment)) for name in table)
        return tuple((name, value) for name, value in found if value is not None)

    def _failed(self) -> tuple[Failure, ...]:
        found = []
        for rule, inner in _listed(self._data, "failed", ()):
            conditions = self._conditions(rule, inner, "after")
            found.append(Failure(conditions, self._one(rule, inner, "error", "after")))
        return tuple(found)

    def _watches(self) -> tuple[Watch, ...]:
        return (*self._transition(), *self._state())

    def _transition(self) -> list[Watch]:
        table = self._data.get("transition", {})
        inner = ("transition",)
        path = self._path(table, inner, "watch", "before")
        cause = self._one(table, inner, "cause", "end")
        node_id = self._one(table, inner, "id", "end")
        if node_id is None:
            node_id = self._one(self._data, (), "id", "before")
        if path is None:
            return []
        return [TransitionWatch(path, cause, node_id, table.get("span", "own"))]

    def _state(self) -> list[Watch]:
        table = self._data.get("state", {})
        if isinstance(table, str):
            path = self._path(self._data, (), "state", "before")
            return [] if path is None else [StateWatch(path, "own")]
        path = self._path(table, ("state",), "watch", "before")
        return [] if path is None else [StateWatch(path, table.get("span", "own"))]

    def _shorthands(self) -> list[EventRule]:
        found = []
        for key, shorthand in SHORTHANDS.items():
            if key in self._data:
                table = self._data[key]
                moment = table.get("at", shorthand.moment)
                values = [
                    (attribute, self._one(table, (key,), name, moment))
                    for name, attribute in shorthand.attributes.items()
                ]
                attributes = [(name, value.read) for name, value in values if value is not None]
                text = self._path(table, (key,), "text", moment)
                if text is not None:
                    attributes += _measures(text)
                found.append(self._rule(shorthand.event, attributes, table, (key,), moment))
        return found

    def _events(self) -> list[EventRule]:
        found = []
        for table, inner in _listed(self._data, "events", ()):
            moment = table.get("at", "after")
            values = table.get("attributes", {})
            parsed = (
                (name, self._one(values, (*inner, "attributes"), name, moment)) for name in values
            )
            attributes = [(name, value.read) for name, value in parsed if value is not None]
            found.append(self._rule(table["name"], attributes, table, inner, moment))
        return found

    def _rule(
        self,
        name: str,
        attributes: list[Any],
        table: Mapping[str, Any],
        inner: Location,
        moment: Any,
    ) -> EventRule:
        conditions = self._conditions(table, inner, moment)
        return EventRule(name, tuple(attributes), moment, table.get("span", "own"), conditions)

    def _usage(self) -> tuple[tuple[str, Path], ...]:
        table = self._data.get("usage", {})
        found = ((name, self._path(table, ("usage",), name, "after")) for name in table)
        return tuple((name, path) for name, path in found if path is not None)

    # --- values, paths and conditions ----------------------------------------------------------

    def _one(
        self, table: Mapping[str, Any], inner: Location, key: str, moment: Moment
    ) -> Value | None:
        if key not in table:
            return None
        try:
            value = parse_value(table[key])
        except PathError as wrong:
            self._wrong((*inner, key), str(wrong))
            return None
        self._check_roots(value.roots, (*inner, key), moment)
        return value

    def _path(
        self, table: Mapping[str, Any], inner: Location, key: str, moment: Moment
    ) -> Path | None:
        if key not in table:
            return None
        text = table[key]
        try:
            path = parse_path(text)
        except PathError as wrong:
            hint = "; here it stands without braces" if "{" in text else ""
            self._wrong((*inner, key), f"{wrong}{hint}")
            return None
        self._check_roots(path.roots, (*inner, key), moment)
        return path

    def _conditions(
        self, table: Mapping[str, Any], inner: Location, moment: Moment
    ) -> tuple[Condition, ...]:
        found = []
        for data, place in _listed(table, "when", inner):
            if self._path(data, place, "path", moment) is not None:
                found.append(parse_condition(data))
        return tuple(found)

    def _check_roots(self, roots: frozenset[str], inner: Location, moment: Moment) -> None:
        for root in sorted(roots & _NOT_YET[moment].keys()):
            self._wrong(inner, f'"{root}" is not known here: {_NOT_YET[moment][root]}')
        if "self" in roots and not self._is_method:
            self._wrong(inner, '"self" is not known here: the target is a function, not a method')

    def _wrong(self, inner: Location, sentence: str) -> None:
        self.problems.append(Problem((*self._location, *inner), sentence))


def _listed(
    table: Mapping[str, Any], key: str, inner: Location
) -> list[tuple[Mapping[str, Any], Location]]:
    """The tables under a key that takes one or a list of them, with their places."""
    found = table.get(key, [])
    if not isinstance(found, list):
        return [(found, (*inner, key))]
    return [(each, (*inner, key, index)) for index, each in enumerate(found)]


def _measures(text: Path) -> list[Any]:
    return [
        (semconv.PROMPT_SHA256, parse_path(f"sha256({text.text})").read),
        (semconv.PROMPT_LENGTH, parse_path(f"len({text.text})").read),
    ]
