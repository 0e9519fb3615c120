"""The dialogs that ask what exactly: Hold and Silence. Each says what it will do and how it is taken back.

The incident's menu opens them with its cluster and its alerts filled in; the command and the menu of `/ops` open them
for anything. What was filled in is checked before Slack closes the field, so a mistake is told under it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, InputBlock, PlainTextInputElement, PlainTextObject, SectionBlock
from slack_sdk.models.views import View

from opsbot.alert.matching import label_match
from opsbot.errors import ConfigError
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.rights import require
from opsbot.slack import lengths
from opsbot.slack.dialogs.matchers import silence_matchers
from opsbot.slack.dialogs.plan import CALLBACK, REASON, reason_input
from opsbot.slack.dialogs.speech import spoken
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.words import WORDS
from opsbot.slack.lengths import length_select
from opsbot.slack.limits import MAX_REASON
from opsbot.slack.picks import NOTHING, Pick, select
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.silence_text import read_silence
from opsbot.slack.text import mrkdwn, shorten
from opsbot.slack.typed import Typed
from opsbot.yamlfile import parse_duration

CLUSTER, KNOB, MATCHERS, LENGTH = "cluster", "knob", "matchers", "length"
ANY = "*"
KNOBS: Sequence[str] = (
    ANY, "batch_limit", "token_budget", "shed", "failwhale", "fallback_prompt", "throttle", "block", "drain", "fence",
    "route",
)  # fmt: skip
OFFERED: Mapping[str, Sequence[str]] = {"hold": lengths.HOLD, "silence": lengths.SILENCE}
RIGHTS: Mapping[str, str] = {"hold": "hold a knob", "silence": "silence alerts"}
"""By verb, what the person needs the role for; these verbs have a dialog that asks what exactly."""
MAX_WORDS = MAX_REASON - 20
"""With the incident in front, what the domain keeps of a reason."""
MAX_MATCHERS = 1000
_CLUSTER = re.compile(r"[\w.-]{1,100}")


@dataclass(frozen=True, slots=True)
class AskedExactly:
    """What a verb opens when it is typed alone."""

    verb: str

    async def view(self, seat: Seat, typed: Typed) -> Answer:
        """The dialog about no incident; a sentence where there is nothing to pick."""
        return form_view(seat, Subject(self.verb, "", typed.channel, typed.thread_ts), typed.person)


FORMS: Mapping[str, AskedExactly] = {verb: AskedExactly(verb) for verb in RIGHTS}


def form_view(seat: Seat, subject: Subject, person: Person, view: IncidentView | None = None) -> View | str:
    """The dialog of *subject*'s verb; a sentence where there is nothing to pick.

    Args:
        view: the incident that it is about, if any.

    Raises: MissingRole.
    """
    require(person, "responder", RIGHTS[subject.verb])
    if subject.verb == "silence":
        return silence_form(subject, view)
    return hold_form(subject, view, () if seat.acts is None else seat.acts.clusters())


def hold_form(subject: Subject, view: IncidentView | None, clusters: Sequence[str]) -> View | str:
    """Asks which knob of which cluster no run may turn, for how long, and why."""
    own = "" if view is None else view.incident.labels.get("cluster", "")
    known = list(dict.fromkeys([*clusters, *([own] if _CLUSTER.fullmatch(own) else [])]))
    if not known:
        return NOTHING["cluster"]
    chosen = own if own in known else known[0] if len(known) == 1 else ""
    holders = [run for run in (() if view is None else view.runs) if run.can_undo]
    text = (
        "No run turns this until the time is over. What is set there *stays set*; a run that needs it waits "
        "up to 5 minutes, and then goes without.\n*Taken back* by `/ops unhold` and its number, which the answer names."
    )
    if holders:
        names = ", ".join(f"{spoken(shorten(run.runbook_name, 60), {})} (`{run.handle}`)" for run in holders[:5])
        text += f"\nHeld by runs now: {names}; Undo takes that back."
    picks = [*(Pick(one, one) for one in known), Pick(ANY, "Every cluster")]
    knobs = [Pick(one, "Every knob" if one == ANY else one) for one in KNOBS]
    return _form(
        subject,
        text,
        [
            InputBlock(
                block_id=CLUSTER,
                label=PlainTextObject(text="Which cluster?"),
                element=select("cluster", picks, CLUSTER, chosen),
            ),
            InputBlock(
                block_id=KNOB, label=PlainTextObject(text="Which knob?"), element=select("knob", knobs, KNOB, ANY)
            ),
            _length(subject.verb, "1h"),
        ],
    )


def silence_form(subject: Subject, view: IncidentView | None) -> View:
    """Asks which alerts open nothing for a time, and why."""
    matchers = "" if view is None else " ".join(silence_matchers(view))
    text = (
        "*New* alerts with these labels open no incident and wake nobody until the time is over. What is open "
        "stays open and its runs go on; *Resolve* ends it.\n*Taken back* by `/ops unsilence` and its name, which the "
        "answer names; what still fires then opens an incident."
    )
    return _form(
        subject,
        text,
        [
            InputBlock(
                block_id=MATCHERS,
                label=PlainTextObject(text="Which alerts? By labels"),
                hint=PlainTextObject(text='alertname="TargetDown" cluster=~"eu-.*": all of them must fit'),
                element=PlainTextInputElement(
                    action_id=MATCHERS,
                    max_length=MAX_MATCHERS,
                    multiline=True,
                    initial_value=shorten(matchers, MAX_MATCHERS) or None,
                ),
            ),
            _length(subject.verb, "2h"),
        ],
    )


def form_problems(verb: str, answers: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong, by field; empty if nothing is."""
    found: dict[str, str] = {}
    reason = answers.get(REASON, "").strip()
    if not reason:
        found[REASON] = "Say why in a few words: the next reader was not there."
    elif len(reason) > MAX_WORDS:
        found[REASON] = f"At most {MAX_WORDS} characters; this is {len(reason)}."
    if verb == "hold":
        cluster = answers.get(CLUSTER, "")
        if cluster != ANY and not _CLUSTER.fullmatch(cluster):
            found[CLUSTER] = "Choose a cluster."
        if answers.get(KNOB, "") not in KNOBS:
            found[KNOB] = "Choose a knob."
    if verb == "silence":
        try:
            label_match(matchers_in(answers.get(MATCHERS, "")))
        except ConfigError as error:
            found[MATCHERS] = shorten(str(error), 150)
    if answers.get(LENGTH, "") not in OFFERED[verb]:
        found[LENGTH] = "Choose how long."
    return found


