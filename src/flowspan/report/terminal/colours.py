"""The colours of roles and results: chosen to be told apart on dark and on light backgrounds."""

from __future__ import annotations

from typing import Final

COLOUR_OF_ROLE: Final = {
    "run": "#5b8def",
    "step": "#8a94a6",
    "node": "#1fa8b5",
    "agent": "#a66fe0",
    "plan": "#c46bb0",
    "tool": "#d08a1d",
    "llm": "#34a853",
}
"""Colour of each role; what is not here is drawn as ``OTHER``."""

OTHER: Final = "#8a94a6"
FAILED: Final = "#e5484d"
WARNING: Final = "#d9a514"
GOOD: Final = "#34a853"
QUIET: Final = "dim"

COLOUR_OF_STATUS: Final = {
    "ok": GOOD,
    "error": FAILED,
    "running": COLOUR_OF_ROLE["run"],
    "paused": WARNING,
    "interrupted": WARNING,
}
"""Colour of what became of a run."""


def of_role(role: str | None) -> str:
    """The colour of a role."""
    return COLOUR_OF_ROLE.get(role or "", OTHER)
