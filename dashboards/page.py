"""The lists on the page about dashboards: read from the files that Grafana and Prometheus read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
NAMES: Final = ("runs", "time", "money", "models", "health")
"""Dashboards, in the order in which one reads them."""

_RULE: Final = re.compile(
    r"- alert: (?P<name>\w+).*?for: (?P<lasting>\w+).*?severity: (?P<severity>\w+)"
    r".*?description: >-\n *(?P<description>[^\n]+)",
    re.DOTALL,
)


def panels(name: str) -> str:
    """Every panel of a dashboard and how to read it.

    Args:
        name: Of :data:`NAMES`.
    """
    board = json.loads((_ROOT / "dashboards" / "json" / f"flowspan-{name}.json").read_text("utf-8"))
    rows = "".join(
        f"| {panel['title']} | {panel['description']} |\n"
        for panel in board["panels"]
        if panel["type"] != "row"
    )
    return f"| panel | what it says |\n|---|---|\n{rows}"


def alerts() -> str:
    """Every alert and what it means."""
    text = (_ROOT / "prometheus" / "rules" / "flowspan.yaml").read_text("utf-8")
    rows = "".join(
        f"| `{rule['name']}` | {rule['severity']} | {rule['lasting']} | {rule['description']} |\n"
        for rule in _RULE.finditer(text)
    )
    return f"| alert | severity | lasting | meaning |\n|---|---|---|---|\n{rows}"
