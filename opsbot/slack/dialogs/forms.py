"""The dialogs that ask what exactly: Hold and Silence. Each says what it will do and how it is taken back.

What was typed is checked before Slack closes the field, so a mistake is told under it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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

from opsbot.alert.matching import label_match
from opsbot.errors import ConfigError
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.slack.dialogs.plan import CALLBACK, MAX_REASON, REASON, reason_input
from opsbot.slack.dialogs.speech import spoken
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.words import WORDS
from opsbot.slack.incident_dialogs import silence_matchers
from opsbot.slack.seat import Seat
from opsbot.slack.silence_text import read_silence
from opsbot.slack.text import mrkdwn, shorten
from opsbot.yamlfile import parse_duration

KNOBS, MATCHERS, LENGTH = "knobs", "matchers", "length"
LENGTHS: Sequence[tuple[str, str]] = (
    ("30m", "30 minutes"), ("1h", "1 hour"), ("2h", "2 hours"), ("4h", "4 hours"), ("8h", "8 hours"), ("1d", "1 day"),
)  # fmt: skip
MAX_KNOBS = 200
MAX_WORDS = MAX_REASON - 20
"""With the incident in front, what the domain keeps of a reason."""
MAX_MATCHERS = 1000
_KNOBS = re.compile(r"^[\w.*-]+/[\w.*-]+$")


def hold_form(subject: Subject, view: IncidentView) -> View:
    """Asks which knobs no run may turn, for how long, and why."""
    cluster = view.incident.labels.get("cluster", "*")
    holders = [run for run in view.runs if run.can_undo]
    text = (
        "No run turns these knobs until the time is over. What is set there *stays set*; a run that needs them waits "
        "up to 5 minutes, and then goes without.\n*Taken back* by `/ops unhold` and its number, which the answer names."
    )
    if holders:
        names = ", ".join(f"{spoken(shorten(run.runbook_name, 60), {})} (`{run.handle}`)" for run in holders[:5])
        text += f"\nHeld by runs now: {names}; Undo takes that back."
    return _form(
        subject,
        text,
        [
            InputBlock(
                block_id=KNOBS,
                label=PlainTextObject(text="Which knobs? * stands for any"),
                hint=PlainTextObject(text="CLUSTER/KNOB, such as eu-1/batch_limit, eu-1/* or */shed"),
                element=PlainTextInputElement(action_id=KNOBS, initial_value=f"{cluster}/*", max_length=MAX_KNOBS),
            ),
            _length("1h"),
        ],
    )


def silence_form(subject: Subject, view: IncidentView) -> View:
    """Asks which alerts open nothing for a time, and why."""
    matchers = " ".join(silence_matchers(view))
    text = (
        "*New* alerts with these labels open no incident and wake nobody until the time is over. This incident stays "
        "open and its runs go on; *Resolve* ends it.\n*Taken back* by `/ops unsilence` and its name, which the answer "
        "names; what still fires then opens an incident."
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
            _length("2h"),
        ],
    )


FORMS = frozenset({"hold", "silence"})
"""Verbs whose dialog asks what exactly."""


def form_problems(verb: str, answers: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong, by field; empty if nothing is."""
    found: dict[str, str] = {}
    reason = answers.get(REASON, "").strip()
    if not reason:
        found[REASON] = "Say why in a few words: the next reader was not there."
    elif len(reason) > MAX_WORDS:
        found[REASON] = f"At most {MAX_WORDS} characters; this is {len(reason)}."
    if verb == "hold" and not _KNOBS.match(answers.get(KNOBS, "").strip()):
        found[KNOBS] = "Write CLUSTER/KNOB, such as eu-1/batch_limit or eu-1/*."
    if verb == "silence":
        try:
            label_match(matchers_in(answers.get(MATCHERS, "")))
        except ConfigError as error:
            found[MATCHERS] = shorten(str(error), 150)
    try:
        parse_duration(answers.get(LENGTH, ""))
    except ValueError:
        found[LENGTH] = "Choose how long."
    return found


async def carry_out_form(
    seat: Seat, subject: Subject, answers: Mapping[str, str], person: Person, request_id: str
) -> str:
    """Do what was filled in, once for one *request_id*; answers one sentence, and raises what the command raises."""
    length_s, reason = parse_duration(answers[LENGTH]), f"{subject.reference}: {answers[REASON].strip()}"
    if subject.verb == "hold":
        return await seat.runs.hold(answers[KNOBS].strip(), length_s, person, reason)
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


def _length(initial: str) -> InputBlock:
    options = [Option(text=words, value=value) for value, words in LENGTHS]
    chosen = next(option for option in options if option.value == initial)
    return InputBlock(
        block_id=LENGTH,
        label=PlainTextObject(text="For how long?"),
        element=StaticSelectElement(action_id=LENGTH, options=options, initial_option=chosen),
    )
