"""The lists on the page about dashboards: read from the files that Grafana and Prometheus read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_ORDER: Final = ("runs", "time", "money", "models", "health")
_RULE: Final = re.compile(
    r"- alert: (?P<name>\w+).*?for: (?P<lasting>\w+).*?severity: (?P<severity>\w+)"
    r".*?description: >-\n *(?P<description>[^\n]+)",
    re.DOTALL,
)


def panels() -> str:
    """Every panel of every dashboard and how to read it."""
    return "\n".join(_board(name) for name in _ORDER)


def _board(name: str) -> str:
    board = json.loads((_ROOT / "dashboards" / "json" / f"flowspan-{name}.json").read_text("utf-8"))
    rows = "".join(f"| {title} | {description} |\n" for title, description in _rows(board))
    head = "| panel | what it says |\n|---|---|\n"
    return f"**{board['title']}**: {board['description']}\n\n{head}{rows}"


def _rows(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel["title"], panel["description"]


def alerts() -> str:
    """Every alert and what it means."""
    text = (_ROOT / "prometheus" / "rules" / "flowspan.yaml").read_text("utf-8")
    rows = "".join(
        f"| `{rule['name']}` | {rule['severity']} | {rule['lasting']} | {rule['description']} |\n"
        for rule in _RULE.finditer(text)
    )
    return f"| alert | severity | lasting | meaning |\n|---|---|---|---|\n{rows}"
