"""`GET /`: the fleet to look at, region by region; it shows what metrics show, and changes nothing."""

from __future__ import annotations

from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from serving_stub.fleet.router import Trust
from serving_stub.fleet_api.fleet_view import ClusterState, FleetState

REFRESH_S = 2
FULL, TIGHT = 0.95, 0.75
"""Loads from which on a bar changes its colour."""
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_DOUBTS = {
    Trust.TOO_OLD: "not seen for a while",
    Trust.CONTRADICTED: "its metrics are not believed",
    Trust.IMPOSSIBLE: "its metrics cannot be",
}


def _level(share: float) -> str:
    return "full" if share >= FULL else "tight" if share >= TIGHT else "fine"


def _doubt(one: ClusterState) -> str | None:
    return None if one.out is not None else _DOUBTS.get(one.trust)


_ENVIRONMENT = Environment(
    loader=PackageLoader("serving_stub.fleet_api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_ENVIRONMENT.filters["level"] = _level
_ENVIRONMENT.filters["doubt"] = _doubt
_TEMPLATE = _ENVIRONMENT.get_template("fleet.html")


def fleet_page(fleet: FleetState) -> HTMLResponse:
    """The page."""
    by_region = sorted(fleet.clusters, key=lambda one: one.region)
    page = _TEMPLATE.render(
        fleet=fleet,
        refresh_s=REFRESH_S,
        running=sum(one.running for one in fleet.clusters),
        waiting=sum(one.waiting for one in fleet.clusters),
        num_full=sum(one.load >= 1 and one.out is None for one in fleet.clusters),
        regions=[(region, list(rows)) for region, rows in groupby(by_region, key=lambda one: one.region)],
    )
    return HTMLResponse(page, headers=_HEADERS)
