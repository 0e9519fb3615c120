"""What core is told of alerts, when, and what happens while it is away."""

from __future__ import annotations

import httpx
import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import SourceError
from opsbot.watch.door import DoorClient
from tests.support.watching import TOKEN, Door

NOW = 1_790_000_000.0


def alert(state: AlertState = AlertState.FIRING, *, name: str = "Busy", blind: bool = False, at: float = NOW) -> Alert:
    """An alert as the rules yield it."""
    annotations = {"opsbot_blind": "true"} if blind else {}
    ends_at = at if state is AlertState.RESOLVED else None
    return Alert({"alertname": name, "severity": "high"}, annotations, state, at, ends_at)


FIRING, RESOLVED = alert(), alert(AlertState.RESOLVED)


class Talk:
    """A door and its client, in one process."""

    def __init__(self, token: str = TOKEN) -> None:
        self.door = Door()
        http = httpx.AsyncClient(transport=httpx.ASGITransport(self.door.app))
        self.client = DoorClient("http://core", token, http)

    async def say(self, now: float, *alerts: Alert) -> int:
        """Offer and deliver; answers how many alerts the door got by it."""
        before = len(self.door.alerts)
        self.client.offer(alerts, now)
        await self.client.deliver(now)
        return len(self.door.alerts) - before


async def test_an_alert_is_told_in_alertmanagers_form() -> None:
    """Status, times, labels and fingerprint."""
    talk = Talk()
    await talk.say(NOW, FIRING)
    (told,) = talk.door.alerts
    assert told == {
        "status": "firing",
        "labels": {"alertname": "Busy", "severity": "high"},
        "annotations": {},
        "startsAt": "2026-09-21T14:13:20Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": FIRING.fingerprint,
    }


async def test_a_firing_alert_is_repeated_every_ten_seconds() -> None:
    """Not every second, and a resolved one just once."""
    talk = Talk()
    assert [await talk.say(NOW + second, FIRING) for second in range(12)] == [1, *[0] * 9, 1, 0]
    assert [await talk.say(NOW + 20, RESOLVED), await talk.say(NOW + 31)] == [1, 0]


async def test_becoming_blind_is_news() -> None:
    """And seeing again, too; neither waits for the repetition."""
    talk = Talk()
    offered = [FIRING, alert(blind=True), alert(blind=True), FIRING]
    assert [await talk.say(NOW + second, one) for second, one in enumerate(offered)] == [1, 1, 0, 1]


async def test_an_episode_during_an_outage_of_core_is_told_in_order() -> None:
    """What began and ended while core was away reaches it as two changes, not as none."""
    talk = Talk()
    talk.door.status = 503
    for second, one in enumerate([FIRING, FIRING, RESOLVED]):
        assert await talk.say(NOW + second, one) == 0
    talk.door.status = 200
    assert await talk.say(NOW + 60) == 2
    assert talk.door.told("Busy") == ["firing", "resolved"]
    assert talk.client.num_due == 0


async def test_core_is_asked_less_and_less_often() -> None:
    """1, 2, 4, 8, 10 seconds between two tries; the first success forgets it."""
    talk = Talk()
    talk.door.status = 503
    tries = []
    for second in range(40):
        before = talk.client.num_failures
        await talk.say(NOW + second, FIRING)
        tries += [second] if talk.client.num_failures > before else []
    assert tries == [0, 1, 3, 7, 15, 25, 35]
    talk.door.status = 200
    assert await talk.say(NOW + 45) == 1


async def test_a_wrong_token_loses_nothing() -> None:
    """The alert stays due until somebody mends the configuration."""
    talk = Talk(token="wrong")
    assert await talk.say(NOW, FIRING) == 0
    talk.client.api_token = TOKEN
    assert await talk.say(NOW + 2) == 1


async def test_what_waits_is_bounded() -> None:
    """An alert that flaps through a long outage keeps its newest changes, in order."""
    talk = Talk()
    talk.door.status = 503
    for second in range(200):
        talk.client.offer([RESOLVED if second % 2 else alert(at=NOW + second)], NOW + second)
    assert talk.client.num_due == 16
    talk.door.status = 200
    await talk.client.deliver(NOW + 300)
    assert talk.door.told("Busy") == ["firing", "resolved"] * 8
    assert talk.door.alerts[0]["startsAt"] == "2026-09-21T14:16:24Z"


async def test_many_alerts_go_in_several_posts() -> None:
    """A body stays small enough for the door."""
    talk = Talk()
    assert await talk.say(NOW, *(alert(name=f"A{number}") for number in range(600))) == 600
    assert talk.client.num_posts == 3


async def test_core_says_what_it_holds() -> None:
    """The alerts that watch goes on with after a restart."""
    talk = Talk()
    talk.door.firing = [
        {
            "labels": {"alertname": "Busy"},
            "annotations": {"a": "b"},
            "startsAt": "2026-09-21T14:13:20Z",
            "status": "firing",
        }
    ]
    (held,) = await talk.client.firing()
    assert (held.name, held.annotations, held.starts_at) == ("Busy", {"a": "b"}, NOW)


@pytest.mark.parametrize("broken", [[{"labels": {}}], [3], "x"])
async def test_an_answer_of_another_kind_is_an_error(broken: list[dict[str, str]]) -> None:
    """Something else on core's port is told from a core without alerts."""
    talk = Talk()
    talk.door.firing = broken
    with pytest.raises(SourceError, match="did not say what fires"):
        await talk.client.firing()
