"""PagerDuty and core agree: no echo of what we sent is taken for a person, and no page is lost in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.incident.timeline import TimelineEntry
from tests.support.alerts import firing
from tests.support.certificate import make_certificate
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.paging import ANN, INTEGRATION, World
from tests.support.watching import served


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
async def world(tmp_path: Path, service: FakePagerDuty) -> AsyncIterator[World]:
    """A core that pages through it, over real HTTPS."""
    authority = make_certificate(tmp_path)
    async with served(service.app, certificate=authority) as url:
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


async def test_in_a_storm_the_worst_is_paged_first(world: World, service: FakePagerDuty) -> None:
    """A severity that has just risen to page is among them."""
    await world.desk.ingest([medium()])
    await world.turn()
    high = Alert({"alertname": "High", "severity": "high"}, {}, AlertState.FIRING, 100.0)
    worse = Alert({**medium().labels, "severity": "critical"}, {}, AlertState.FIRING, 101.0)
    await world.desk.ingest([high, firing(), worse])
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-3", "trigger INC-2"]


async def test_who_was_not_woken_yet_comes_first(world: World, service: FakePagerDuty) -> None:
    """A new page goes before what is only brought up to date."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.desk.ingest([firing("Other")])
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-2", "acknowledge INC-1"]


def medium(name: str = "Slow") -> Alert:
    """An alert that does not page by itself."""
    labels = {"alertname": name, "cluster": "eu-1", "severity": "medium"}
    return Alert(labels, {"summary": f"{name} on eu-1"}, AlertState.FIRING, 100.0)


async def test_what_slack_does_not_take_is_one_page(world: World, service: FakePagerDuty) -> None:
    """However many incidents wait; it ends when Slack has taken them."""
    world.is_slack_there = False
    await world.desk.ingest([medium(), medium("Slower")])
    await world.turn(299)
    assert service.told == []
    await world.turn(2)
    await world.turn(1)
    await world.turn(60)
    assert service.told == ["trigger slack"]
    body = service.events[0]["payload"]
    assert body["severity"] == "error"
    assert body["summary"] == (
        "Slack does not take what opsbot has to say: 2 open incidents, for 5m2s. `opsbot incidents` lists them"
    )
    assert body["custom_details"] == {"incidents": ["INC-1", "INC-2"], "num_incidents": 2}
    assert world.paging.watch.num_unheard == 2
    world.is_slack_there = True
    await world.turn(1)
    await world.turn(1)
    assert service.told == ["trigger slack", "resolve slack"]
    assert service.standing == {}


async def test_what_was_paged_needs_no_slack(world: World, service: FakePagerDuty) -> None:
    """Whoever was woken for it knows."""
    world.is_slack_there = False
    await world.desk.ingest([firing()])
    await world.turn()
    await world.turn(600)
    await world.turn(1)
    assert service.told == ["trigger INC-1"]


async def test_a_reply_for_all_that_slack_does_not_take_is_a_page(world: World, service: FakePagerDuty) -> None:
    """The incident was shown, but whom to wake for it by now was not."""
    await world.desk.ingest([medium()])
    await world.turn()
    world.is_slack_there = False
    await world.desk.note(TimelineEntry("INC-1:x", "INC-1", world.clock.now(), "opsbot", "x", "@U1: please take it"))
    await world.turn(400)
    await world.turn(1)
    assert service.told == []
    late = TimelineEntry("INC-1:y", "INC-1", world.clock.now(), "opsbot", "y", "@U1: please take it", is_broadcast=True)
    await world.desk.note(late)
    await world.turn(400)
    await world.turn(1)
    assert service.told == ["trigger slack"]


async def test_nobody_is_woken_for_what_somebody_has_or_can_wait(world: World, service: FakePagerDuty) -> None:
    """Nor for what is over."""
    world.is_slack_there = False
    low = Alert({"alertname": "Low", "severity": "low"}, {}, AlertState.FIRING, 100.0)
    await world.desk.ingest([medium(), low])
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(400)
    await world.turn(1)
    assert service.told == []


async def test_a_new_start_asks_again_what_the_pager_knows(world: World, service: FakePagerDuty) -> None:
    """Slack came back while core was down: the page of it ends all the same."""
    world.is_slack_there = False
    await world.desk.ingest([medium()])
    await world.turn(301)
    await world.turn(1)
    assert service.told == ["trigger slack"]
    await world.start_anew()
    world.is_slack_there = True
    await world.turn(1)
    await world.turn(1)
    assert service.told == ["trigger slack", "resolve slack"]


async def test_a_severity_that_rises_gets_its_time(world: World, service: FakePagerDuty) -> None:
    """It has been open for long, but it pages only now: that is not late yet."""
    await world.desk.ingest([medium()])
    await world.turn(3600)
    service.answers = [503] * 3
    worse = Alert({**medium().labels, "severity": "critical"}, {}, AlertState.FIRING, 101.0)
    await world.desk.ingest([worse])
    if (await world.desk.incident("INC-1")).incident.severity != "critical":
        pytest.fail("the incident's severity has not risen")
    await world.turn()
    assert not any("nobody has been paged" in text for text in await world.said())
    await world.turn(11)
    await world.turn(1)
    assert any("nobody has been paged" in text for text in await world.said())


async def test_outcomes_are_counted(world: World, service: FakePagerDuty) -> None:
    """By what became of each event."""
    service.answers = [503]
    await world.desk.ingest([firing()])
    await world.turn()
    await world.turn(10)
    counted = world.metrics.exposition()
    assert 'opsbot_pages_total{outcome="delivered"} 1.0' in counted
    assert 'opsbot_pages_total{outcome="retry"} 1.0' in counted
    assert 'opsbot_pages_total{outcome="failed"} 0.0' in counted
