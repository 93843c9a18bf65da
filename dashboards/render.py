"""A dashboard as Grafana's classic JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.links import TAG, to_the_others
from dashboards.looks import built
from dashboards.model import WHOLE, Board, Panel
from dashboards.variables import CHOICES, METRICS, TRACES, Choice, values

_REFRESH: Final = "30s"
_ROW_HEIGHT: Final = 1
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid=f"${{{METRICS}}}")


def to_json(board: Board) -> str:
    """The dashboard's file."""
    return json.dumps(_sorted(_built(board)), indent=2, ensure_ascii=False) + "\n"


def _sorted(built_board: Any) -> Any:
    """As the SDK writes it, with the keys in an order that differences can be read in."""
    found = json.loads(json.dumps(built_board, cls=JSONEncoder, sort_keys=True))
    for link in found["links"]:
        del link["placement"]  # hidden in a menu, if the SDK's default has its way
    return found


def _built(board: Board) -> Any:
    builder = (
        sdk.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .timezone("browser")
        .time(board.since, "now")
        .refresh(_REFRESH)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(to_the_others())
        .with_variable(_source(METRICS, "Metrics", "prometheus"))
        .with_variable(_source(TRACES, "Traces", "jaeger"))
    )
    for name in board.variables:
        builder.with_variable(_variable(name, CHOICES[name]))
    for number, (position, part) in enumerate(_placed(board), start=1):
        if isinstance(part, Panel):
            builder.with_panel(built(part, number, position, _SOURCE))
        else:
            builder.with_row(sdk.Row(part).id(number).grid_pos(position))
    return builder.build()


def _placed(board: Board) -> Iterator[tuple[GridPos, Panel | str]]:
    """Rows and panels from left to right and from top to bottom, each at its place."""
    y = 0
    for row in board.rows:
        yield GridPos(h=_ROW_HEIGHT, w=WHOLE, x=0, y=y), row.title
        y += _ROW_HEIGHT
        x = line = 0
        for panel in row.panels:
            if x + panel.width > WHOLE:
                x, y, line = 0, y + line, 0
            yield GridPos(h=panel.height, w=panel.width, x=x, y=y), panel
            x, line = x + panel.width, max(line, panel.height)
        y += line


def _source(name: str, title: str, kind: str) -> sdk.DatasourceVariable:
    return sdk.DatasourceVariable(name).label(title).type(kind)


def _variable(name: str, choice: Choice) -> sdk.QueryVariable:
    return (
        sdk.QueryVariable(name)
        .label(choice.title)
        .datasource(_SOURCE)
        .query(values(choice))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
