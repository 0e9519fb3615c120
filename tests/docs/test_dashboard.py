"""The Grafana dashboard is in Grafana's form, and every query in it can be asked of watch, too."""

from __future__ import annotations

import itertools
import re

import pytest

from opsbot.promql.syntax import parse
from tests.support.dashboard import dashboard, queries

DASHBOARD = dashboard()
PANELS = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]


@pytest.mark.parametrize(("title", "expr"), queries(DASHBOARD))
def test_every_query_is_promql_that_we_have(title: str, expr: str) -> None:
    """With the variables filled in, none is left, and our parser takes it."""
    assert "$" not in expr, title
    parse(expr)


def test_the_dashboard_has_what_grafana_needs() -> None:
    """A name, a stable id, a schema version, and variables for what its queries leave open."""
    assert DASHBOARD["uid"] == "opsbot"
    assert DASHBOARD["schemaVersion"] >= 38
    named = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", "".join(str(panel) for panel in PANELS)))
    assert used == named == {"datasource", "cluster", "window"}


def test_panels_are_whole_and_do_not_overlap() -> None:
    """Each has an id of its own, a place on the grid, and, unless it is a heading, a unit and named queries."""
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    for panel in SHOWN:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in ("short", "s", "percentunit", "ops", "reqps", "bytes")
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert all(target["legendFormat"] for target in panel["targets"])
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_above