async def carry_out_form(
    seat: Seat, subject: Subject, answers: Mapping[str, str], person: Person, request_id: str
) -> str:
    """Do what was filled in, once for one *request_id*; answers one sentence, and raises what the command raises."""
    length_s, reason = parse_duration(answers[LENGTH]), answers[REASON].strip()
    if subject.reference:
        reason = f"{subject.reference}: {reason}"
    if subject.verb == "hold":
        return await seat.runs.hold(f"{answers[CLUSTER]}/{answers[KNOB]}", length_s, person, reason)
    return await seat.incidents.silence(matchers_in(answers[MATCHERS]), length_s, reason, person, request_id)


def matchers_in(text: str) -> tuple[str, ...]:
    """The matchers as they were typed.

    Raises: ConfigError if there is none, or something else stands there.
    """
    # The reason has a field of its own, so whatever is left over is a mistake.
    asked = read_silence(f"1h {text.strip()}")
    if asked.reason:
        raise ConfigError(f'not understood: {shorten(asked.reason, 60)}; write name="value" for each label')
    return asked.matchers


def _form(subject: Subject, text: str, inputs: Sequence[Block]) -> View:
    words = WORDS[subject.verb]
    return View(
        type="modal",
        callback_id=CALLBACK,
        private_metadata=subject.dump(),
        notify_on_close=True,
        title=PlainTextObject(text=words.title),
        submit=PlainTextObject(text=words.submit),
        close=PlainTextObject(text="Not now"),
        blocks=[SectionBlock(block_id="what", text=mrkdwn(text)), *inputs, reason_input(words, limit=MAX_WORDS)],
    )


def _length(verb: str, usual: str) -> InputBlock:
    return InputBlock(
        block_id=LENGTH,
        label=PlainTextObject(text="For how long?"),
        element=length_select(LENGTH, OFFERED[verb], usual),
    )
