"""The slash command `/ops`, answered to the person who typed it only; `handling` has the longer verbs.

Spelling is forgiven as far as a suggestion: a word that is nearly ours is named, never carried out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from opsbot.incident.view import IncidentView
from opsbot.slack import handling, note_word, run_words
from opsbot.slack.blocks import facts, halt_text, title
from opsbot.slack.home import waiting_for
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.steps import run_text
from opsbot.slack.text import escape, shorten
from opsbot.slack.typed import Typed, VerbHandler

COMMAND = "/ops"
HELP = (
    "`/ops status` what is open and what waits for you\n"
    "`/ops incidents` every open incident with what the bot is doing about it\n"
    "`/ops ack INC-1` take an incident\n"
    f"{handling.HELP}\n"
    f"{note_word.HELP}\n"
    f"{run_words.HELP}\n"
    "`/ops help` this text"
)
WORDS: Mapping[str, str] = {
    "status": "status",
    "incidents": "incidents",
    "incident": "incidents",
    "list": "incidents",
    "ack": "ack",
    "acknowledge": "ack",
    "note": "note",
    "help": "help",
    "?": "help",
    "explain": "why",
    **{verb: verb for verb in (*handling.VERBS, *run_words.VERBS)},
}
_INCIDENT_ID = re.compile(r"^(?:INC)?[-_ #]?(\d+)$", re.IGNORECASE)


async def answer_to(seat: Seat, typed: Typed) -> Answer:
    """The answer to `/ops <text>` in mrkdwn, or a dialog.

    Raises: what the command raises, as sentences for the person.
    """
    words = typed.text.split(maxsplit=1)
    verb = words[0].lower() if words else "status"
    handler = HANDLERS.get(WORDS.get(verb, ""))
    if handler is None:
        return f"There is no `{escape(shorten(verb, 40))}`{_suggestion(verb)}.\n{HELP}"
    return await handler(seat, typed.rest(words[1].strip() if len(words) > 1 else ""))


async def _help(seat: Seat, typed: Typed) -> Answer:
    return HELP


async def _incidents(seat: Seat, typed: Typed) -> Answer:
    incidents = await seat.incidents.open_incidents()
    return "\n\n".join(_with_runs(view) for view in incidents) or "Nothing is open."


async def _status(seat: Seat, typed: Typed) -> Answer:
    incidents = await seat.incidents.open_incidents()
    if not incidents:
        return "Nothing is open."
    lines = [f"{len(incidents)} open:" if len(incidents) > 1 else "1 open:"]
    lines += [f"{escape(title(view.incident))} · {facts(view.incident)}" for view in incidents]
    halt = incidents[0].halt
    if halt is not None:
        lines.insert(0, halt_text(halt))
    waiting = waiting_for(incidents, typed.person, seat.clock.now())
    lines += [f"Waits for you in {incident_id}: {escape(shorten(ask.text, 300))}" for incident_id, ask in waiting]
    return "\n".join(lines)


async def _acknowledge(seat: Seat, typed: Typed) -> Answer:
    found = _INCIDENT_ID.match(typed.text)
    if found is None:
        incidents = await seat.incidents.open_incidents()
        return f"Which incident? `/ops ack INC-1` takes one; open now: {_names(incidents)}."
    answer = escape(await seat.incidents.acknowledge(f"INC-{int(found.group(1))}", typed.person))
    seat.wake()
    return answer


def _of_runs(verb: str) -> VerbHandler:
    async def handle(seat: Seat, typed: Typed) -> Answer:
        answer = await run_words.handle(verb, typed.text, typed.person, seat.runs, typed.request_id)
        seat.wake()
        return answer

    return handle


def _of_incidents(verb: str) -> VerbHandler:
    async def handle(seat: Seat, typed: Typed) -> Answer:
        answer = await handling.handle(verb, typed.text, typed.person, seat.incidents)
        seat.wake()
        return answer

    return handle


HANDLERS: Mapping[str, VerbHandler] = {
    "status": _status,
    "incidents": _incidents,
    "ack": _acknowledge,
    "help": _help,
    "note": note_word.note,
    **{verb: _of_incidents(verb) for verb in handling.VERBS},
    **{verb: _of_runs(verb) for verb in run_words.VERBS},
}
"""By verb."""


def _suggestion(verb: str) -> str:
    near = difflib.get_close_matches(verb, WORDS, n=1, cutoff=0.5)
    return f"; did you mean `/ops {WORDS[near[0]]}`?" if near else ""


def _names(incidents: Sequence[IncidentView]) -> str:
    return ", ".join(view.incident.incident_id for view in incidents) or "none"


def _with_runs(view: IncidentView) -> str:
    head = f"*{escape(title(view.incident))}*\n{facts(view.incident)}"
    return "\n".join((head, *(run_text(run) for run in view.runs)))
