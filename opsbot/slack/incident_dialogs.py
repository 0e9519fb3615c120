"""The dialogs about an incident that change nothing but its timeline: a note, and to which incident a message belongs.

Pure. A dialog carries in its private metadata what it is about, what it showed, and where to answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from slack_sdk.models.blocks import (
    Block,
    InputBlock,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from opsbot.incident.note import MAX_NOTE
from opsbot.incident.view import IncidentView
from opsbot.slack.limits import MAX_OPTION_TEXT, MAX_OPTIONS
from opsbot.slack.text import literal, mrkdwn, plain, shorten

DIALOG = "opsbot.incident"
WHY_FIELD, WHICH = "reason", "incident"


@dataclass(frozen=True, slots=True)
class IncidentSubject:
    """What a dialog is about, and where its answer goes.

    Args:
        verb: `note` or `pick`.
        reference: the incident's id; of `pick` the message, as `<channel> <ts>`.
        shown: of `pick`, the message as it was shown.
        channel, thread_ts: no channel on the Home tab.
    """

    verb: str
    reference: str
    shown: Sequence[str] = field(default_factory=tuple)
    channel: str | None = None
    thread_ts: str | None = None

    def dump(self) -> str:
        """As a dialog carries it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> IncidentSubject:
        """What a dialog carried; raises ValueError or TypeError if that is none of ours."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError("no subject")
        return cls(**found)


def note_dialog(subject: IncidentSubject, view: IncidentView) -> View:
    """Asks for what is to stand in the timeline."""
    incident = view.incident
    name = f"*{incident.incident_id}* {literal(shorten(incident.title, 200))}"
    text = f"{name}\nIt stands in the timeline with your name and the time; the postmortem has it too."
    return _dialog(subject, "Add a note", text, "Add", [_why("What should the next reader know?")])


def pick_dialog(subject: IncidentSubject, incidents: Sequence[IncidentView], quote: str) -> View:
    """To which incident's timeline a message is added; *incidents* is not empty."""
    text = f"{quote}\nIts author, its time and a link go with it. Taking the pin off says so there."
    options = incident_options(incidents)
    select = InputBlock(
        block_id=WHICH,
        label=PlainTextObject(text="To which incident?"),
        element=StaticSelectElement(action_id=WHICH, options=options, initial_option=options[0]),
    )
    return _dialog(subject, "Add to the timeline", text, "Add", [select])


def incident_options(incidents: Sequence[IncidentView]) -> list[Option]:
    """Incidents to choose from, the newest first."""
    return [
        Option(
            text=plain(f"{view.incident.incident_id} {view.incident.title}", MAX_OPTION_TEXT),
            value=view.incident.incident_id,
        )
        for view in incidents[:MAX_OPTIONS]
    ]


def _dialog(subject: IncidentSubject, title: str, text: str, submit: str, inputs: Sequence[Block]) -> View:
    return View(
        type="modal",
        callback_id=DIALOG,
        private_metadata=subject.dump(),
        title=PlainTextObject(text=title),
        submit=PlainTextObject(text=submit),
        close=PlainTextObject(text="Not now"),
        blocks=[SectionBlock(block_id="what", text=mrkdwn(text)), *inputs],
    )


def _why(label: str) -> InputBlock:
    return InputBlock(
        block_id=WHY_FIELD,
        label=PlainTextObject(text=label),
        element=PlainTextInputElement(action_id=WHY_FIELD, max_length=MAX_NOTE, min_length=1, multiline=True),
    )
