"""What must be true of every dashboard, and that it would be noticed if it were not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.alerts import GROUPS
from dashboards.lint import problems, query_problems

FILES = sorted((Path(__file__).parents[2] / "dashboards" / "json").glob("*.json"))
Board = dict[str, Any]


def board(path: Path) -> Board:
    loaded: Board = json.loads(path.read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_is_in_order(path: Path) -> None:
    assert problems(board(path)) == []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_rules_are_in_order(group: Any) -> None:
    found = {rule.name: query_problems(rule.expr) for rule in group.rules}

    assert {name: problem for name, problem in found.items() if problem} == {}


# --- what would be noticed ------------------------------------------------------------------------


def _panel(spoilt: Board) -> dict[str, Any]:
    """Some panel: the first below the first heading."""
    found: dict[str, Any] = spoilt["panels"][1]
    return found


def _asks(expr: str) -> Callable[[Board], None]:
    return lambda spoilt: _panel(spoilt)["targets"][0].update(expr=expr)


SPOILT: dict[str, tuple[Callable[[Board], Any], str]] = {
    "numbers": (lambda spoilt: _panel(spoilt).update(id=1), "one of these numbers"),
    "titles": (lambda spoilt: _panel(spoilt).update(title="Success"), "one of these titles"),
    "description": (lambda spoilt: _panel(spoilt).update(description=" "), "has no description"),
    "unit": (lambda spoilt: _panel(spoilt)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "queries": (lambda spoilt: _panel(spoilt).update(targets=[]), "one of each letter"),
    "outside": (lambda spoilt: _panel(spoilt)["gridPos"].update(x=22), "24 columns"),
    "upon": (lambda spoilt: _panel(spoilt)["gridPos"].update(w=5), "lie upon each other"),
    "source": (lambda spoilt: _panel(spoilt).update(datasource={"uid": "P1"}), "asks"),
    "unknown variable": (_asks("sum(a{b='$nobody'})"), "variables that are not there: ['nobody']"),
    "idle variable": (
        lambda spoilt: spoilt["templating"]["list"].append({"name": "idle"}),
        "'idle' changes nothing",
    ),
    "exemplars": (
        lambda spoilt: _panel(spoilt)["targets"][0].update(exemplar=True),
        "exemplars of what is no graph",
    ),
    "syntax": (_asks("sum(a"), "cannot be parsed"),
    "average": (_asks("avg(a)"), "average of averages"),
    "average over time": (_asks("sum(avg_over_time(a[1m]))"), "average of averages"),
    "rate": (_asks("sum(rate(a[1m]))"), "first sample of a process"),
    "id": (_asks("sum by (flowspan_run_id) (a)"), "not among the bounded labels"),
    "buckets": (_asks("histogram_quantile(0.9, sum by (job) (a))"), "summed by le"),
    "no buckets": (_asks("histogram_quantile(0.9, a)"), "summed by le"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_fault_is_found(fault: str) -> None:
    spoil, expected = SPOILT[fault]
    whole = next(path for path in FILES if path.stem == "flowspan-runs")
    spoilt = copy.deepcopy(board(whole))

    spoil(spoilt)

    assert any(expected in problem for problem in problems(spoilt)), problems(spoilt)


def test_no_two_dashboards_have_one_address_or_title() -> None:
    boards = [board(path) for path in FILES]

    assert len({one["uid"] for one in boards}) == len({one["title"] for one in boards}) == 5
