"""The rules of outcomes in a span map: which results of an engine's nodes mean failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Call, Judged, OutcomeRule
from flowspan.instrumentation.spanmap.lines import Location
from flowspan.instrumentation.spanmap.parsing import Moment, Parsing
from flowspan.instrumentation.spanmap.paths import NO_TABLES, Scope, Tables
from flowspan.instrumentation.spanmap.rows import OTHER
from flowspan.instrumentation.spanmap.schema import Problem
from flowspan.instrumentation.spanmap.values import Condition, Value

_KNOWN: Final = frozenset({"result", "state"})


def parse_outcome(
    data: Mapping[str, Any], location: Location, tables: Tables = NO_TABLES
) -> tuple[OutcomeRule | None, list[Problem]]:
    """Read one rule.

    Args:
        data: The rule, whose shape was checked.
        location: Where it stands.
        tables: The map's tables.

    Returns:
        The rule, or ``None`` and what is wrong with it.
    """
    parsing = _Parsing(location, tables)
    conditions = parsing.conditions(data, (), "after")
    error = parsing.value(data, (), "error", "after")
    if parsing.problems:
        return None, parsing.problems
    kinds = data.get("kind", "node")
    rule = OutcomeRule(
        judge=_Judge(conditions, error),
        engine=data.get("engine", "*"),
        kinds=frozenset(kinds if isinstance(kinds, list) else [kinds]),
        name=data.get("name", "*"),
    )
    return rule, []


class _Parsing(Parsing):
    """Knows that a rule sees what a node returned, and nothing of how an engine calls it."""

    def unknown(self, root: str, moment: Moment) -> str | None:
        """Every root but those of a rule."""
        del moment
        if root in _KNOWN:
            return None
        return "a rule of outcomes looks at result, what a node returned, and state"


class _Judge:
    """The conditions of a rule, and what it calls the failure."""

    def __init__(self, conditions: tuple[Condition, ...], error: Value | None) -> None:
        self._conditions = conditions
        self._error = error

    def __call__(self, judged: Judged) -> str | None:
        scope = Scope(Call(None, (), {"state": judged.state}), judged.result)
        if not all(condition.holds(scope) for condition in self._conditions):
            return None
        return (self._error and self._error.text(scope)) or OTHER
