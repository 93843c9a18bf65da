"""What the dashboards show, and where they lead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from dashboards import names
from dashboards.alerts import ALERTS
from dashboards.files import BOARDS
from dashboards.lint import targets
from flowspan import semconv
from flowspan.instrumentation import metrics

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dashboards" / "json").glob("*.json"))
LOADED = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}
TEXT = "\n".join(path.read_text("utf-8") for path in FILES)


def test_every_metric_of_the_contract_is_shown_somewhere() -> None:
    contract = [name for name, *_ in (*metrics._HISTOGRAMS, *metrics._SUMS)]
    contract.append(semconv.METRIC_RUNS_ACTIVE)

    assert [name for name in contract if names.label(name) not in TEXT] == []


def test_nothing_is_grouped_by_an_id() -> None:
    ids = {names.label(name) for name in (semconv.RUN_ID, semconv.NODE_ID, semconv.RESPONSE_ID)}

    assert names.GROUPS & (ids | {"instance", names.label(semconv.SERVICE_INSTANCE_ID)}) == set()


@pytest.mark.parametrize("uid", LOADED)
def test_data_sources_are_chosen_and_never_named(uid: str) -> None:
    sources = {
        variable["name"]: variable["query"]
        for variable in LOADED[uid]["templating"]["list"]
        if variable["type"] == "datasource"
    }

    assert sources == {"metrics": "prometheus", "traces": "jaeger"}
    assert set(re.findall(r'"uid": "(\$?[^"]+)"', json.dumps(LOADED[uid]))) == {uid, "${metrics}"}


def test_the_graphs_of_durations_and_of_costs_lead_to_traces_by_exemplars() -> None:
    leading = {
        panel["title"]
        for board in LOADED.values()
        for panel, target in targets(board)
        if target.get("exemplar")
    }

    assert leading == {
        "Duration of runs",
        "Cost of a run",
        "Duration of nodes",
        "Duration of calls",
        "Time to first chunk",
        "Tokens of a call, 95 %",
    }


def _links(part: Any) -> list[dict[str, str]]:
    if isinstance(part, dict):
        found = [part] if "/explore" in str(part.get("url", "")) else []
        return found + [link for value in part.values() for link in _links(value)]
    if isinstance(part, list):
        return [link for value in part for link in _links(value)]
    return []


def test_rows_of_tables_lead_to_a_search_for_their_traces() -> None:
    (link, _) = _links(LOADED["flowspan-time"])
    panes = json.loads(parse_qs(urlsplit(link["url"]).query)["panes"][0])
    (query,) = panes["a"]["queries"]

    assert panes["a"]["datasource"] == query["datasource"]["uid"] == "${traces}"
    assert panes["a"]["range"] == {"from": "${__from}", "to": "${__to}"}
    assert query["service"] == "${__data.fields.Service}"
    assert query["tags"] == (
        'flowspan.kind="node" gen_ai.workflow.name="${__data.fields.Workflow}" '
        'gen_ai.step.name="${__data.fields.Node}"'
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_columns_that_links_read_are_there(board: Any) -> None:
    for panel in board.panels:
        columns = {title for _, title in panel.columns}
        read = {value for link in panel.links for _, value in link.tags if '"' not in value}

        assert read <= columns
        assert not panel.links or "Service" in columns


def test_the_dashboards_lead_to_each_other_with_what_was_chosen() -> None:
    for board in LOADED.values():
        (link,) = board["links"]

        assert (link["type"], link["tags"]) == ("dashboards", ["flowspan"])
        assert link["includeVars"]
        assert link["keepTime"]
        assert board["tags"] == ["flowspan"]


def test_grafana_is_told_where_they_are() -> None:
    provisioning = ROOT / "grafana" / "provisioning" / "dashboards" / "flowspan.yaml"
    (provider,) = yaml.safe_load(provisioning.read_text("utf-8"))["providers"]

    assert provider["options"] == {"path": "/etc/grafana/dashboards"}
    assert provider["allowUiUpdates"] is False


def test_each_alert_says_what_it_means_and_which_dashboard_shows_it() -> None:
    uids = {board.uid for board in BOARDS}

    assert {alert.dashboard for alert in ALERTS} <= uids
    assert all(alert.summary and alert.description.endswith(".") for alert in ALERTS)
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
