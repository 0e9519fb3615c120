"""docs/fleet.md names every key of a fleet's file, every scenario and every outcome of the router."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from serving_stub.fleet.fleet_file import ClusterRow, EventRow, FleetFile
from serving_stub.fleet.outage_limits import OutageLimits
from serving_stub.fleet.router import NoRoute, Trust, Way
from serving_stub.fleet.router_settings import RouterSettings
from serving_stub.fleet.scenarios import FLEET_SCENARIOS

PAGE = (Path(__file__).parents[2] / "docs/fleet.md").read_text(encoding="utf-8")
MODELS = (FleetFile, ClusterRow, EventRow, RouterSettings, OutageLimits)
WORDS = [
    *itertools.chain.from_iterable(model.model_fields for model in MODELS),
    *FLEET_SCENARIOS,
    *Way,
    *NoRoute,
    *(trust for trust in Trust if trust is not Trust.BELIEVED),
]


@pytest.mark.parametrize("word", sorted(set(WORDS)))
def test_is_named(word: str) -> None:
    """Each as code."""
    assert f"`{word}`" in PAGE
