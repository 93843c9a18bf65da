"""How each look of a panel is made of Grafana's panels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BarGaugeValueMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    MatcherConfig,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.links import to_traces
from dashboards.model import Look, Panel, Query

_SHORTEST_INTERVAL: Final = "30s"
"""Programs send metrics every ten seconds: three samples for each point of a graph."""

_LETTERS: Final = "ABCDEFGHIJKLMNOP"
_NOW: Final[frozenset[Look]] = frozenset({"stat", "ranking", "table", "matrix"})
"""Looks that ask once, for the end of the time shown."""


def built(panel: Panel, number: int, position: GridPos, source: DataSourceRef) -> Any:
    """The builder of a panel.

    Args:
        panel: What it is.
        number: Its number on the dashboard.
        position: Its place in the grid.
        source: Where its numbers come from.
    """
    builder = _LOOKS[panel.look](panel)
    builder.id(number).title(panel.title).description(panel.description)
    builder.grid_pos(position).datasource(source).unit(panel.unit)
    builder.interval(_SHORTEST_INTERVAL)
    for letter, query in zip(_LETTERS, panel.queries, strict=False):
        builder.with_target(_target(panel, query, letter, source))
    return builder


def _target(panel: Panel, query: Query, letter: str, source: DataSourceRef) -> Any:
    target = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(source)
    if panel.look in _NOW:
        target.instant()
    else:
        target.range()
    if panel.look in ("table", "matrix"):
        target.format(PromQueryFormat.TABLE)
    elif panel.look == "heatmap":
        target.format(PromQueryFormat.HEATMAP)
    if query.legend and panel.look not in ("table", "matrix"):
        target.legend_format(query.legend)
    if query.exemplars:
        target.exemplar(exemplar=True)
    return target


# --- looks --------------------------------------------------------------------------------------


def _stat(panel: Panel) -> Any:
    builder = stat.Panel().graph_mode(BigValueGraphMode.NONE)
    builder.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return builder.thresholds(_thresholds(panel)).no_value("-")


def _lines(panel: Panel) -> Any:
    builder = _graph().draw_style(GraphDrawStyle.LINE).line_width(2).fill_opacity(8)
    builder.show_points(VisibilityMode.AUTO).span_nulls(span_nulls=300_000)
    if panel.unit == "percentunit":
        builder.min(0).max(1)
    return builder.axis_soft_min(0)


def _bars(_panel: Panel) -> Any:
    builder = _graph().draw_style(GraphDrawStyle.BARS).fill_opacity(80).line_width(1)
    return builder.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A")).min(0)


def _shares(_panel: Panel) -> Any:
    builder = _graph().draw_style(GraphDrawStyle.BARS).fill_opacity(80).line_width(1)
    return builder.stacking(common.StackingConfig().mode(StackingMode.PERCENT).group("A"))


def _graph() -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    legend.placement(LegendPlacement.BOTTOM).show_legend(show_legend=True)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return timeseries.Panel().legend(legend).tooltip(tooltip.sort(SortOrder.DESCENDING))


def _ranking(_panel: Panel) -> Any:
    builder = bargauge.Panel().orientation(VizOrientation.HORIZONTAL).min(0)
    builder.display_mode(BarGaugeDisplayMode.BASIC).value_mode(BarGaugeValueMode.TEXT)
    builder.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_YL_RD))
    return builder.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def _heatmap(panel: Panel) -> Any:
    axis = heatmap.YAxisConfig().unit(panel.unit)
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges")
    return heatmap.Panel().calculate(calculate=False).y_axis(axis).color(color.steps(64))


def _table(panel: Panel) -> Any:
    """Rows by labels: the answers of all queries are laid side by side and given their names."""
    found = dict(panel.columns) | _value_columns(panel)
    builder = table.Panel().with_transformation(DataTransformerConfig(id_val="merge", options={}))
    builder.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(found)},
                "renameByName": found,
            },
        )
    )
    for query in panel.queries:
        if query.unit is not None:
            unit = DynamicConfigValue(id_val="unit", value=query.unit)
            builder.with_override(_named(query.legend), [unit])
    if panel.links:
        links = [to_traces(link) for link in panel.links]
        value = DynamicConfigValue(id_val="links", value=links)
        builder.with_override(_named(panel.columns[0][1]), [value])
    return builder.sort_by(
        [common.TableSortByFieldState().display_name(panel.queries[0].legend).desc(desc=True)]
    )


def _value_columns(panel: Panel) -> dict[str, str]:
    """Grafana's names of the numbers: a single query's has no letter."""
    if len(panel.queries) == 1:
        return {"Value": panel.queries[0].legend}
    return {
        f"Value #{letter}": query.legend
        for letter, query in zip(_LETTERS, panel.queries, strict=False)
    }


def _matrix(panel: Panel) -> Any:
    (down, _), (across, _) = panel.columns
    options = {"rowField": down, "columnField": across, "valueField": "Value", "emptyValue": "zero"}
    return table.Panel().with_transformation(
        DataTransformerConfig(id_val="groupingToMatrix", options=options)
    )


def _named(name: str) -> MatcherConfig:
    return MatcherConfig(id_val="byName", options=name)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="text")]
    if panel.good is not None:
        better, first, second = panel.good
        colors = ("red", "orange", "green") if better == "high" else ("green", "orange", "red")
        bounds = (None, *sorted((first, second)))
        steps = [
            Threshold(value=bound, color=color) for bound, color in zip(bounds, colors, strict=True)
        ]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


_LOOKS: Final[dict[Look, Callable[[Panel], Any]]] = {
    "stat": _stat,
    "lines": _lines,
    "bars": _bars,
    "shares": _shares,
    "ranking": _ranking,
    "heatmap": _heatmap,
    "table": _table,
    "matrix": _matrix,
}
