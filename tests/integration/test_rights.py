"""Every verb, every role, given by name and by user group: rights are checked where the action happens.

The real desks over a real store: what somebody may not do is refused before anything is looked up or changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from inspect import getmembers, iscoroutinefunction, signature
from pathlib import Path
from typing import get_args

import pytest

from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.errors import ApprovalError, OpsbotError
from opsbot.incident.note import QuotedMessage
from opsbot.people import Person, Role
from opsbot.roster import Membership, Roster
from opsbot.run_desk import RunDesk
from opsbot.runbook.case import approval_id
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.preview import Ask
from opsbot.store.repositories import Repositories
from tests.support.alerts import firing, open_database
from tests.support.no_runs import NoRuns
from tests.support.run_people import COMMANDER, RunPeople, notes, request

pytestmark = pytest.mark.integration

ROLES: tuple[Role, ...] = get_args(Role)
RESPONDERS = frozenset({"responder", "commander"})
COMMANDERS = frozenset({"commander"})
QUOTE = QuotedMessage("C1 1.0", "somebody", 0.0, "text")
Verb = Callable[[Desk, RunDesk, Person], Awaitable[object]]
INCIDENT_VERBS: Mapping[str, tuple[Verb, frozenset[str]]] = {
    "acknowledge": (lambda desk, _, who: desk.acknowledge("INC-9", who), RESPONDERS),
    "resolve": (lambda desk, _, who: desk.resolve("INC-9", "over", who), RESPONDERS),
    "merge": (lambda desk, _, who: desk.merge("INC-9", "INC-8", who), RESPONDERS),
    "take_apart": (lambda desk, _, who: desk.take_apart("INC-9", who), RESPONDERS),
    "link": (lambda desk, _, who: desk.link("INC-9", "INC-8", "why", who), RESPONDERS),
    "add_note": (lambda desk, _, who: desk.add_note("INC-9", "words", who, "q1"), RESPONDERS),
    "quote": (lambda desk, _, who: desk.quote("INC-9", QUOTE, who), RESPONDERS),
    "silence": (lambda desk, _, who: desk.silence(['alertname="X"'], 60.0, "why", who), RESPONDERS),
    "end_silence": (lambda desk, _, who: desk.end_silence("S-9", who), RESPONDERS),
}
RUN_VERBS: Mapping[str, tuple[Verb, frozenset[str]]] = {
    "preview": (lambda _, runs, who: runs.preview(Ask("undo", "r-000000"), who), RESPONDERS),
    "start": (lambda _, runs, who: runs.start(RunRequest("none", "q1"), who), RESPONDERS),
    "again": (lambda _, runs, who: runs.again("r-000000", who), RESPONDERS),
    "undo": (lambda _, runs, who: runs.undo("r-000000", who), RESPONDERS),
    "cancel": (lambda _, runs, who: runs.cancel("r-000000", who, "why"), RESPONDERS),
    "pause": (lambda _, runs, who: runs.pause("r-000000", who, "why"), RESPONDERS),
    "resume": (lambda _, runs, who: runs.resume("r-000000", who), RESPONDERS),
    "skip": (lambda _, runs, who: runs.skip("r-000000", "step", who, "why"), RESPONDERS),
    "settle": (lambda _, runs, who: runs.settle("r-000000", "step", True, who), RESPONDERS),
    "break_glass": (lambda _, runs, who: runs.break_glass("apr-9", who, "why"), COMMANDERS),
    "object": (lambda _, runs, who: runs.object("ann-9", who), RESPONDERS),
    "go_now": (lambda _, runs, who: runs.go_now("ann-9", who), COMMANDERS),
    "offer_capacity": (lambda _, runs, who: runs.offer_capacity("ann-9", who), RESPONDERS),
    "stop_all": (lambda _, runs, who: runs.stop_all(who, "why"), COMMANDERS),
    "go_on": (lambda _, runs, who: runs.go_on(who), COMMANDERS),
    "hold": (lambda _, runs, who: runs.hold("local/batch_limit", 60.0, who, "why"), RESPONDERS),
    "let_go": (lambda _, runs, who: runs.let_go(9, who), RESPONDERS),
}
VERBS = {**INCIDENT_VERBS, **RUN_VERBS}
APART = frozenset({"unquote", "decide"})
"""Rights that depend on what is there; each has a test of its own."""


def by_name(role: Role | None) -> Person:
    """Somebody whom opsbot.yaml gives the role."""
    return Roster({"U1": frozenset({role})} if role else {}).person("U1", "Slack")


def by_group(role: Role | None) -> Person:
    """Somebody in a user group of Slack that has the role."""
    given: Mapping[str, frozenset[Role]] = {"@group": frozenset({role})} if role else {}
    return Roster({}, given, lambda: Membership({"@group": frozenset({"U1"})})).person("U1", "Slack")


@pytest.mark.parametrize("person_with", [by_name, by_group])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_is_for_those_who_have_its_role(
    tmp_path: Path, verb: str, person_with: Callable[[Role | None], Person]
) -> None:
    """Everybody else is told which role is needed; those who have it get as far as what they named."""
    act, allowed = VERBS[verb]
    with closing(open_database(tmp_path)) as opened:
        stores = Repositories.over(opened, AlertPolicy())
        desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: (), lambda: None, SystemClock())
        runs = RunDesk(stores, NoRuns(), lambda: (), lambda: None, SystemClock())
        for role in (None, *ROLES):
            refusal = await _refusal(act(desk, runs, person_with(role)))
            assert (refusal is None) == (role in allowed), f"{verb} by {role}: {refusal}"
            if refusal is not None:
                assert "the role " in refusal
                assert "opsbot.yaml" in refusal


async def _refusal(acting: Awaitable[object]) -> str | None:
    try:
        await acting
    except ApprovalError as error:
        return str(error)
    except OpsbotError:
        return None
    return None


def test_every_verb_is_tried() -> None:
    """A verb that is added to the desks must be added above: it takes a person, so it needs a right."""
    for desk, known in ((Desk, INCIDENT_VERBS), (RunDesk, RUN_VERBS)):
        found = {
            name
            for name, method in getmembers(desk, iscoroutinefunction)
            if not name.startswith("_") and "person" in signature(method).parameters
        }
        assert found - APART == set(known)


@pytest.mark.parametrize("needed", ["responder", "commander", "trust_and_safety"])
async def test_an_approval_is_for_the_role_that_it_asks_for(tmp_path: Path, needed: Role) -> None:
    """Of everybody who tries, only those with that role decide; a commander is a responder, and nothing else is."""
    world = RunPeople(tmp_path)
    world.put(notes(first=f"approval: {{from: {needed}, timeout: 10m}}"))
    allowed = {needed} | ({"commander"} if needed == "responder" else set())
    try:
        async with world.executing() as executor:
            desk = world.desk(executor)
            started = await desk.start(request(), COMMANDER)
            await world.until_run(started.run.run_id, "waiting")
            asked = approval_id(started.run.run_id, "first")
            for person_with in (by_name, by_group):
                for role in (None, *(one for one in ROLES if one not in allowed)):
                    with pytest.raises(ApprovalError, match="the role "):
                        await desk.decide(asked, is_granted=True, person=person_with(role))
            assert world.note.written() == []
            assert "You have granted it" in await desk.decide(asked, is_granted=True, person=by_group(needed))
    finally:
        await world.close()


async def test_a_message_is_taken_off_by_those_who_may_put_it_on(tmp_path: Path) -> None:
    """Of a message on no timeline there is nothing to refuse."""
    with closing(open_database(tmp_path)) as opened:
        stores = Repositories.over(opened, AlertPolicy())
        desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: (), lambda: None, SystemClock())
        await desk.ingest([firing()])
        for role in (None, *ROLES):
            await desk.quote("INC-1", QUOTE, by_name("responder"))
            assert await desk.unquote("C1 2.0", by_name(role)) == ""
            refusal = await _refusal(desk.unquote(QUOTE.place, by_group(role)))
            assert (refusal is None) == (role in RESPONDERS)
