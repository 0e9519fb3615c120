"""A single timeline entry as a page of its own: through PagerDuty's own client, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import PAGE_KINDS, SLACK_KINDS
from opsbot.pagerduty.page import entry_ref
from opsbot.store.outbox import OutboxRepository
from tests.support.alerts import firing, resolved
from tests.support.certificate import make_certificate
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.paging import World
from tests.support.watching import served

pytestmark = pytest.mark.integration

REF = entry_ref("run-1:drain:announced").rpartition(":")[2]
KEY = f"opsbot:core-1:entry:{REF}"


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
async def world(tmp_path: Path, service: FakePagerDuty) -> AsyncIterator[World]:
    """A core that pages through it, over real HTTPS, with INC-1 paged already."""
    authority = make_certificate(tmp_path)
    async with served(service.app, certificate=authority) as url:
        made = World(tmp_path, url, service.routing_key, authority.ca_file)
        await made.desk.ingest([firing()])
        await made.turn()
        yield made
        await made.close()


def announced(world: World) -> TimelineEntry:
    """An entry, on the timeline and wished as a page."""
    entry = TimelineEntry(
        "run-1:drain:announced", "INC-1", world.clock.now(), "opsbot", "step.announced", "eu-1 is drained in 5m", True
    )
    world.stores.runs.add_entry(entry)
    assert world.stores.runs.page_entry(entry)
    return entry


async def test_an_entry_pages_and_ends_with_its_incident(world: World, service: FakePagerDuty) -> None:
    """Triggered once as critical, whoever has the incident; resolved with it; wished twice it is one page."""
    announced(world)
    announced(world)
    await world.turn(1)
    await world.turn(1)
    assert [one for one in service.told if REF in one] == [f"trigger {REF}"]
    page = next(event for event in service.events if event["dedup_key"] == KEY)["payload"]
    assert (page["summary"], page["severity"], page["source"]) == ("INC-1: eu-1 is drained in 5m", "critical", "eu-1")
    assert page["custom_details"]["incident"] == "INC-1"
    assert world.stores.runs.delivery("run-1:drain:announced") == "slack"
    await world.desk.ingest([resolved()])
    await world.turn(1)
    await world.turn(1)
    assert [one for one in service.told if REF in one] == [f"trigger {REF}", f"resolve {REF}"]
    assert service.standing == {}


async def test_slack_never_takes_a_page(world: World) -> None:
    """Each channel has kinds of its own; where Slack takes nothing, the page is what could be read first."""
    world.is_slack_there = False
    announced(world)
    slack = OutboxRepository(world.database, SLACK_KINDS).due(world.clock.now(), 1000)
    pager = OutboxRepository(world.database, PAGE_KINDS).due(world.clock.now(), 1000)
    assert "page_entry" not in {item.kind for item in slack}
    assert "page_entry" in {item.kind for item in pager}
    assert world.stores.runs.delivery("run-1:drain:announced") is None
    await world.turn(1)
    assert world.stores.runs.delivery("run-1:drain:announced") == "page"


async def test_an_entry_of_an_incident_that_is_over_wakes_nobody(world: World, service: FakePagerDuty) -> None:
    """It ended before the page could be sent."""
    announced(world)
    await world.desk.ingest([resolved()])
    await world.turn(1)
    assert [one for one in service.told if REF in one] == []


async def test_an_answer_that_was_lost_is_one_page(world: World, service: FakePagerDuty) -> None:
    """The key makes the repeat the same page."""
    service.answers = [-1]
    announced(world)
    for _ in range(3):
        await world.turn(10)
    assert KEY in service.standing
    assert set(service.standing) == {"opsbot:core-1:INC-1", KEY}


async def test_a_page_that_is_refused_is_said_in_the_channel(world: World, service: FakePagerDuty) -> None:
    """With what it was about, and that somebody must be woken by hand."""
    service.answers = [400] * 10
    announced(world)
    for _ in range(12):
        await world.turn(120)
    said = [text for text in await world.said() if "PagerDuty was not told" in text]
    assert len(said) == 1
    assert said[0].startswith("PagerDuty was not told: “eu-1 is drained in 5m” PagerDuty refused the page with 400")
    assert said[0].endswith("Wake somebody by hand")


def test_its_dedup_key_is_short_and_its_own() -> None:
    """PagerDuty allows 255 characters; an entry's key may have 512."""
    keys = {entry_ref(f"run-{number}:" + "x" * 500) for number in range(50)}
    assert len(keys) == 50
    assert max(len(key) for key in keys) < 32
