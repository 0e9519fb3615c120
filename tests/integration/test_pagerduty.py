"""Pages through PagerDuty's own client to an API like PagerDuty's, and its webhooks back: over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.support.alerts import firing, resolved
from tests.support.certificate import Certificate, make_certificate
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.paging import ANN, World
from tests.support.ports import free_port
from tests.support.watching import served


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
def authority(tmp_path: Path) -> Certificate:
    """Who signs PagerDuty's certificate."""
    return make_certificate(tmp_path)


@pytest.fixture
async def world(tmp_path: Path, service: FakePagerDuty, authority: Certificate) -> AsyncIterator[World]:
    """A core that pages through it, over real HTTPS."""
    async with served(service.app, certificate=authority) as url:
        made = World(tmp_path, url, service.routing_key, authority.ca_file)
        yield made
        await made.close()


async def test_a_page_follows_its_incident(world: World, service: FakePagerDuty) -> None:
    """Triggered once, acknowledged and resolved with it; repeats of the alert send nothing."""
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.ingest([firing(value=0.95)])
    await world.turn(1)
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    assert service.standing == {"opsbot:core-1:INC-1": "acknowledged"}
    await world.desk.ingest([resolved()])
    await world.turn(1)
    assert service.told == ["trigger INC-1", "acknowledge INC-1", "resolve INC-1"]
    page = service.events[0]["payload"]
    assert (page["summary"], page["severity"], page["source"]) == (
        "INC-1 KVCachePressure on eu-1", "critical", "eu-1"
    )  # fmt: skip


async def test_an_outage_is_sat_out_and_the_channel_is_told(world: World, service: FakePagerDuty) -> None:
    """After a minute the channel knows that nobody was paged; later it knows that somebody was."""
    service.answers = [503] * 12
    await world.desk.ingest([firing()])
    for _ in range(5):
        await world.turn(10)
    assert not any("nobody has been paged" in text for text in await world.said())
    for _ in range(6):
        await world.turn(60)
    (late,) = [text for text in await world.said() if "nobody has been paged" in text]
    assert late == (
        "PagerDuty answered 503: nobody has been paged through it. Wake somebody by hand; it goes on trying"
    )
    assert service.told == []
    for _ in range(3):
        await world.turn(60)
    assert service.told == ["trigger INC-1"]
    assert (await world.said())[-1] == "PagerDuty has taken the page now"


async def test_an_answer_that_was_lost_pages_once(world: World, service: FakePagerDuty) -> None:
    """The key makes the repeat the same page."""
    service.answers = [-1]
    await world.desk.ingest([firing()])
    await world.turn()
    await world.turn(10)
    assert service.told == ["trigger INC-1", "trigger INC-1"]
    assert service.standing == {"opsbot:core-1:INC-1": "triggered"}


async def test_too_many_requests_are_waited_for(world: World, service: FakePagerDuty) -> None:
    """As long as PagerDuty asks; other pages wait too, since they would be refused."""
    service.answers, service.headers = [429], {"Retry-After": "30"}
    await world.desk.ingest([firing()])
    await world.turn()
    await world.desk.ingest([firing("Other")])
    await world.turn(20)
    assert service.told == []
    await world.turn(15)
    assert sorted(service.told) == ["trigger INC-1", "trigger INC-2"]


async def test_a_refused_page_is_told_at_once(world: World, service: FakePagerDuty) -> None:
    """A wrong key is no outage: waiting does not cure it."""
    service.routing_key = "another"
    await world.desk.ingest([firing()])
    await world.turn()
    assert any("refused the page with 400; is the routing key right" in text for text in await world.said())


async def test_nobody_there_is_an_outage(tmp_path: Path, authority: Certificate) -> None:
    """A connection that is refused is tried again."""
    world = World(tmp_path, f"https://127.0.0.1:{free_port()}", "R" * 32, authority.ca_file)
    await world.desk.ingest([firing()])
    await world.turn()
    await world.turn(70)
    assert any(text.startswith("PagerDuty does not answer: nobody has been paged") for text in await world.said())
    await world.close()


async def test_a_stranger_s_certificate_is_not_trusted(
    tmp_path: Path, service: FakePagerDuty, authority: Certificate
) -> None:
    """Whoever stands between us and PagerDuty learns no key."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    async with served(service.app, certificate=authority) as url:
        world = World(tmp_path, url, service.routing_key, tmp_path / "other.pem")
        await world.desk.ingest([firing()])
        await world.turn()
        await world.close()
    assert service.told == []


async def test_who_acknowledges_there_has_it_here(world: World, service: FakePagerDuty) -> None:
    """By name, once, and nothing echoes back that PagerDuty does not know already."""
    await world.desk.ingest([firing()])
    await world.turn()
    assert (await world.hook("incident.acknowledged")).json()["accepted"] == 1
    view = await world.desk.incident("INC-1")
    assert view.incident.acknowledged_by == "pagerduty:Bob Page"
    assert (view.timeline[-1].actor, view.timeline[-1].via) == ("pagerduty:Bob Page", "PagerDuty")
    await world.turn(1)
    assert service.told == ["trigger INC-1"]
    await world.desk.acknowledge("INC-1", ANN)
    assert (await world.hook("incident.acknowledged")).json()["what"] == "taken before"
    view = await world.desk.incident("INC-1")
    assert view.incident.acknowledged_by == "U0ANN"
    assert view.timeline[-1].text == "Taken over from pagerduty:Bob Page"


async def test_what_still_fires_cannot_be_resolved_there(world: World, service: FakePagerDuty) -> None:
    """It says so, and pages anew: both sides must agree."""
    await world.desk.ingest([firing()])
    await world.turn()
    service.standing.clear()
    await world.hook("incident.resolved")
    assert any("Resolved in PagerDuty, but not over: 1 of INC-1's alerts still fire" in t for t in await world.said())
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-1"]
    await world.desk.ingest([resolved()])
    await world.turn(1)
    answer = await world.hook("incident.resolved", event_id="E2")
    assert answer.json() == {"accepted": 1, "what": "INC-1 is resolved already"}


async def test_signatures_rotate_and_others_are_refused(world: World) -> None:
    """Any of ours is valid; anything else changes nothing."""
    await world.desk.ingest([firing()])
    assert (await world.hook("incident.acknowledged", signed_by="old")).status_code == 200
    refused = await world.hook("incident.acknowledged", event_id="E2", signed_by="wrong")
    assert refused.status_code == 401
    assert "webhook_secret_env" in refused.json()["error"]["message"]
    assert (await world.http.post("/webhooks/pagerduty", json={})).status_code == 401


@pytest.mark.parametrize("key", ["opsbot:core-2:INC-1", "somebody-else", ""])
async def test_pages_of_others_are_none_of_ours(world: World, key: str) -> None:
    """Answered with success, or PagerDuty would repeat them."""
    answer = await world.hook("incident.acknowledged", key=key)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 0)
    gone = await world.hook("incident.acknowledged", key="opsbot:core-1:INC-99")
    assert (gone.status_code, gone.json()["why"]) == (200, "there is no incident INC-99")
