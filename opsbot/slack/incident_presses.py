"""What presses about an incident do: one command each, the dialog that asks before it, or the answer to Why."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.rights import require
from opsbot.slack.buttons import ACKNOWLEDGE, MENU, WHY
from opsbot.slack.dialogs.forms import RIGHTS, form_view
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.given import given
from opsbot.slack.incident_dialogs import DIALOG, WHICH, WHY_FIELD, IncidentSubject, note_dialog
from opsbot.slack.pinning import PICK, pick_pressed
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.quotes import load
from opsbot.slack.seat import Seat
from opsbot.slack.why import why_view

VERBS: Mapping[str, str] = {**RIGHTS, "resolve": "resolve an incident", "note": "add a note"}
"""By the menu's word, what the person needs the role for."""


async def _acknowledge(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.incidents.acknowledge(press.value, who)


async def _why(seat: Seat, press: Press, who: Person) -> Answer:
    view = await seat.incidents.incident(press.value)
    return why_view(view, await seat.incidents.explain(view.incident.incident_id))


async def _menu(seat: Seat, press: Press, who: Person) -> Answer:
    verb, _, incident_id = press.value.partition(" ")
    if verb not in VERBS:
        raise ConfigError(f"this menu is of another version of the bot ({verb}); press again on the newest message")
    require(who, "responder", VERBS[verb])
    if verb == "resolve":
        return Subject(verb, incident_id, press.channel, press.thread_ts)
    view = await seat.incidents.incident(incident_id)
    if verb == "note":
        return note_dialog(IncidentSubject(verb, incident_id, (), press.channel, press.thread_ts), view)
    return form_view(seat, Subject(verb, incident_id, press.channel, press.thread_ts), who, view)


async def _submitted(seat: Seat, press: Press, who: Person) -> Answer:
    """Carry out what a dialog asks for."""
    subject, answers = IncidentSubject.load(press.value), given(press.view)
    words, incident_id = answers.get(WHY_FIELD, ""), subject.reference
    match subject.verb:
        case "note":
            return await seat.incidents.add_note(incident_id, words, who, press.source)
        case "pick":
            return await seat.incidents.quote(answers.get(WHICH, ""), load(subject.shown), who)
    raise ConfigError(f"this dialog is of another version of the bot ({subject.verb}); open it anew")


async def _pick(seat: Seat, press: Press, who: Person) -> Answer:
    return await pick_pressed(seat, press, who)


PRESSES: Mapping[str, Handler] = {ACKNOWLEDGE: _acknowledge, WHY: _why, MENU: _menu, PICK: _pick}
"""By action id."""
SUBMISSIONS: Mapping[str, Handler] = {DIALOG: _submitted}
"""By a dialog's callback id."""
