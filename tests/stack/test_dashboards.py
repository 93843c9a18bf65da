"""Every panel shows something of a few runs, and what it leads to is there."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.alerts import ALERTS, GROUPS
from dashboards.lint import panels
from dashboards.substitution import filled
from stack.asking import get_json
from tests.stack.seeding import BOARDS, Seeded, numbers

# --- something in every panel ---------------------------------------------------------------------

EVERY_PANEL = [
    pytest.param(uid, panel["title"], id=f"{uid}: {panel['title']}")
    for uid, board in BOARDS.items()
    for panel in panels(board)
]


@pytest.mark.parametrize(("uid", "title"), EVERY_PANEL)
def test_every_panel_has_something_to_show(seeded: Seeded, uid: str, title: str) -> None:
    answers = seeded.panel(uid, title)

    assert [series for answer in answers for series in answer if numbers(series)]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_choice_has_values(seeded: Seeded, uid: str) -> None:
    for variable in BOARDS[uid]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = variable["query"]
        selector, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        filled_in = filled(selector, range_seconds=1, interval_seconds=1, chosen={})
        found = seeded.stack.prometheus_api.query(f"count by ({label})({filled_in})")

        assert [series for series in found if series["metric"].get(label)], query


def test_the_dots_of_graphs_lead_to_traces_of_the_runs(seeded: Seeded) -> None:
    known = {span.trace_id for span in seeded.spans}
    leading = [
        target
        for board in BOARDS.values()
        for panel in panels(board)
        for target in panel["targets"]
        if target.get("exemplar")
    ]

    assert leading
    for target in leading:
        found = seeded.stack.prometheus_api.exemplars(seeded.expr(target))
        assert found
        assert {one["labels"]["trace_id"] for one in found} <= known


LINKS = [
    pytest.param(uid, panel["title"], link, id=f"{uid}: {link['title']}")
    for uid, board in BOARDS.items()
    for panel in panels(board)
    for override in panel["fieldConfig"]["overrides"]
    for part in override["properties"]
    if part["id"] == "links"
    for link in part["value"]
]


@pytest.mark.parametrize(("uid", "title", "link"), LINKS)
def test_the_links_of_tables_find_traces(
    seeded: Seeded, uid: str, title: str, link: dict[str, str]
) -> None:
    """Jaeger is asked as Grafana's data source asks it, for each row of the table."""
    panes = json.loads(parse_qs(urlsplit(link["url"]).query)["panes"][0])
    (query,) = panes["a"]["queries"]
    (table,) = (panel for panel in panels(BOARDS[uid]) if panel["title"] == title)
    columns = _columns(table)
    found: set[str] = set()

    for series in seeded.panel(uid, title)[0]:
        row = {columns[label]: value for label, value in series["metric"].items()}
        service, tags = (_clicked(query[part], row) for part in ("service", "tags"))
        answer = get_json(
            f"{seeded.stack.jaeger_api.url}/api/traces",
            service=service,
            tags=json.dumps(dict(part.split("=", 1) for part in shlex.split(tags))),
            start=str(seeded.began * 1_000_000),
            end=str(seeded.ended * 1_000_000),
            limit="100",
        )
        found |= {trace["traceID"] for trace in answer["data"]}

    assert found
    assert found <= {span.trace_id for span in seeded.spans}
    if "ailed" in link["title"]:
        failed = {span.trace_id for span in seeded.spans if span.error_type is not None}
        assert found <= failed


def _columns(table: dict[str, Any]) -> dict[str, str]:
    """What a table calls the labels."""
    (organized,) = (one for one in table["transformations"] if one["id"] == "organize")
    columns: dict[str, str] = organized["options"]["renameByName"]
    return columns


def _clicked(text: str, row: dict[str, str]) -> str:
    return re.sub(r"\$\{__data\.fields\.(\w+)\}", lambda name: row.get(name[1], ""), text)


def test_the_alerts_are_loaded_and_one_of_them_would_speak(seeded: Seeded) -> None:
    loaded = get_json(f"{seeded.stack.prometheus_api.url}/api/v1/rules")["data"]["groups"]
    speaking = {alert.name for alert in ALERTS if seeded.stack.prometheus_api.query(alert.expr)}

    assert {group["name"] for group in loaded} == {group.name for group in GROUPS}
    assert "FlowspanUnpricedCalls" in speaking
    assert speaking.isdisjoint({"FlowspanSpend", "FlowspanSpansDropped", "FlowspanCollectorLoses"})
