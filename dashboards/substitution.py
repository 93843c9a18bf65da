"""What Grafana puts in place of the variables of a query before it asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

EVERYTHING: Final = ".*"
"""What a variable stands for while all of its values are chosen."""

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def variables(expr: str) -> set[str]:
    """The names of all variables in a query."""
    return {braced or plain for braced, plain in _VARIABLE.findall(expr)}


def filled(
    expr: str, *, range_seconds: int, interval_seconds: int, chosen: Mapping[str, str] | None = None
) -> str:
    """A query as it is asked.

    Args:
        expr: The query of a panel.
        range_seconds: The time that the dashboard shows.
        interval_seconds: The time of one point of a graph.
        chosen: Values of variables; those that are not named stand for everything.
    """
    values = {
        "__range": f"{range_seconds}s",
        "__range_s": str(range_seconds),
        "__interval": f"{interval_seconds}s",
        **(chosen or {}),
    }
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], EVERYTHING), expr)
