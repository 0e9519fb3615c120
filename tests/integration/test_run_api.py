"""Core's routes for runs, what they ask, the global stop and holds, over a real store: rights, words, bad bodies."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.alert.policy import AlertPolicy
from opsbot.desk import Desk
from opsbot.incident.handle import handle_of
from opsbot.people import Person, Role, person_for
from opsbot.run_desk import RunDesk
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, Change, StepRow
from opsbot.store.run_queue import RunbookToRun
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.tokens import Tokens
from tests.support.no_runs import NoRuns
from tests.support.run_people import RunPeople, notes

ROLES: Mapping[str, tuple[Role, ...]] = {
    "stranger": (),
    "viewer": ("viewer",),
    "author": ("author",),
    "safety": ("trust_and_safety",),
    "responder": ("responder",),
    "commander": ("commander",),
}
RESPONDERS = {"responder", "commander"}
COMMANDERS = {"commander"}
START = {"runbook": "two-notes", "request_id": "q1"}


class Executor:
    """Notes what it was asked; runs themselves have their own tests."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wake(self) -> None:
        self.told.append("wake")

    async def wake_run(self, run_id: str) -> None:
        self.told.append(f"wake {handle_of(run_id)}")

    async def request_undo(self, run_id: str, person: Person) -> None:
        self.told.append(f"undo {handle_of(run_id)} by {person.user_id}")

    async def cancel(self, run_id: str, person: Person, reason: str) -> None:
        self.told.append(f"cancel {handle_of(run_id)} by {person.user_id}: {reason}")


