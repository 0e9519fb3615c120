"""Core's routes for incidents as a whole and silences, over a real store: rights, words, and bad bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.people import Role, person_for
from opsbot.store.repositories import Repositories
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.tokens import Tokens
from tests.support.alerts import firing, open_database, resolved
from tests.support.no_runs import NoRuns

ANN, BOB, MACHINE = ({"Authorization": f"Bearer {token}"} for token in ("personal", "stranger", "machine"))
SILENCE = {"matchers": ['alertname="Slow"'], "length_s": 3600, "reason": "the rack moves", "request_id": "r-1"}


class World:
    """Core's API, and the desk behind it."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database(folder)
        stores = Repositories.over(self.database, AlertPolicy())
        self.desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: [], lambda: None, SystemClock())
        roles: Mapping[str, frozenset[Role]] = {"cli:ann": frozenset({"responder"})}
        tokens = Tokens.of("machine", {"personal": "cli:ann", "stranger": "cli:bob"})
        api = CoreApi(self.desk, tokens, lambda user: person_for(user, roles), CoreMetrics(), lambda: None, lambda: {})
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://core")

    async def post(self, path: str, body: Any = None, headers: Mapping[str, str] = ANN) -> tuple[int, str]:
        """Status, and the sentence for the person."""
        answer = await self.http.post(f"/api/v1/{path}", json=body, headers=headers)
        said = answer.json()
        return answer.status_code, said.get("message") or said["error"]["message"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """With two open incidents: Slow and Queue."""
    made = World(tmp_path)
    await made.desk.ingest([firing("Slow"), firing("Queue")])
    yield made
    await made.http.aclose()
    made.database.close()


async def test_a_silence_from_set_to_end(world: World) -> None:
    """It names the incident that is open already, is set once, and is listed with what it hides."""
    status, said = await world.post("silences", SILENCE)
    assert status == 200
    assert said.startswith('SIL-1 hides new alerts with alertname="Slow" until ')
    assert said.endswith("INC-1 is open already and stays so; `resolve` can end it now.")
    assert (await world.post("silences", SILENCE))[1].startswith("SIL-1 ")
    assert await world.post("incidents/INC-1/resolve", {"reason": "the rack moves"}) == (
        200,
        "INC-1 is resolved; what its runs held is released.",
    )
    (listed,) = (await world.http.get("/api/v1/silences", headers=MACHINE)).json()["silences"]
    assert (listed["num_hiding"], listed["created_by"], listed["matchers"]) == (1, "cli:ann", ['alertname="Slow"'])
    answer = await world.http.delete("/api/v1/silences/SIL-1", headers=ANN)
    assert answer.json()["message"] == "SIL-1 is over; it hid 1 alert. What of it still fires opens an incident now."
    assert [view.incident.incident_id for view in await world.desk.open_incidents()] == ["INC-3", "INC-2"]


async def test_merge_link_and_back(world: World) -> None:
    """Each answer says what follows and how it is taken back."""
    assert await world.post("incidents/INC-2/merge", {"into": "INC-1"}) == (
        200,
        "INC-2 is dealt with under INC-1 and ends with it; `unmerge INC-2` takes it back.",
    )
    assert await world.post("incidents/inc-2/unmerge") == (200, "INC-2 is dealt with by itself again.")
    assert await world.post("incidents/INC-2/link", {"other": "INC-1"}) == (200, "INC-2 and INC-1 are linked.")
    assert await world.post("incidents/INC-1/link", {"other": "INC-2"}) == (200, "INC-1 and INC-2 are linked already.")
    await world.desk.ingest([resolved("Slow")])
    assert (await world.post("incidents/INC-1/merge", {"into": "INC-2"}))[0] == 409


WRITES = [
    ("silences", SILENCE),
    ("incidents/INC-1/resolve", {"reason": "because"}),
    ("incidents/INC-2/merge", {"into": "INC-1"}),
    ("incidents/INC-2/unmerge", None),
    ("incidents/INC-2/link", {"other": "INC-1"}),
]


@pytest.mark.parametrize(("path", "body"), WRITES)
async def test_rights_are_checked(world: World, path: str, body: Any) -> None:
    """The machine's token is nobody, and a stranger has no role; nothing is changed."""
    assert (await world.post(path, body, MACHINE))[0] == 401
    status, said = await world.post(path, body, BOB)
    assert status == 403
    assert "the role responder is needed; cli:bob has none" in said
    assert len(await world.desk.open_incidents()) == 2
    assert await world.desk.silences() == ()


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("silences", {**SILENCE, "length_s": 90_000}, "a silence lasts at most 1d"),
        ("silences", {**SILENCE, "reason": " "}, "a silence needs a reason"),
        ("silences", {**SILENCE, "matchers": ["nonsense"]}, "`nonsense` is no label matcher"),
        ("silences", {**SILENCE, "matchers": []}, "matchers: List should have at least 1 item"),
        ("silences", {**SILENCE, "why": 1}, "why: Extra inputs are not permitted"),
        ("silences", [], "the body: Input should be"),
        ("incidents/INC-1/resolve", {"reason": ""}, "say why INC-1 is over"),
        ("incidents/INC-1/resolve", {}, "reason: Field required"),
    ],
)
async def test_a_bad_body_says_what_is_wrong(world: World, path: str, body: Any, said: str) -> None:
    """Typed, with status 400."""
    status, message = await world.post(path, body)
    assert status == 400
    assert message.startswith(said)


async def test_what_is_not_json_says_so(world: World) -> None:
    """And what is not there is 404."""
    answer = await world.http.post("/api/v1/silences", content=b"\xff{", headers=ANN)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("the body is not JSON")
    assert (await world.post("incidents/INC-9/resolve", {"reason": "because"}))[0] == 404
    assert (await world.post("incidents/nonsense/unmerge"))[0] == 404
    assert (await world.http.delete("/api/v1/silences/SIL-9", headers=ANN)).status_code == 404
