"""Links from a dashboard: to the other ones, and to the traces behind a row of a table."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from dashboards.model import Link
from dashboards.variables import TRACES

TAG: Final = "flowspan"
"""What all our dashboards are tagged with, by which they find each other."""

_FIELD: Final = re.compile(r"\$%7B(\w+(?:\.\w+)*)%7D")


def to_the_others() -> DashboardLink:
    """The other dashboards, with the same choices and the same time."""
    return (
        DashboardLink("flowspan")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
        .icon("dashboard")
    )


def to_traces(link: Link) -> dict[str, object]:
    """A search in Grafana's Explore, by the Jaeger data source, for the service of a row."""
    query = {
        "refId": "A",
        "datasource": {"type": "jaeger", "uid": f"${{{TRACES}}}"},
        "queryType": "search",
        "service": _column("Service"),
        "tags": " ".join(f"{tag}={_value(value)}" for tag, value in link.tags),
    }
    pane = {
        "datasource": f"${{{TRACES}}}",
        "queries": [query],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"a": pane}, separators=(",", ":")), safe="$")
    readable = _FIELD.sub(r"${\1}", panes)  # Grafana fills in what it finds between plain braces
    url = f"/explore?schemaVersion=1&panes={readable}"
    return {"title": link.title, "url": url, "targetBlank": True}


def _column(name: str) -> str:
    return f"${{__data.fields.{name}}}"


def _value(value: str) -> str:
    return value if value.startswith('"') else f'"{_column(value)}"'
