"""Trust and safety matters are not there for others, whichever door they try; and are for those with the role."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from opsbot.errors import NotFoundError
from opsbot.incident.note import QuotedMessage
from opsbot.incident.view import AnnouncementView, IncidentView
from opsbot.people import Person
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.preview import Ask, PreviewVerb
from opsbot.slack.commands import answer_to
from opsbot.slack.picks import SOURCES, matching
from opsbot.slack.pinning import pick
from opsbot.slack.press import Press
from opsbot.slack.press_desk import HANDLERS
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Typed
from tests.support.incident_views import make_approval, make_incident, make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

SECRET = "key-4711 resells our model"
COMMANDER = Person("U0COMMANDER", frozenset({"commander"}))
ANALYST = Person("U0SAFETY", frozenset({"trust_and_safety", "responder"}))
QUOTE = QuotedMessage("C1/1.0", "Olga", 1.0, "the rack was moved", "")
PICKED = ("incident", "unacknowledged", "run", "undoable", "approval", "announcement")


def matter() -> IncidentView:
    """INC-2, which a policy opened, with a run that asks for an approval and announces something."""
    approval = replace(make_approval("apr-2", will_do=SECRET, role="trust_and_safety"), run_id="run:safe:1")
    said = AnnouncementView("ann-2", "run:safe:1", "step", SECRET, True, 0.0, None, ())
    run = make_run(run_id="run:safe:1", name=SECRET, approvals=[approval], can_undo=True)
    run = replace(run, is_restricted=True, incident_id="INC-2", announcements=(said,), detail=SECRET)
    incident = make_incident(incident_id="INC-2", title=SECRET, description=SECRET)
    return make_view(replace(incident, labels={"alertname": "ResellerSuspected", "policy": "reseller"}), [run])


def commands() -> RecordedCommands:
    """INC-1 for everybody, with a run of each kind of question, and INC-2."""
    said = AnnouncementView("ann-1", "run-1", "step", "All is drained.", True, 0.0, None, ())
    run = replace(make_run(approvals=[make_approval()], can_undo=True), incident_id="INC-1", announcements=(said,))
    return RecordedCommands([make_view(runs=[run]), matter()])


def press(action_id: str, value: str) -> Press:
    """Somebody presses on a message."""
    return Press("U0", action_id, value, "1.0", "1.5", "C1", None, "t-1")


@pytest.mark.parametrize("kind", PICKED)
async def test_no_picker_offers_it(kind: str) -> None:
    """Neither when the dialog opens nor when somebody types into it; who has the role is offered both."""
    everything = seat_of(commands())
    seat = seen_by(everything, COMMANDER)
    offered = [one.value for one in await SOURCES[kind](seat)]
    typed = [one.value for one in await matching(seat, f"pick.{kind}.name", "")]
    assert offered == typed
    assert len(offered) == 1
    assert len(await SOURCES[kind](seen_by(everything, ANALYST))) == 2


@pytest.mark.parametrize("kind", PICKED)
async def test_typing_finds_nothing_of_it(kind: str) -> None:
    """Whoever knows what they look for learns nothing."""
    seat = seen_by(seat_of(commands()), COMMANDER)
    for wanted in ("4711", "INC-2"):
        assert [one for one in await matching(seat, f"pick.{kind}.name", wanted) if one.value != "INC-1"] == []


@pytest.mark.parametrize("text", ["runs", "runs all", "status", "incidents", "menu", "ack", "undo", "approve", "why"])
async def test_no_command_shows_it(text: str) -> None:
    """Answers, menus and forms alike; the other incident is there."""
    for trigger_id in ("", "t-1"):
        seat = seen_by(seat_of(commands()), COMMANDER)
        try:
            shown = repr(await answer_to(seat, Typed(text, COMMANDER, "q1", trigger_id=trigger_id)))
        except Exception as error:
            shown = str(error)
        assert SECRET not in shown
        assert "INC-2" not in shown


async def test_the_picker_of_a_pinned_message_offers_only_the_others() -> None:
    """A message belongs to INC-1, or to nothing that is named."""
    view = await pick(seen_by(seat_of(commands()), COMMANDER), QUOTE, "C1", None, COMMANDER)
    assert not isinstance(view, str)
    assert ("INC-1" in str(view.to_dict()), "INC-2" in str(view.to_dict())) == (True, False)
    both = await pick(seen_by(seat_of(commands()), ANALYST), QUOTE, "C1", None, ANALYST)
    assert "INC-2" in str(both if isinstance(both, str) else both.to_dict())


@pytest.mark.parametrize("entry", ["note", "hold", "silence"])
async def test_no_dialog_of_its_menu_opens(entry: str) -> None:
    """Its buttons stand in the other channel only; a press that is made up finds nothing."""
    seat = seen_by(seat_of(commands()), COMMANDER)
    with pytest.raises(NotFoundError, match="that you may see"):
        await HANDLERS["incident.menu"](seat, press("incident.menu", f"{entry} INC-2"), COMMANDER)
    await HANDLERS["incident.menu"](seat, press("incident.menu", "note INC-1"), COMMANDER)


ASKED: list[tuple[PreviewVerb, str]] = [
    ("approve", "apr-2"),
    ("glass", "APR-2"),
    ("object", "ann-2"),
    ("go_now", "ann-2"),
    ("undo", "run:safe:1"),
    ("cancel", "run:safe:1"),
    ("resolve", "INC-2"),
]


@pytest.mark.parametrize(("verb", "name"), ASKED)
async def test_no_look_ahead_tells_of_it(verb: PreviewVerb, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By id; nothing of the real look ahead is asked, so its errors tell nothing either."""
    monkeypatch.setattr(
        "opsbot.slack.restricted._names", lambda run: [a.approval_id for a in run.approvals] + ["ann-2"]
    )
    recorded = commands()
    recorded.preview_error = AssertionError("it was looked at")
    with pytest.raises(NotFoundError, match="that you may see"):
        await seen_by(seat_of(recorded), COMMANDER).runs.preview(Ask(verb, name), COMMANDER)


