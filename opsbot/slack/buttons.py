"""The buttons under an incident: what each says it will do, how that is taken back, and the ids that come back to us.

Pure. An action id names the verb; the button's value carries the id of the thing, so an old message still presses
what it showed. Rights are checked by the command that a press calls, never by leaving a button out.
"""

from __future__ import annotations

from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ConfirmObject,
    InteractiveElement,
    Option,
    OverflowMenuElement,
    PlainTextObject,
)

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.view import RunView
from opsbot.slack.limits import MAX_BLOCK_ID, MAX_CONFIRM_TEXT, MAX_CONFIRM_TITLE
from opsbot.slack.text import inert, plain, shorten

ACKNOWLEDGE = "incident.acknowledge"
WHY = "incident.why"
MENU = "incident.menu"
GO_ON = "halt.go_on"
UNDO = "run.undo"
MOST_UNDO = 2
"""More than these stand in the menus of their runs; a person reads five buttons, not nine."""
MAX_UNDO_NAME = 40


def incident_buttons(incident: Incident, runs: tuple[RunView, ...]) -> ActionsBlock:
    """What can be done with the incident as it is: at most five, what is done most in front, the rest in a menu."""
    elements: list[InteractiveElement] = []
    if incident.state is IncidentState.OPEN and incident.merged_into is None:
        elements.append(
            ButtonElement(text="Acknowledge", action_id=ACKNOWLEDGE, value=incident.incident_id, style="primary")
        )
    undoable = [run for run in reversed(runs) if run.can_undo][:MOST_UNDO]
    elements += [_undo(run, number, is_only=len(undoable) == 1) for number, run in enumerate(undoable)]
    elements.append(ButtonElement(text="Why?", action_id=WHY, value=incident.incident_id))
    menu = _menu(incident)
    return ActionsBlock(block_id=block_id("incident", incident.incident_id), elements=[*elements, menu])


def _undo(run: RunView, number: int, *, is_only: bool) -> ButtonElement:
    name = plain(run.runbook_name, 150)
    return ButtonElement(
        text="Undo" if is_only else f"Undo: {shorten(name, MAX_UNDO_NAME)}",
        action_id=UNDO if number == 0 else f"{UNDO}.{number}",
        value=run.run_id,
        style="danger",
    )


def _menu(incident: Incident) -> OverflowMenuElement:
    """Entries are `<verb> <incident id>`; each opens a dialog that says what it does."""
    entries: list[tuple[str, str]] = []
    if not incident.is_resolved and incident.merged_into is None:
        if incident.labels.get("cluster"):
            entries.append(("hold", "Hold its knobs …"))
        entries += [("silence", "Silence its alerts …"), ("resolve", "Resolve by hand …")]
    entries.append(("note", "Add a note …"))
    return OverflowMenuElement(
        action_id=MENU,
        options=[Option(text=label, value=f"{verb} {incident.incident_id}") for verb, label in entries],
    )


def go_on_button() -> ActionsBlock:
    """Lift the global stop."""
    return ActionsBlock(
        block_id="halt:go_on",
        elements=[ButtonElement(text="Let runs go on", action_id=GO_ON, value="all")],
    )


def block_id(kind: str, reference: str) -> str:
    """A block id that is stable over edits, so that clients keep the block in place."""
    return f"{kind}:{reference}"[:MAX_BLOCK_ID]


def confirm(title: str, text: str, confirm: str, deny: str, *, style: str | None = None) -> ConfirmObject:
    """A dialog that asks once more, within Slack's limits."""
    # Plain text, because the sentences come from the domain and are not to be formatted here.
    return ConfirmObject(
        title=shorten(title, MAX_CONFIRM_TITLE),
        text=PlainTextObject(text=shorten(inert(text), MAX_CONFIRM_TEXT)),
        confirm=confirm,
        deny=deny,
        style=style,
    )
