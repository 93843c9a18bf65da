"""Turns the data of one row into a :class:`Row`, and says what in it cannot be meant.

The shape of the data was checked by the schema before; here is what a schema cannot say: that a
path can be parsed, and that what it asks for is known at the moment when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.spanmap.events import (
    SHORTHANDS,
    EventRule,
    StateWatch,
    TransitionWatch,
    Watch,
)
from flowspan.instrumentation.spanmap.lines import Location
from flowspan.instrumentation.spanmap.parsing import Moment, Parsing, listed
from flowspan.instrumentation.spanmap.paths import NO_TABLES, Path, Tables, parse_path
from flowspan.instrumentation.spanmap.rows import Failure, Row
from flowspan.instrumentation.spanmap.values import Value

_PLAIN: Final = ("target", "label", "operation", "detail", "subclasses", "script", "optional")
_LISTS: Final = ("names", "quiet")
_SPAN_KEYS: Final = (
    *("name", "span_name", "operation", "id", "attempt", "index"),
    *("failed", "usage", "quiet", "keep", "stream"),
)
_ATTRIBUTE_OF_KEY: Final = {
    "id": semconv.NODE_ID,
    "attempt": semconv.ATTEMPT,
    "index": semconv.STEP_INDEX,
}


_OWN: Final = frozenset({"builtins", "flowspan", "opentelemetry", "wrapt"})
"""Packages whose functions seeing a call consists of: to see these as well would have no end."""


class RowCompiler(Parsing):
    """Reads one row."""

    def __init__(
        self, data: Mapping[str, Any], location: Location, tables: Tables = NO_TABLES
    ) -> None:
        super().__init__(location, tables)
        self._data = data
        self._is_method = "." in data["target"].partition(":")[2]

    def row(self) -> Row:
        """The row; not to be used if there are problems."""
        data = self._data
        self._check_kind()
        self._check_target()
        plain = {key: data[key] for key in _PLAIN if key in data}
        plain |= {key: tuple(data[key]) for key in _LISTS if key in data}
        return Row(
            plain=plain,
            kind=data.get("kind"),
            name=self.value(data, (), "name", "before"),
            span_name=self.value(data, (), "span_name", "before"),
            request=(*self._numbers(), *self._table("attributes", "before")),
            response=self._table("result_attributes", "after"),
            failure=self._table("error_attributes", "failure"),
            remember=self._table("remember", "before"),
            when=self.conditions(data, (), "before"),
            keep=self.conditions(data, (), "after", "keep"),
            failed=self._failed(),
            watches=self._watches(),
            events=(*self._shorthands(), *self._events()),
            usage=self._usage(),
            streams="stream" in data,
        )

    # --- the parts of a row --------------------------------------------------------------------

    def unknown(self, root: str, moment: Moment) -> str | None:
        """Why a root means nothing at a moment of a call; ``None`` where it means something."""
        if root == "self" and not self._is_method:
            return "the target is a function, not a method"
        return super().unknown(root, moment)

    def _check_kind(self) -> None:
        kind = self._data.get("kind")
        if kind is None:
            for key in _SPAN_KEYS:
                if key in self._data:
                    self.wrong((key,), f'"{key}" is about a span: expected a "kind" in the row')
        elif kind != "llm" and "usage" in self._data:
            self.wrong(("usage",), f'tokens belong to kind "llm", this row has kind "{kind}"')

    def _check_target(self) -> None:
        for place, target in (
            (("target",), self._data["target"]),
            *((("names", at), name) for at, name in enumerate(self._data.get("names", ()))),
        ):
            module = target.partition(":")[0].partition(".")[0]
            if module in _OWN:
                self.wrong(
                    place,
                    f'"{target}" is what flowspan itself runs on, and would be seen seeing itself: '
                    "expected a function of the program",
                )
        for key in ("subclasses", "script", "names"):
            if "*" in self._data["target"] and self._data.get(key):
                self.wrong((key,), f'a target with "*" takes no "{key}": expected one or the other')

    def _numbers(self) -> list[tuple[str, Value]]:
        found = (
            (attribute, self.value(self._data, (), key, "before"))
            for key, attribute in _ATTRIBUTE_OF_KEY.items()
        )
        return [(attribute, value) for attribute, value in found if value is not None]

    def _table(self, key: str, moment: Moment) -> tuple[tuple[str, Value], ...]:
        table = self._data.get(key, {})
        found = ((name, self.value(table, (key,), name, moment)) for name in table)
        return tuple((name, value) for name, value in found if value is not None)

    def _failed(self) -> tuple[Failure, ...]:
        found = []
        for rule, inner in listed(self._data, "failed", ()):
            conditions = self.conditions(rule, inner, "after")
            found.append(Failure(conditions, self.value(rule, inner, "error", "after")))
        return tuple(found)

    def _watches(self) -> tuple[Watch, ...]:
        return (*self._transition(), *self._state())

    def _transition(self) -> list[Watch]:
        table = self._data.get("transition", {})
        inner = ("transition",)
        path = self.path(table, inner, "watch", "before")
        cause = self.value(table, inner, "cause", "end")
        node_id = self.value(table, inner, "id", "end")
        if node_id is None:
            node_id = self.value(self._data, (), "id", "before")
        if path is None:
            return []
        return [TransitionWatch(path, cause, node_id, table.get("span", "own"))]

    def _state(self) -> list[Watch]:
        table = self._data.get("state", {})
        if isinstance(table, str):
            path = self.path(self._data, (), "state", "before")
            return [] if path is None else [StateWatch(path, "own")]
        path = self.path(table, ("state",), "watch", "before")
        keys = tuple(table["keys"]) if "keys" in table else None
        return [] if path is None else [StateWatch(path, table.get("span", "own"), keys)]

    def _shorthands(self) -> list[EventRule]:
        found = []
        for key, shorthand in SHORTHANDS.items():
            if key in self._data:
                table = self._data[key]
                moment = table.get("at", shorthand.moment)
                values = [
                    (attribute, self.value(table, (key,), name, moment))
                    for name, attribute in shorthand.attributes.items()
                ]
                attributes = [(name, value.read) for name, value in values if value is not None]
                text = self.path(table, (key,), "text", moment)
                if text is not None:
                    attributes += _measures(text, self.tables)
                found.append(self._rule(shorthand.event, attributes, table, (key,), moment))
        return found

    def _events(self) -> list[EventRule]:
        found = []
        for table, inner in listed(self._data, "events", ()):
            moment = table.get("at", "after")
            values = table.get("attributes", {})
            parsed = (
                (name, self.value(values, (*inner, "attributes"), name, moment)) for name in values
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
        conditions = self.conditions(table, inner, moment)
        return EventRule(name, tuple(attributes), moment, table.get("span", "own"), conditions)

    def _usage(self) -> tuple[tuple[str, Path], ...]:
        table = self._data.get("usage", {})
        found = ((name, self.path(table, ("usage",), name, "after")) for name in table)
        return tuple((name, path) for name, path in found if path is not None)


def _measures(text: Path, tables: Tables) -> list[Any]:
    return [
        (semconv.PROMPT_SHA256, parse_path(f"sha256({text.text})", tables).read),
        (semconv.PROMPT_LENGTH, parse_path(f"len({text.text})", tables).read),
    ]
