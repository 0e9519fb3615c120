"""The dialogs behind an incident's menu: each says what will happen and how it is taken back, and asks why.

Pure. A dialog carries in its private metadata what it is about, what it showed, and where to answer.
"""

from __future__ import annotations

import json
import re
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

from opsbot.incident.view import IncidentView
from opsbot.slack.text import escape, literal, mrkdwn, shorten
from opsbot.yamlfile import format_duration

DIALOG = "opsbot.incident"
WHY_FIELD, LENGTH, WHICH = "reason", "length", "incident"
MAX_WORDS = 480
"""With the incident in front, what the domain allows a reason."""
LENGTHS_S = (900, 1800, 3600, 7200, 14400, 28800, 86400)
USUAL_S = 3600
SILENCED_BY = ("cluster", "instance", "pod", "model_name")
"""Labels, beside the alert's name, by which an incident's alerts are told from others of the same name."""
MOST_NAMES = 4
MAX_VALUE = 60
"""Characters of a label's value in a matcher; all of them fit a dialog's private metadata even when escaped."""
MAX_CLUSTER = 200
MOST_PICKED = 100
"""Options of a select menu. Page "Select menu element"."""
MAX_OPTION_TEXT = 75


@dataclass(frozen=True, slots=True)
class IncidentSubject:
    """What a dialog is about, and where its answer goes.

    Args:
        verb: `resolve`, `hold`, `silence`, `note` or `pick`.
        reference: the incident's id; of `pick` the message, as `<channel> <ts>`.
        shown: what will be set, as it was shown: matchers, or the knobs.
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


def subject_of(verb: str, view: IncidentView, channel: str | None, thread_ts: str | None) -> IncidentSubject:
    """What the dialog of *verb* will be about."""
    shown: Sequence[str] = ()
    if verb == "silence":
        shown = silence_matchers(view)
    elif verb == "hold":
        shown = (f"{shorten(view.incident.labels.get('cluster', '*'), MAX_CLUSTER)}/*",)
    return IncidentSubject(verb, view.incident.incident_id, shown, channel, thread_ts)


def incident_dialog(subject: IncidentSubject, view: IncidentView) -> View:
    """The dialog of one entry of the menu."""
    incident = view.incident
    name = f"*{incident.incident_id}* {literal(shorten(incident.title, 200))}"
    match subject.verb:
        case "hold":
            knobs = escape(subject.shown[0])
            text = (
                f"{name}\nNo run turns any knob of `{knobs}` until then; what is set there now stays. "
                f"`/ops holds` shows it, `/ops unhold` lifts it before its time, and it ends by itself."
            )
            return _dialog(subject, "Hold the knobs?", text, "Hold", [_length(), _why()])
        case "silence":
            matchers = "\n".join(f"• `{escape(shorten(one, 300))}`" for one in subject.shown)
            text = (
                f"{name}\nNew alerts with all of these labels open nothing and wake nobody until then:\n{matchers}\n"
                f"{incident.incident_id} stays open. `/ops unsilence` ends it before its time; what still fires then "
                "opens an incident."
            )
            return _dialog(subject, "Silence its alerts?", text, "Silence", [_length(), _why()])
        case "note":
            text = f"{name}\nIt stands in the timeline with your name and the time; the postmortem has it too."
            return _dialog(subject, "Add a note", text, "Add", [_why("What should the next reader know?")])
        case _:
            fires = f"\n*{incident.num_firing} of its alerts still fire:* silence them first, or it stays open."
            text = (
                f"{name}\nIt ends for everybody, nobody is woken for it any more, and what its runs hold is given "
                "back. It is not opened again: the next alert opens a new one." + (fires if incident.num_firing else "")
            )
            return _dialog(subject, "Resolve by hand?", text, "Resolve", [_why()])


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
            text=shorten(f"{view.incident.incident_id} {' '.join(view.incident.title.split())}", MAX_OPTION_TEXT),
            value=view.incident.incident_id,
        )
        for view in incidents[:MOST_PICKED]
    ]


def silence_matchers(view: IncidentView) -> Sequence[str]:
    """Matchers that mean the alerts of an incident and as few others as can be; short enough to be carried."""
    labels = view.incident.labels
    names = list(dict.fromkeys(alert.name for alert in view.alerts)) or [labels.get("alertname", "")]
    if len(names) == 1 and len(names[0]) <= MAX_VALUE:
        matchers = [f'alertname="{_quoted(names[0])}"']
    else:
        # A name that is too long to be carried is meant by how it begins.
        either = "|".join(
            re.escape(name) if len(name) <= MAX_VALUE else f"{re.escape(name[:MAX_VALUE])}.*"
            for name in names[:MOST_NAMES]
        )
        matchers = [f'alertname=~"{_quoted(either)}"']
    own = (name for name in SILENCED_BY if 0 < len(labels.get(name, "")) <= MAX_VALUE)
    return (*matchers, *(f'{name}="{_quoted(labels[name])}"' for name in own))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


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


def _why(label: str = "Why? The next reader was not there") -> InputBlock:
    return InputBlock(
        block_id=WHY_FIELD,
        label=PlainTextObject(text=label),
        element=PlainTextInputElement(action_id=WHY_FIELD, max_length=MAX_WORDS, min_length=1, multiline=True),
    )


def _length() -> InputBlock:
    options = [Option(text=format_duration(length), value=str(length)) for length in LENGTHS_S]
    usual = options[LENGTHS_S.index(USUAL_S)]
    return InputBlock(
        block_id=LENGTH,
        label=PlainTextObject(text="For how long?"),
        element=StaticSelectElement(action_id=LENGTH, options=options, initial_option=usual),
    )