class World(RunPeople):
    """A run in every situation that somebody may press something in, and core's API before it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.executor_double = Executor()
        self.run_desk: RunDesk = self.desk(self.executor_double)
        desk = Desk(self.stores, NoRuns(), AlertPolicy(), lambda alert: [], lambda: None, self.clock)
        tokens = Tokens.of("machine", {name: f"cli:{name}" for name in ROLES})
        roles = {f"cli:{name}": frozenset(roles) for name, roles in ROLES.items()}
        api = CoreApi(
            desk, tokens, lambda user: person_for(user, roles, "API"), CoreMetrics(), lambda: None, lambda: {},
            runs=self.run_desk,
        )  # fmt: skip
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://core")
        self.put(notes())
        self.run_id = self.fire("cause", notes())
        self.handle = handle_of(self.run_id)
        waiting = StepRow("first", 0, "Write the first note", "note.write", StepState.WAITING_APPROVAL)
        unknown = StepRow(
            "second", 1, "Write the second note", "note.write", StepState.UNKNOWN,
            idempotency_key=f"{self.run_id}:second:1", arguments={"text": "second"},
        )  # fmt: skip
        now = self.clock.now()
        approval = ApprovalRow(
            "apr-000000000001", self.run_id, "first", "INC-1", "responder", "set it", "undo it", "d", now, now + 600
        )
        said = AnnouncementRow(
            "ann-000000000001", self.run_id, "first", "INC-1", "it is done", 600.0, True, now, ends_at=now + 600
        )
        self.runs.commit(Change(self.run_id, now, state=RunState.RUNNING, deadline=now + 3600))
        self.runs.commit(
            Change(self.run_id, now, (waiting, unknown), state=RunState.WAITING, approval=approval, announcement=said)
        )

    def over(self) -> str:
        """The handle of a run that is over."""
        run_id = self.fire_another()
        self.runs.move_run(run_id, RunState.CANCELLED, "", self.clock.now())
        return handle_of(run_id)

    def fire_another(self) -> str:
        """A second run, for another cluster of the incident."""
        alert = dataclasses.replace(self.alert("other"), labels={**self.alert("other").labels, "cluster": "eu-1"})
        alert = dataclasses.replace(alert, fingerprint="other-one")
        runbook = self.library[0]
        wanted = RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)
        (run_id,) = self.incidents.ingest([alert], self.clock.now(), lambda _: [wanted]).runs
        return run_id

    async def call(
        self, method: str, path: str, body: Any = None, who: str = "responder"
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON."""
        answer = await self.http.request(
            method, f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {who}"}
        )
        found: dict[str, Any] = answer.json()
        return answer.status_code, found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One for each test."""
    made = World(tmp_path)
    yield made
    await made.http.aclose()
    await made.close()


VERBS: list[tuple[str, str, str, Any, set[str]]] = [
    ("start", "POST", "runs", START, RESPONDERS),
    ("retry", "POST", "runs/{over}/retry", {}, RESPONDERS),
    ("undo", "POST", "runs/{run}/undo", None, RESPONDERS),
    ("cancel", "POST", "runs/{run}/cancel", {"reason": "why"}, RESPONDERS),
    ("pause", "POST", "runs/{run}/pause", {"reason": "why"}, RESPONDERS),
    ("resume", "POST", "runs/{run}/resume", None, RESPONDERS),
    ("skip", "POST", "runs/{run}/skip", {"step": "first", "reason": "why"}, RESPONDERS),
    ("settle", "POST", "runs/{run}/settle", {"step": "second", "happened": True}, RESPONDERS),
    ("grant", "POST", "approvals/apr-000000000001", {"decision": "grant"}, RESPONDERS),
    ("refuse", "POST", "approvals/apr-000000000001", {"decision": "refuse"}, RESPONDERS),
    ("glass", "POST", "approvals/apr-000000000001", {"decision": "grant", "glass_reason": "why"}, COMMANDERS),
    ("object", "POST", "announcements/ann-000000000001/object", {"reason": ""}, RESPONDERS),
    ("go now", "POST", "announcements/ann-000000000001/go-now", None, COMMANDERS),
    ("capacity", "POST", "announcements/ann-000000000001/capacity", None, RESPONDERS),
    ("stop all", "POST", "halt", {"reason": "why"}, COMMANDERS),
    ("go on", "DELETE", "halt", None, COMMANDERS),
    ("hold", "POST", "holds", {"pattern": "eu-1/*", "length_s": 60, "reason": "why"}, RESPONDERS),
    ("unhold", "DELETE", "holds/1", None, RESPONDERS),
]


@pytest.mark.parametrize(("verb", "method", "path", "body", "allowed"), VERBS, ids=[verb[0] for verb in VERBS])
async def test_who_may_do_what(world: World, verb: str, method: str, path: str, body: Any, allowed: set[str]) -> None:
    """Who may not hears which role is needed, and changes nothing; who may does it, twice, and hears a sentence."""
    if verb == "unhold":
        await world.run_desk.hold("eu-1/*", 60, Person("U1", frozenset({"responder"})), "why")
    place = path.format(run=world.handle, over=world.over() if "{over}" in path else "")
    world.executor_double.told.clear()
    needed = "commander" if allowed == COMMANDERS else "responder"
    for who in sorted(ROLES.keys() - allowed):
        status, answer = await world.call(method, place, body, who)
        has = ", ".join(ROLES[who]) or "none"
        assert status == 403
        assert f"the role {needed} is needed; cli:{who} has {has}" in answer["error"]["message"]
    # The machine may read, and do nothing in nobody's name.
    assert (await world.call(method, place, body, "machine"))[0] == 401
    assert world.executor_double.told == []
    assert await world.run_desk.halt() is None
    assert world.runs.approval("apr-000000000001").state == "open"
    assert world.runs.run(world.run_id).paused_by is None
    for _ in range(2):
        status, answer = await world.call(method, place, body, max(allowed))
        assert (status, bool(answer.get("message"))) == (200, True) or verb == "unhold", answer


@pytest.mark.parametrize(("verb", "method", "path", "body", "allowed"), VERBS, ids=[verb[0] for verb in VERBS])
async def test_a_commander_may_do_it_all(
    world: World, verb: str, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    """Commanders are responders too."""
    if verb == "unhold":
        await world.run_desk.hold("eu-1/*", 60, Person("U1", frozenset({"responder"})), "why")
    place = path.format(run=world.handle, over=world.over() if "{over}" in path else "")
    assert (await world.call(method, place, body, "commander"))[0] == 200


async def test_an_approval_is_of_the_roles_that_it_names(world: World) -> None:
    """A responder may not decide what is the commander's or trust and safety's."""
    now = world.clock.now()
    row = ApprovalRow(
        "apr-2", world.run_id, "first", "INC-1", "commander,trust_and_safety", "ban it", "lift it", "d", now, now + 60
    )
    world.runs.commit(Change(world.run_id, now, approval=dataclasses.replace(row, approval_id="apr-000000000002")))
    for decision in ("grant", "refuse"):
        status, answer = await world.call("POST", "approvals/apr-000000000002", {"decision": decision})
        assert status == 403
        assert "the role commander or trust_and_safety is needed" in answer["error"]["message"]
    status, answer = await world.call("POST", "approvals/apr-000000000002", {"decision": "grant"}, "safety")
    assert (status, answer["message"]) == (200, "You have granted it: ban it. Taken back: lift it.")
    status, answer = await world.call("POST", "approvals/apr-000000000002", {"decision": "refuse"}, "commander")
    assert (status, answer["error"]["message"]) == (403, "cli:safety has granted this already")
    assert world.executor_double.told == [f"wake {world.handle}"]


async def test_runs_are_read_with_what_they_ask(world: World) -> None:
    """By handle or whole id; those that are over only when asked for."""
    status, found = await world.call("GET", "runs", who="machine")
    assert status == 200
    (run,) = found["runs"]
    assert (run["handle"], run["incident_id"], run["state"]) == (world.handle, "INC-1", "waiting")
    assert [one["approval_id"] for one in run["approvals"]] == ["apr-000000000001"]
    assert [one["announcement_id"] for one in run["announcements"]] == ["ann-000000000001"]
    for name in (world.handle, world.run_id, world.handle[2:], world.handle.upper().replace("R-", "r-")):
        assert (await world.call("GET", f"runs/{name}"))[1]["run_id"] == world.run_id
    over = world.over()
    assert len((await world.call("GET", "runs"))[1]["runs"]) == 1
    assert over in [one["handle"] for one in (await world.call("GET", "runs?state=all"))[1]["runs"]]


async def test_the_global_stop_and_holds_are_read(world: World) -> None:
    """Null and empty while there are none."""
    assert (await world.call("GET", "halt"))[1] == {"halt": None}
    assert (await world.call("GET", "holds"))[1] == {"holds": []}
    await world.call("POST", "halt", {"reason": "the region is down"}, "commander")
    await world.call("POST", "holds", {"pattern": "eu-1/*", "length_s": 60, "reason": "mine"})
    assert (await world.call("GET", "halt"))[1]["halt"]["reason"] == "the region is down"
    (held,) = (await world.call("GET", "holds"))[1]["holds"]
    assert (held["number"], held["created_by"], held["reason"]) == (1, "cli:responder", "mine")
    assert (await world.call("GET", "incidents"))[1]["incidents"][0]["halt"]["created_by"] == "cli:commander"
    assert (await world.call("GET", "runs", who="nobody"))[0] == 401


async def test_a_start_answers_the_run(world: World) -> None:
    """Its id at once, so that somebody can follow it."""
    status, answer = await world.call("POST", "runs", {**START, "cluster": "eu-1", "inputs": {"times": 2}})
    assert status == 200
    assert answer["run"]["run_id"] == "run:two-notes:q1:1:1"
    assert answer["run"]["inputs"] == {"times": 2}
    assert answer["run"]["requester"] == "cli:responder"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "runs", {"runbook": "two-notes", "inputs": {"times": 9}}, 400, "times: 9 is more than max 5"),
        ("POST", "runs", {"runbook": "nope"}, 404, "there is no runbook 'nope'"),
        ("POST", "runs", {"runbok": "x"}, 400, "runbook: Field required"),
        ("POST", "runs/r-123456/cancel", {"reason": "x"}, 404, "there is no run r-123456"),
        ("POST", "runs/{run}/cancel", {"reason": " "}, 400, "say why the run is cancelled"),
        ("POST", "runs/{run}/cancel", {}, 400, "reason: Field required"),
        ("POST", "runs/{run}/retry", {}, 409, "it can be repeated when it is over"),
        ("POST", "runs/{run}/settle", {"step": "first", "happened": True}, 409, "it is waiting_approval"),
        ("POST", "runs/{run}/settle", {"step": "scond", "happened": True}, 404, "did you mean 'second'"),
        ("POST", "runs/{run}/skip", {"step": "second", "reason": "x"}, 409, "is unknown and cannot be left out"),
        ("POST", "approvals/apr-9", {"decision": "grant"}, 404, "there is no approval 'apr-9'"),
        ("POST", "approvals/apr-00000", {"decision": "yes"}, 400, "decision: Input should be 'grant' or 'refuse'"),
        ("POST", "approvals/apr-00000", {"decision": "refuse", "glass_reason": "x"}, 400, "needs no glass broken"),
        ("POST", "announcements/ann-99999999/object", {}, 404, "there is no announcement"),
        ("POST", "holds", {"pattern": "eu-1", "length_s": 60, "reason": "y"}, 400, "write CLUSTER/KNOB"),
        ("POST", "holds", {"pattern": "eu-1/x", "length_s": -1, "reason": "y"}, 400, "length_s: "),
        ("DELETE", "holds/x", None, 400, "'x' is no hold's number"),
        ("DELETE", "holds/7", None, 404, "there is no hold 7 in force"),
        ("POST", "halt", {"reason": ""}, 403, "the role commander is needed"),
    ],
)
async def test_what_is_wrong_is_said(world: World, method: str, path: str, body: Any, status: int, said: str) -> None:
    """With the status of its kind, and what to do next."""
    got, answer = await world.call(method, path.format(run=world.handle), body)
    assert got == status, answer
    assert said in answer["error"]["message"]
