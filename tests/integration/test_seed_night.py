"""The night of the talk: a page resolves itself at 04:09 while the load is on its way to full at 05:25."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.incident.incident import HoldKind, IncidentState
from tests.support.seed_night import SeedNight, at, growing, steady


@pytest.fixture
async def night(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeedNight]:
    """From midnight on."""
    made = SeedNight(tmp_path, request.param)
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("night", [growing], indirect=True)
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_auto_resolved_is_not_all_clear(night: SeedNight) -> None:
    """The alerts end as they did then, and the incident says by itself what people said at 04:20."""
    await night.until("04:06")
    (view,) = await night.desk.open_incidents()
    assert view.incident.title == "First tokens are late on sf-1"
    assert at("04:01") < view.incident.opened_at < at("04:05")
    await night.until("04:21")
    (view,) = await night.desk.open_incidents()
    incident = view.incident
    assert (incident.state, incident.num_firing) == (IncidentState.MITIGATED, 0)
    assert incident.hold is not None
    assert incident.hold.kind is HoldKind.TREND
    said = next(entry for entry in view.timeline if entry.kind == "incident.held")
    assert said.is_broadcast
    assert at("04:09") < said.at < at("04:20")
    found = re.match(
        r"Not an all-clear: the load is at (\d\d)%, grows 1\.2-fold an hour and meets capacity around 05:(\d\d) UTC, "
        r"in \d\d min",
        said.text,
    )
    assert found is not None, said.text
    assert 74 <= int(found[1]) <= 82
    assert 10 <= int(found[2]) <= 40
    assert incident.severity == "critical"

    await night.until("05:24")
    views = {one.incident.incident_id: one for one in await night.desk.open_incidents()}
    assert [one.incident.title for one in views.values()] == [
        "The KV cache of sf-1 is nearly full",
        "First tokens are late on sf-1",
    ]
    view = views[incident.incident_id]
    assert view.incident.hold is not None
    assert re.search(r"is at (9\d|100)%|is at capacity", view.incident.hold.reason)
    assert len([entry for entry in view.timeline if entry.kind == "incident.held"]) == 1


@pytest.mark.parametrize("night", [steady], indirect=True)
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_without_the_growth_it_is_over(night: SeedNight) -> None:
    """The same page, and an end that may be believed."""
    await night.until("04:21")
    assert await night.desk.open_incidents() == ()
    (view,) = await night.desk.all_incidents()
    assert view.timeline[-1].text.startswith("Resolved: FirstTokenBudgetBurnsFast no longer fires. The load is at 7")
    assert view.timeline[-1].text.endswith("its trend does not meet capacity")
