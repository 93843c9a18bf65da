"""Which files are made, from what, and whether they are as they would be made now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dashboards import model_calls, runs, telemetry_health, where_money_goes, where_time_goes
from dashboards.alerts import to_yaml
from dashboards.model import Board
from dashboards.render import to_json

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "dashboards" / "json"
RULES: Final = ROOT / "prometheus" / "rules" / "flowspan.yaml"

BOARDS: Final[tuple[Board, ...]] = (
    runs.BOARD,
    where_time_goes.BOARD,
    where_money_goes.BOARD,
    model_calls.BOARD,
    telemetry_health.BOARD,
)
"""All dashboards, in the order in which one reads them."""


def made() -> Iterator[tuple[Path, str]]:
    """Every file and what should be in it."""
    for board in BOARDS:
        yield FOLDER / f"{board.uid}.json", to_json(board)
    yield RULES, to_yaml()


def stale() -> list[Path]:
    """Files that are absent, are not as they would be made, or are made no more."""
    files = dict(made())
    wrong = [
        path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    return wrong + [path for path in sorted(FOLDER.glob("*.json")) if path not in files]


def write() -> list[Path]:
    """Make everything anew.

    Returns:
        What has changed.
    """
    wrong = stale()
    files = dict(made())
    for path in wrong:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return wrong
