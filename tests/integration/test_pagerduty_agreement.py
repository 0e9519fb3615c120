"""PagerDuty and core agree: no echo of what we sent is taken for a person, and no page is lost in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.alerts import firing
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.paging import ANN, INTEGRATION, World, authority_in
from tests.support.watching import served


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
async def world(tmp_path: Path, service: FakePagerDuty) -> AsyncIterator[World]:
    """A core that pages through it, over real HTTPS."""
    authority = authority_in(tmp_path)
    async with served(service.app, pem=authority.server_pem) as url:
        made = World(tmp_path, url, service.routing_key, authority.ca_file)
        yield made
        await made.close()


@pytest.mark.parametrize("agent", [INTEGRATION, None])
async def test_the_echo_of_our_acknowledgement_is_nobody_s(world: World, agent: dict[str, str] | None) -> None:
    """Whoever pressed the button here keeps the incident."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    before = await world.said()
    assert (await world.hook("incident.acknowledged", agent=agent)).status_code == 200
    assert (await world.desk.incident("INC-1")).incident.acknowledged_by == "U0ANN"
    assert await world.said() == before


async def test_the_echo_of_a_merge_is_silent(world: World, service: FakePagerDuty) -> None:
    """A merged incident is over in PagerDuty, and nobody is told otherwise."""
    await world.desk.ingest([firing(), firing("Other")])
    await world.turn()
    await world.desk.merge("INC-2", "INC-1", ANN)
    await world.turn(1)
    before = await world.said("INC-2")
    await world.hook("incident.resolved", key="opsbot:core-1:INC-2", agent=INTEGRATION)
    await world.turn(1)
    assert await world.said("INC-2") == before
    assert service.told.count("trigger INC-2") == 1


async def test_an_acknowledgement_by_a_rule_is_said(world: World) -> None:
    """Nobody is woken there any more, and nobody has it here: the channel must know."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.hook("incident.acknowledged", agent=INTEGRATION)
    view = await world.desk.incident("INC-1")
    assert view.incident.acknowledged_by is None
    assert view.timeline[-1].text == (
        "Acknowledged in PagerDuty by opsbot, which is no person: it wakes nobody any more, and nobody has this here"
    )
    assert view.timeline[-1].is_broadcast


async def test_a_timeout_there_is_no_end_here(world: World, service: FakePagerDuty) -> None:
    """PagerDuty resolves by itself after hours; what still fires is paged anew."""
    await world.desk.ingest([firing()])
    await world.turn()
    service.standing.clear()
    await world.hook("incident.resolved", agent=None)
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-1"]


async def test_who_has_it_is_not_woken_by_a_resolve_there(world: World, service: FakePagerDuty) -> None:
    """The timeline says so, and does not claim a page that nobody gets."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    service.standing.clear()
    await world.hook("incident.resolved")
    await world.turn(1)
    assert service.told.count("trigger INC-1") == 1
    said = (await world.said())[-1]
    assert said.startswith("Resolved in PagerDuty, but not over: 1 of INC-1's alerts still fire")
    assert said.endswith("U0ANN has it here, so nobody is paged again")


async def test_an_acknowledgement_that_ran_out_can_be_given_again(world: World, service: FakePagerDuty) -> None:
    """PagerDuty wakes people again; the same person's second press must reach it."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    service.standing["opsbot:core-1:INC-1"] = "triggered"
    await world.hook("incident.unacknowledged", agent=None)
    await world.turn(1)
    assert service.told == ["trigger INC-1", "acknowledge INC-1"]
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    assert service.told == ["trigger INC-1", "acknowledge INC-1", "acknowledge INC-1"]
    assert service.standing == {"opsbot:core-1:INC-1": "acknowledged"}


async def test_a_page_that_waits_for_a_pause_is_late(world: World, service: FakePagerDuty) -> None:
    """PagerDuty may ask for a long pause; the channel does not wait for its end."""
    service.answers, service.headers = [429], {"Retry-After": "3600"}
    await world.desk.ingest([firing()])
    await world.turn()
    await world.turn(30)
    await world.turn(40)
    assert any("nobody has been paged" in text for text in await world.said())


async def test_a_refused_page_is_given_up_and_stays_so(world: World, service: FakePagerDuty) -> None:
    """Five attempts, and a value that changes is no reason to ask again; a new start of core is."""
    service.routing_key = "another"
    await world.desk.ingest([firing()])
    for value in range(30):
        await world.desk.ingest([firing(value=float(value))])
        await world.turn(10)
    assert service.num_calls == 5
    assert any(text.startswith("PagerDuty was not told that INC-1 is open") for text in await world.said())
    (item,) = world.pages()
    assert item.state == "failed"


async def test_an_end_that_is_not_taken_is_said(world: World, service: FakePagerDuty) -> None:
    """Or PagerDuty would go on waking people for what is over."""
    await world.desk.ingest([firing()])
    await world.turn()
    service.routing_key = "another"
    await world.desk.acknowledge("INC-1", ANN)
    for _ in range(8):
        await world.turn(30)
    (said,) = [text for text in await world.said() if text.startswith("PagerDuty was not told")]
    assert said == (
        "PagerDuty was not told that INC-1 is acknowledged: PagerDuty refused the page with 400; is the routing key "
        "right, and of this region? Do it there by hand, or it goes on waking people"
    )


async def test_one_page_that_cannot_be_made_does_not_hold_the_others(world: World, service: FakePagerDuty) -> None:
    """Whatever is wrong with it concerns it alone."""
    await world.desk.ingest([firing(), firing("Other")])
    world.break_page("INC-1")
    await world.turn()
    assert service.told == ["trigger INC-2"]


async def test_who_was_not_woken_yet_comes_first(world: World, service: FakePagerDuty) -> None:
    """A new page goes before what is only brought up to date."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.desk.ingest([firing("Other")])
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-2", "acknowledge INC-1"]
