"""What Slack shows of who is on call, who is woken, and who answered; only a wake is a mention that notifies."""

from __future__ import annotations

from datetime import UTC, datetime

from opsbot.incident.incident import IncidentState
from opsbot.incident.view import EscalationView, IncidentView
from opsbot.oncall.turn import turn
from opsbot.people import Person
from opsbot.slack.blocks import incident_message, timeline_entry
from opsbot.slack.commands import answer_to
from opsbot.slack.text import with_mentions
from opsbot.slack.typed import Typed
from tests.support.incident_views import OPENED_AT, make_entry, make_incident, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.rotas import ANNA, BEN, schedule
from tests.support.seats import seat_of

WAITING = EscalationView("urgent", "waiting", 1, 2, ("anna", "ben"), OPENED_AT + 300)


def shown(view: IncidentView) -> str:
    """Everything that the message says."""
    message = incident_message(view, OPENED_AT + 60)
    return message.text + str([block.to_dict() for block in message.blocks])


def test_a_wake_notifies_whom_it_names() -> None:
    """As mentions at its beginning, in the channel too."""
    entry = make_entry(
        text="@U0ANNA, @U0BEN: please take INC-1 (critical): <!channel> @U0DANA: x",
        kind="escalation.notified",
        is_broadcast=True,
    )
    reply = timeline_entry(entry)
    assert reply.text == "<@U0ANNA>, <@U0BEN>: please take INC-1 (critical): &lt;!channel&gt; @U0DANA: x"
    assert reply.is_broadcast


def test_nothing_else_that_looks_so_is_a_mention() -> None:
    """An alert's title, or what a person wrote."""
    assert with_mentions("x @U0ANNA: y") == "x @U0ANNA: y"
    for actor, kind in (("opsbot", "incident.opened"), ("U0BEN", "escalation.notified")):
        entry = make_entry(text="@U0ANNA: fires", actor=actor, kind=kind)
        assert "<@U0ANNA>" not in timeline_entry(entry).text


def test_the_message_says_who_is_asked_without_waking_them_again() -> None:
    """By name; it is edited often."""
    text = shown(IncidentView(make_incident(), (), (), escalation=WAITING))
    assert "Escalation urgent: level 1 of 2, anna, ben; until <!date" in text
    assert "<@" not in text


def test_the_message_says_that_nobody_answered() -> None:
    """And who was the last."""
    escalation = EscalationView("urgent", "unanswered", 2, 2, ("ben",), None)
    assert "*Nobody answered.* Escalation urgent: level 2 of 2, ben, was the last" in shown(
        IncidentView(make_incident(), (), (), escalation=escalation)
    )


def test_the_message_says_who_took_it_and_how_long_that_took() -> None:
    """While it is open and when it is over; by the first word of whoever has it."""
    entries = [
        make_entry("a", actor="U0BEN", kind="incident.acknowledged", at=OPENED_AT + 60),
        make_entry("b", actor="U0ANNA", kind="incident.acknowledged", at=OPENED_AT + 240),
        make_entry("c", actor="U0ANNA", kind="incident.acknowledged", at=OPENED_AT + 900),
    ]
    for state, words in (
        (IncidentState.ACKNOWLEDGED, "*<@U0ANNA> has it*, taken after 4 min"),
        (IncidentState.RESOLVED, "Taken by <@U0ANNA> after *4 min*"),
    ):
        text = shown(make_view(make_incident(state, acknowledged_by="U0ANNA"), timeline=entries))
        assert words in text
        assert "Escalation" not in text


async def test_ops_oncall_says_who_until_when_and_who_is_next() -> None:
    """One line for each schedule; also for one that has nobody."""
    commands = RecordedCommands()
    now = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
    commands.turns = (turn(schedule(ANNA, BEN), now), turn(schedule(ANNA, schedule_id="nights"), -86400.0))
    first, second = str(await answer_to(seat_of(commands), Typed("on call", Person("U1")))).splitlines()
    assert first.startswith("*serving* anna (<@U0ANNA>) until <!date^1767657600^")
    assert first.endswith(", then ben (<@U0BEN>)")
    assert second.startswith("*nights* nobody until <!date^0^")


async def test_ops_oncall_without_a_rota_says_how_to_have_one() -> None:
    """The setting's name."""
    assert "`oncall:` in opsbot.yaml" in str(
        await answer_to(seat_of(RecordedCommands()), Typed("oncall", Person("U1")))
    )
