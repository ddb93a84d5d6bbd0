"""What a panel is, and a dashboard, and how Grafana is told of them (grafana-foundation-sdk)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Kind = Literal["lines", "number", "states", "table", "heat"]
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "verdigris"
HEIGHT = 8
"""Of a panel, in Grafana's units; a dashboard is 24 of them wide."""

AnyPanel = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel | heatmap.Panel


def none(label: str) -> str:
    """The end of a query that shows 0, and calls it none, while there is nothing that has this label."""
    return f'or on () label_replace(vector(0), "{label}", "none", "", "")'


@dataclass(frozen=True)
class Query:
    """A query, and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is one of Grafana's. `links` leads from a row of a table to another dashboard."""

    title: str
    about: str
    unit: str
    queries: Sequence[Query]
    kind: Kind = "lines"
    width: int = 8
    height: int = HEIGHT
    most: float | None = None
    links: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Row:
    """A heading, and the panels below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Board:
    """One dashboard. `variables` are name, label and query of what is chosen at its top, in order.

    `marks` are what is drawn over time: a name, a colour, and a query whose values are Unix seconds.
    """

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[tuple[str, str, str]] = ()
    marks: Sequence[tuple[str, str, str]] = field(default=())

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def text(self) -> str:
        """It as the JSON that Grafana reads."""
        made = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.about)
            .tags([TAG])
            .readonly()
            .refresh("10s")
            .time("now-1h", "now")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
            .link(_to_the_others())
        )
        for name, label, query in self.variables:
            made.with_variable(_variable(name, label, query))
        for name, color, query in self.marks:
            made.annotation(_mark(name, color, query))
        number = 0
        for row in self.rows:
            number += 1
            made.with_row(dashboard.Row(row.title).id(number))
            for panel in row.panels:
                number += 1
                made.with_panel(_built(panel).id(number))
        return _with_times(JSONEncoder().encode(made.build()))


def _with_times(text: str) -> str:
    """Each mark stands where its value says, which the SDK has no word for."""
    whole = json.loads(text)
    for mark in whole["annotations"].get("list", ()):
        mark |= {"useValueForTime": "on", "titleFormat": mark["name"], "textFormat": "{{reason}}"}
    return json.dumps(whole, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def _to_the_others() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Verdigris").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(True).include_vars(True).keep_time(True)


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    return made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _mark(name: str, color: str, query: str) -> dashboard.AnnotationQuery:
    return dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).expr(query)


def _built(panel: Panel) -> AnyPanel:
    made = _of_kind(panel).title(panel.title).description(panel.about).unit(panel.unit).datasource(SOURCE)
    made.span(panel.width).height(panel.height)
    if panel.kind in ("lines", "number") and panel.unit != "dateTimeFromNow":
        made.min(0)
    if panel.most is not None:
        made.max(panel.most)
    if panel.links:
        made.data_links([dashboard.DashboardLink(title).url(url) for title, url in panel.links])
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(SOURCE)
        target.ref_id(chr(ord("A") + number))
        if panel.kind in ("table", "number"):
            target.instant()
        if panel.kind == "table":
            target.format(PromQueryFormat.TABLE)
        if panel.kind == "heat":
            target.format(PromQueryFormat.HEATMAP)
        made.with_target(target)
    return made


def _of_kind(panel: Panel) -> AnyPanel:
    if panel.kind == "number":
        return stat.Panel()
    if panel.kind == "states":
        return statetimeline.Panel()
    if panel.kind == "heat":
        return heatmap.Panel()
    if panel.kind == "table":
        hidden = model.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True, "Value": True, "__name__": True}}
        )
        return table.Panel().with_transformation(hidden)
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return timeseries.Panel().legend(legend.placement(LegendPlacement.BOTTOM)).tooltip(tooltip).fill_opacity(8)
