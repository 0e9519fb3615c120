"""In which channel something is said, as budgets and outages know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsbot.errors import NotFoundError
from opsbot.incident.view import IncidentView
from opsbot.notify.notifier import DeliveryError, Extent, Notifier, Place
from opsbot.notify.outbox import OutboxItem, OutboxState
from opsbot.slack.audience import MOST_LOOKED_AT, AudienceNotifier, SafetyChannel
from tests.support.incident_views import make_incident, make_run, make_view

SAFETY_ID = "C0SAFETY"


class Chat:
    """One channel's notifier, which may fail."""

    def __init__(self, name: str, channel_id: str) -> None:
        self.name, self.channel_id = name, channel_id
        self.error: DeliveryError | None = None

    def where(self, item: OutboxItem) -> str:
        return self.name

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        if self.error is not None:
            raise self.error
        return Place(self.channel_id, "1.0")


class World:
    """Two channels, and INC-1 (for everybody), INC-2 (a matter), INC-3 (for everybody, with a run that is not)."""

    def __init__(self, problem: str | None = None) -> None:
        incident = make_incident(incident_id="INC-2")
        hidden = replace(make_run(run_id="run:safe:1"), is_restricted=True, requester="U0SAFETY")
        self.views: Mapping[str, IncidentView] = {
            "INC-1": make_view(),
            "INC-2": make_view(replace(incident, labels={"policy": "reseller"})),
            "INC-3": make_view(replace(make_incident(incident_id="INC-3"), num_alerts=1), [hidden]),
        }
        self.everybody, self.safety = Chat("#incidents", "C0INCIDENTS"), Chat("#safety", SAFETY_ID)
        self.num_read = 0

        async def known() -> str | None:
            return None if problem else SAFETY_ID

        channel = SimpleNamespace(known_id=None if problem else SAFETY_ID, problem=problem, id=known)
        self.audience = AudienceNotifier(
            cast(Notifier, self.everybody), cast(Notifier, self.safety), cast(SafetyChannel, channel), self.view
        )

    def view(self, incident_id: str) -> IncidentView:
        self.num_read += 1
        if incident_id not in self.views:
            raise NotFoundError(f"there is no incident {incident_id}")
        return self.views[incident_id]


def item(incident_id: str, **more: Any) -> OutboxItem:
    """An incident's message that was never said."""
    facts = OutboxItem(
        f"incident:{incident_id}", "incident_message", incident_id, incident_id, 1, 0, OutboxState.PENDING, None, None,
        0, 0.0,
    )  # fmt: skip
    return replace(facts, **more)


def entry(key: str, **more: Any) -> OutboxItem:
    """An entry of INC-3's timeline."""
    return item("INC-3", key=f"timeline:{key}", kind="timeline_entry", ref=key, **more)


def test_a_matters_budget_is_that_of_its_own_channel() -> None:
    """Once it was looked at, and it is before anything is said; the same for what stands there already."""
    world = World()
    world.audience.look_ahead([item("INC-1"), item("INC-2"), item("INC-9")])
    assert [world.audience.where(item(one)) for one in ("INC-1", "INC-2", "INC-9")] == [
        "#incidents", "#safety", "#incidents",
    ]  # fmt: skip
    assert world.audience.where(item("INC-7", channel=SAFETY_ID, ts="1.0")) == "#safety"
    assert world.audience.where(item("INC-2", channel="C0INCIDENTS", ts="1.0")) == "#incidents"


def test_of_an_incident_for_everybody_only_the_hidden_runs_entries_are_elsewhere() -> None:
    """Also of what several entries are said by."""
    world = World()
    world.audience.look_ahead([item("INC-3")])
    assert world.audience.where(item("INC-3")) == "#incidents"
    assert world.audience.where(entry("run-1:started")) == "#incidents"
    assert world.audience.where(entry("run:safe:1:started")) == "#safety"
    assert world.audience.where(entry("run-1:started", carried=("run:safe:1:started",))) == "#safety"


def test_without_such_a_channel_all_is_the_incidents_channels() -> None:
    """Where the neutral line stands."""
    world = World(problem="#safety is not private")
    world.audience.look_ahead([item("INC-2")])
    assert world.audience.where(item("INC-2")) == "#incidents"


def test_looking_ahead_is_bounded_and_done_once() -> None:
    """A storm of incidents is learnt of in parts; what stands already needs no look."""
    world = World()
    many = [item(f"INC-{number}") for number in range(100, 100 + 2 * MOST_LOOKED_AT)]
    world.audience.look_ahead(many)
    assert world.num_read == MOST_LOOKED_AT
    world.num_read = 0
    for _ in range(3):
        world.audience.look_ahead([item("INC-1"), item("INC-2", channel=SAFETY_ID, ts="1.0")])
    assert world.num_read == 1


async def test_what_fails_there_is_that_channels_failure() -> None:
    """Though nobody had looked at the incident before; the incidents channel is not blamed."""
    world = World()
    world.safety.error = DeliveryError("it is archived", extent=Extent.CHANNEL)
    with pytest.raises(DeliveryError) as raised:
        await world.audience.post(item("INC-2"), None)
    assert raised.value.place == "#safety"
    world.everybody.error = DeliveryError("it is archived", extent=Extent.CHANNEL)
    with pytest.raises(DeliveryError) as raised:
        await world.audience.post(item("INC-1"), None)
    assert raised.value.place == ""
