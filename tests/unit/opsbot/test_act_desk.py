"""What is done by hand: where it belongs, what it is told, and what is refused before anything is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from opsbot.act_desk import ActDesk
from opsbot.act_state import KNOBS, RUNBOOKS, ActState
from opsbot.action.control import ControlClient
from opsbot.action.control_answers import KnobAnswer, LeaseAnswer, NumberKnob
from opsbot.errors import ActionError, ConfigError, InvalidTransition, NotFoundError
from opsbot.incident.view import IncidentView, RunView
from opsbot.people import Person
from opsbot.runbook.loader import load_runbook
from opsbot.runbook.model import Runbook
from opsbot.runbook.store import Halt
from opsbot.store.database import StoreError
from tests.support.incident_views import OPENED_AT, make_approval, make_run, make_view
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands
from tests.support.runbooks import registry

ANN = Person("U0ONCALL", frozenset({"responder"}))
FOLDER = Path(__file__).parents[3] / "runbooks/by-hand"


def shipped() -> Sequence[Runbook]:
    """The runbooks that ship."""
    found = [load_runbook(path, registry())[0] for path in sorted(FOLDER.glob("*.yaml")) if ".test." not in path.name]
    return [one for one in found if one is not None]


SHIPPED = shipped()


class Knobs(ControlClient):
    """A server with a batch limit of 32, of 8 in force, and one lease of it."""

    def __init__(self, *, is_silent: bool = False, owner: str = "ben") -> None:
        super().__init__({})
        self.is_silent, self.owner = is_silent, owner

    async def knob(self, place: str, name: str) -> NumberKnob:
        self._answer()
        return NumberKnob(knob=name, base=32, in_force=8, minimum=1, maximum=64)

    async def look(self, place: str, name: str) -> KnobAnswer:
        self._answer()
        if name == "batch_limit":
            return KnobAnswer(knob=name, kind="number", base=32, in_force=8, leases=("l-1",))
        return KnobAnswer(knob=name, kind="layers")

    async def leases_in_force(self, place: str, **filters: str) -> tuple[LeaseAnswer, ...]:
        self._answer()
        if filters["knob"] != "batch_limit":
            return ()
        return (
            LeaseAnswer(
                lease_id="l-1", knob="batch_limit", value=8, owner=self.owner, state="live",
                expires_at=OPENED_AT + 600, end_reason=None, in_force_before=32, in_force=8,
            ),
        )  # fmt: skip

    def _answer(self) -> None:
        if self.is_silent:
            raise ActionError("the server of cluster eu-1 does not answer", retryable=True)


def view_of(cluster: str, run: RunView | None = None, **more: Any) -> IncidentView:
    """An open incident with alerts of a cluster."""
    view = make_view(runs=[run] if run else ())
    incident = dataclasses.replace(view.incident, labels={"cluster": cluster}, num_alerts=1, num_firing=1, **more)
    return dataclasses.replace(view, incident=incident, alerts=())


def desk(
    views: Sequence[IncidentView] = (), control: ControlClient | None = None, runbooks: Sequence[Runbook] = SHIPPED
) -> tuple[RecordedCommands, ActDesk]:
    """The desk of a fleet of two clusters."""
    commands = RecordedCommands(views or [view_of("us", make_run("waiting", approvals=[make_approval()]))])
    state = ActState(control or Knobs(), ManualClock(OPENED_AT))
    return commands, ActDesk(commands, commands, state, ("eu-1", "us"), lambda: runbooks, 4 * 3600.0)


def test_every_verb_has_its_knob_and_its_shipped_runbook() -> None:
    """One that is renamed fails here."""
    assert KNOBS.keys() == RUNBOOKS.keys()
    assert {one.runbook_id for one in SHIPPED} == set(RUNBOOKS.values())
    assert all(one.is_by_hand for one in SHIPPED)


@pytest.mark.parametrize(("typed", "incident"), [("us 4", "INC-1"), ("eu-1 4", None), ("eu-1 4 for INC-1", "INC-1")])
async def test_it_belongs_to_the_incident_of_its_cluster(typed: str, incident: str | None) -> None:
    """Or to the one that is named; else the run gets its own."""
    commands, acts = desk()
    answer = await acts.carry_out("batch", typed, ANN, "t-1")
    (request,) = commands.requests
    assert request.incident_id == incident
    assert ("for INC-1" in answer.message) is (incident is not None)


@pytest.mark.parametrize(
    ("verb", "typed", "inputs"),
    [
        ("batch", "us -25% for 1h30 because KV", {"limit": 6, "length": "1h30m", "reason": "KV"}),
        ("batch", "us -1%", {"limit": 7}),
        ("shed", "us 20% class=free", {"fraction": 0.2, "class": "free"}),
        ("failwhale", "us on 10m", {"length": "10m"}),
        ("fallback", "us tenant=acme", {"who": "tenant", "name": "acme"}),
        ("loadtest", "us 40rps 5m expect it holds", {"requests_per_s": 40.0, "length": "5m", "expect": "it holds"}),
    ],
)
async def test_what_is_said_are_the_inputs_of_its_runbook(verb: str, typed: str, inputs: Mapping[str, object]) -> None:
    """What is not said is left to the runbook; a change is relative to what is in force."""
    commands, acts = desk()
    await acts.carry_out(verb, typed, ANN, "t-1")
    (request,) = commands.requests
    assert request.runbook_id == RUNBOOKS[verb]  # type: ignore[index]
    assert (request.cluster, dict(request.inputs)) == ("us", inputs)


async def test_the_same_delivery_is_the_same_request() -> None:
    """So that it acts once."""
    commands, acts = desk()
    for request_id in ("t-1", "t-1", "t-2"):
        await acts.carry_out("batch", "us 4", ANN, request_id)
    first, second, third = (request.request_id for request in commands.requests)
    assert first == second != third


async def test_the_answer_says_what_it_waits_for_and_that_all_runs_are_stopped() -> None:
    """And how it is taken back."""
    commands, acts = desk()
    commands.halted = Halt(1, "the region is down", "U0BOSS", OPENED_AT)
    said = (await acts.carry_out("batch", "us 4", ANN, "t-1")).message
    assert "set the batch limit of us from 8 to 4 for 30m for INC-1." in said
    assert "It waits for a responder to approve it: `approve apr-1`." in said
    assert "All runs are stopped (the region is down)" in said
    assert "or `batch us off`." in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("us 33", "is 8 now and may be 1 to 32, not 33"),
        ("us +900%", "may be 1 to 32"),
        ("us +1%", "is 8 already"),
        ("us 4 for 5h", "at most 4h"),
    ],
)
async def test_what_would_have_no_effect_is_refused(typed: str, said: str) -> None:
    """Nothing is started."""
    commands, acts = desk()
    with pytest.raises(ConfigError, match=said):
        await acts.carry_out("batch", typed, ANN, "t-1")
    assert commands.calls == []


async def test_a_runbook_that_is_not_in_force_is_named() -> None:
    """With where it ships."""
    _, acts = desk(runbooks=())
    with pytest.raises(NotFoundError, match="runbooks/by-hand"):
        await acts.carry_out("shed", "us 20%", ANN, "t-1")
    with pytest.raises(ConfigError, match="there is no `fly`"):
        await acts.carry_out("fly", "us", ANN, "t-1")


async def test_a_server_that_does_not_answer_keeps_a_relative_limit_alone() -> None:
    """A shed needs no value of before."""
    commands, acts = desk(control=Knobs(is_silent=True))
    with pytest.raises(ActionError, match="does not answer"):
        await acts.carry_out("batch", "us -25%", ANN, "t-1")
    assert commands.calls == []
    await acts.carry_out("shed", "us 20%", ANN, "t-1")
    assert commands.requests[0].runbook_id == "shed"


async def test_off_undoes_what_holds_and_cancels_what_waits() -> None:
    """Only what was started by hand for that cluster; what others hold is named."""
    holding = dataclasses.replace(make_run("holding"), runbook_id="set-batch", cluster="us", can_undo=True)
    waiting = dataclasses.replace(make_run("waiting"), runbook_id="failwhale", cluster="us", can_undo=False)
    other = dataclasses.replace(make_run("holding"), runbook_id="set-batch", cluster="eu-1", can_undo=True)
    commands, acts = desk([view_of("us", holding), view_of("us", waiting), view_of("eu-1", other)])
    await acts.carry_out("batch", "us off", ANN, "t-1")
    await acts.carry_out("failwhale", "us down because it is over", ANN, "t-2")
    assert [call[0] for call in commands.calls] == ["undo", "cancel"]
    assert commands.calls[1][1].endswith("it is over")
    with pytest.raises(InvalidTransition, match="nobody has set the shedding of us by hand"):
        await acts.carry_out("shed", "us off", ANN, "t-3")


@pytest.mark.parametrize(
    ("owner", "said"),
    [("ben", "8 by ben, live, until"), ("run:kv-pressure:1:1:1", "renewed until it is given back; `undo r-")],
)
async def test_what_is_in_force_is_shown_with_its_holder(owner: str, said: str) -> None:
    """A person's lease, or a run's with what gives it back."""
    _, acts = desk(control=Knobs(owner=owner))
    shown = (await acts.carry_out("batch", "us", ANN, "t-1")).message
    assert "The batch limit of us is 8 now; the server was started with 32. It may be 1 to 32." in shown
    assert said in shown
    with pytest.raises(InvalidTransition, match="It is held by"):
        await acts.carry_out("batch", "us off", ANN, "t-2")


async def test_a_limit_above_somebody_elses_is_refused() -> None:
    """The smallest is in force; who holds it is named. A higher one in place of one set by hand is taken."""
    commands, acts = desk()
    with pytest.raises(ConfigError, match=r"would change nothing on us.*8 by ben"):
        await acts.carry_out("batch", "us 16", ANN, "t-1")
    assert commands.calls == []
    commands, acts = desk(control=Knobs(owner="run:set-batch:q:1:1"))
    await acts.carry_out("batch", "us 16", ANN, "t-1")
    assert dict(commands.requests[0].inputs) == {"limit": 16}


async def test_a_run_that_is_started_is_told_though_it_cannot_be_read() -> None:
    """A person who reads that nothing was done starts it again."""
    commands, acts = desk()

    async def unreadable(run_id: str) -> RunView:
        raise StoreError("the database cannot be read: disk I/O error")

    commands.run = unreadable  # type: ignore[method-assign]
    answer = await acts.carry_out("shed", "eu-1 10%", ANN, "r-1")
    assert len(commands.requests) == 1
    assert answer.run is not None
