"""What must be true of every dashboard: checked on the JSON, as Grafana gets it.

Nobody starts Grafana to test: a dashboard that says nothing, says it twice, or asks what Prometheus
does not understand is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, Final

import promql_parser as promql

from dashboards.model import WHOLE
from dashboards.names import GROUPS
from dashboards.substitution import filled, variables

_OF_GRAFANA: Final = frozenset({"__range", "__range_s", "__interval"})
_METRICS: Final = "${metrics}"
_AVERAGES: Final = frozenset({"avg_over_time", "quantile_over_time"})

Board = dict[str, Any]


def problems(board: Board) -> list[str]:
    """Everything that is wrong with a dashboard, each in a sentence."""
    return [
        f"{board['title']}: {problem}"
        for check in (_identity, _layout, _sources, _variables, _queries)
        for problem in check(board)
    ]


def panels(board: Board) -> list[dict[str, Any]]:
    """The panels of a dashboard, without the headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(board: Board) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each query of a dashboard, with its panel."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel, target


# --- what a panel is ----------------------------------------------------------------------------


def _identity(board: Board) -> Iterator[str]:
    for what, found in (
        ("numbers", [panel["id"] for panel in board["panels"]]),
        ("titles", [panel["title"] for panel in board["panels"]]),
    ):
        if len(found) != len(set(found)):
            yield f"two panels have one of these {what}: {found}"
    for panel in panels(board):
        for part in ("title", "description"):
            if not panel.get(part, "").strip():
                yield f"panel {panel['id']} ({panel.get('title')!r}) has no {part}"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{panel['title']!r} has no unit"
        letters = [target["refId"] for target in panel["targets"]]
        if not letters or len(letters) != len(set(letters)):
            yield f"{panel['title']!r} has the queries {letters}: one of each letter, please"


def _layout(board: Board) -> Iterator[str]:
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["x"] + place["w"] > WHOLE:
            yield f"{panel['title']!r} is not within the {WHOLE} columns"
    for one, other in combinations(board["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']!r} and {other['title']!r} lie upon each other"


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def _sources(board: Board) -> Iterator[str]:
    for panel, target in targets(board):
        for asked in (panel, target):
            if asked.get("datasource") != {"type": "prometheus", "uid": _METRICS}:
                yield f"{panel['title']!r} asks {asked.get('datasource')}, not {_METRICS}"


def _variables(board: Board) -> Iterator[str]:
    known = {variable["name"] for variable in board["templating"]["list"]}
    text = str(board["panels"])
    for panel, target in targets(board):
        if unknown := variables(target["expr"]) - known - _OF_GRAFANA:
            yield f"{panel['title']!r} names variables that are not there: {sorted(unknown)}"
    for name in sorted(known):
        if f"${name}" not in text and f"${{{name}}}" not in text and name != "traces":
            yield f"the variable {name!r} changes nothing"


# --- what a query is ----------------------------------------------------------------------------


def _queries(board: Board) -> Iterator[str]:
    for panel, target in targets(board):
        expr = filled(target["expr"], range_seconds=3600, interval_seconds=30)
        for problem in query_problems(expr):
            yield f"{panel['title']!r}, query {target['refId']}: {problem}"
        if target.get("exemplar") and ("_bucket" not in expr or not target.get("range")):
            yield f"{panel['title']!r} wants exemplars of what is no graph of a histogram"


def query_problems(expr: str) -> list[str]:
    """What is wrong with a query, once its variables are filled in."""
    try:
        tree = promql.parse(expr)
    except ValueError as error:
        return [f"it cannot be parsed: {error}"]
    found: list[str] = []
    promql.walk(tree, lambda part: _examined(part, found))
    return found


def _examined(part: Any, found: list[str]) -> None:
    examine = _EXAMINED.get(type(part))
    if examine is not None:
        found.extend(examine(part))


def _aggregate(part: Any) -> Iterator[str]:
    operation = part.prettify().partition("(")[0].split()[0]
    if operation in ("avg", "quantile"):
        yield f"{operation} of series is an average of averages; divide sums, or sum buckets"
    for label in part.modifier.labels if part.modifier is not None else ():
        if label not in GROUPS:
            yield f"it groups by {label}, which is not among the bounded labels"


def _call(part: Any) -> Iterator[str]:
    name = part.func.name
    if name in _AVERAGES:
        yield f"{name} is an average of averages; divide sums, or sum buckets"
    if name in ("rate", "increase", "irate"):
        yield f"{name} does not count the first sample of a process; ask for its growth"
    if name == "histogram_quantile":
        summed = part.args[1]
        labels = getattr(getattr(summed, "modifier", None), "labels", ())
        if "le" not in labels:
            yield "a quantile needs buckets summed by le"


_EXAMINED: Final[dict[type, Callable[[Any], Iterator[str]]]] = {
    promql.AggregateExpr: _aggregate,
    promql.Call: _call,
}
