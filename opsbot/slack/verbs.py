"""Every verb of the slash command: the words that all doors share, what carries it out, and the dialog it opens alone.

To add one: its words in `opsbot.spoken.verbs`, its handler here, its command in `opsbot.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.slack import acting, handling, looking, run_words
from opsbot.slack.dialogs import forms as exactly
from opsbot.slack.form_table import FORMS
from opsbot.slack.forms import Form
from opsbot.slack.helping import help_for
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Typed, VerbHandler
from opsbot.spoken.verbs import VERBS, VerbWords


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Args:
        form: what it opens when it is typed alone; None if it needs nothing behind it. A `Form` writes the command
            that could have been typed; hold and silence have the dialogs that an incident's menu opens too.
    """

    words: VerbWords
    handler: VerbHandler
    form: Form | exactly.AskedExactly | None = None


async def _help(seat: Seat, typed: Typed) -> Answer:
    return help_for(typed.text)


def _of_runs(verb: str) -> VerbHandler:
    async def handle(seat: Seat, typed: Typed) -> Answer:
        return await run_words.handle(verb, typed, seat)

    return handle


def _of_incidents(verb: str) -> VerbHandler:
    async def handle(seat: Seat, typed: Typed) -> Answer:
        return await handling.handle(verb, typed, seat.incidents)

    return handle


def _act(verb: str) -> VerbHandler:
    async def handle(seat: Seat, typed: Typed) -> Answer:
        return await acting.handle(verb, typed, seat)

    return handle


HANDLERS: Mapping[str, VerbHandler] = {
    "status": looking.status,
    "incidents": looking.incidents,
    "capacity": looking.capacity,
    "traffic": looking.traffic,
    "oncall": looking.on_call,
    "help": _help,
    **{verb: _of_incidents(verb) for verb in handling.VERBS},
    **{verb: _act(verb) for verb in acting.VERBS},
    **{verb: _of_runs(verb) for verb in run_words.VERBS},
}
TABLE: Mapping[str, Verb] = {
    words.name: Verb(words, HANDLERS[words.name], exactly.FORMS.get(words.name) or FORMS.get(words.name))
    for words in VERBS
}
"""By name, in the order of the help."""