async def test_no_look_ahead_of_a_run_for_it() -> None:
    """Nor is a run started for it."""
    seat = seen_by(seat_of(commands()), COMMANDER)
    request = RunRequest("relieve", "q1", incident_id="INC-2")
    with pytest.raises(NotFoundError, match="that you may see"):
        await seat.runs.preview(Ask("start", "relieve", request), COMMANDER)


@pytest.mark.parametrize("name", ["apr-2", "apr-", "ann-2"])
async def test_a_question_is_not_answered_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a commander may break the glass of anything else."""
    monkeypatch.setattr("opsbot.slack.restricted._names", lambda run: ["apr-2", "ann-2"] if run.is_restricted else [])
    recorded = commands()
    runs = seen_by(seat_of(recorded), COMMANDER).runs
    tries: list[Callable[[], Awaitable[str]]] = [
        lambda: runs.decide(name, is_granted=True, person=COMMANDER),
        lambda: runs.break_glass(name, COMMANDER, "why"),
        lambda: runs.object(name, COMMANDER, "why"),
        lambda: runs.go_now(name, COMMANDER),
        lambda: runs.offer_capacity(name, COMMANDER),
    ]
    for attempt in tries:
        with pytest.raises(NotFoundError):
            await attempt()
    assert recorded.calls == []
    await runs.decide("apr-1", is_granted=True, person=COMMANDER)
    assert recorded.calls == [("grant", "apr-1", "U0COMMANDER")]


def test_the_role_is_all_that_it_takes() -> None:
    """The seat of somebody with the role is the seat itself; which roles one has comes with the person."""
    seat: Seat = seat_of(commands())
    assert seen_by(seat, ANALYST) is seat
    assert seen_by(seat, COMMANDER).runs is not seat.runs
