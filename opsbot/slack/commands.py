"""The slash command `/ops`, answered to the person who typed it only; `handling` has the longer verbs.

Spelling is forgiven as far as a suggestion: a word that is nearly ours is named, never carried out.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands
from opsbot.slack import handling, run_words
from opsbot.slack.blocks import facts, halt_text, title
from opsbot.slack.home import waiting_for
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.steps import run_text
from opsbot.slack.text import escape, shorten
from opsbot.slack.work import Work

logger = logging.getLogger(__name__)

COMMAND = "/ops"
HELP = (
    "`/ops status` what is open and what waits for you\n"
    "`/ops incidents` every open incident with what the bot is doing about it\n"
    "`/ops ack INC-1` take an incident\n"
    f"{handling.HELP}\n"
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
    "help": "help",
    "?": "help",
    "explain": "why",
    **{verb: verb for verb in (*handling.VERBS, *run_words.VERBS)},
}
_INCIDENT_ID = re.compile(r"^(?:INC)?[-_ #]?(\d+)$", re.IGNORECASE)
UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details."


class SlashCommands:
    """Answers `/ops …`."""

    def __init__(
        self,
        commands: IncidentCommands,
        person_for: Callable[[str], Person],
        work: Work,
        after_change: Callable[[], None],
        clock: Clock,
        runs: RunCommands,
    ) -> None:
        self._runs = runs
        self._clock = clock
        self._commands = commands
        self._person_for = person_for
        self._work = work
        self._after_change = after_change

    def register(self, app: AsyncApp) -> None:
        """Listen to the slash command."""
        app.command(COMMAND)(self._typed)

    async def _typed(self, ack: AsyncAck, body: Mapping[str, Any], respond: AsyncRespond) -> None:
        await ack()
        text, user_id = str(body.get("text") or ""), str(body["user_id"])
        request_id = str(body.get("trigger_id") or uuid4().hex)
        self._work.start(COMMAND, self._respond(text, user_id, respond, request_id))

    async def _respond(self, text: str, user_id: str, respond: AsyncRespond, request_id: str) -> None:
        try:
            answer = await self.answer(text, self._person_for(user_id), request_id)
        except OpsbotError as error:
            answer = escape(str(error))
        except Exception:
            # The person must hear that nothing came of it, whatever went wrong.
            logger.exception("a slash command failed")
            answer = UNEXPECTED
        try:
            sent = await respond(text=shorten(answer, EPHEMERAL_TEXT), response_type="ephemeral")
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the answer to a slash command is lost: %s", type(error).__name__)
            return
        if sent.status_code != 200:
            logger.warning("the answer to a slash command is lost: Slack answered %d", sent.status_code)

    async def answer(self, text: str, person: Person, request_id: str = "") -> str:
        """The answer to `/ops <text>` in mrkdwn; *request_id* tells this command from any other.

        Raises: what the command raises, as sentences for the person.
        """
        words = text.split(maxsplit=1)
        verb = words[0].lower() if words else "status"
        rest = words[1].strip() if len(words) > 1 else ""
        match WORDS.get(verb):
            case "status":
                return await self._status(person)
            case "incidents":
                incidents = await self._commands.open_incidents()
                return "\n\n".join(_with_runs(view) for view in incidents) or "Nothing is open."
            case "ack":
                return await self._acknowledge(rest, person)
            case "help":
                return HELP
            case str(known) if known in run_words.VERBS:
                answer = await run_words.handle(known, rest, person, self._runs, request_id or uuid4().hex)
                self._after_change()
                return answer
            case str(known):
                answer = await handling.handle(known, rest, person, self._commands)
                self._after_change()
                return answer
        return f"There is no `{escape(shorten(verb, 40))}`{_suggestion(verb)}.\n{HELP}"

    async def _status(self, person: Person) -> str:
        incidents = await self._commands.open_incidents()
        if not incidents:
            return "Nothing is open."
        lines = [f"{len(incidents)} open:" if len(incidents) > 1 else "1 open:"]
        lines += [f"{escape(title(view.incident))} · {facts(view.incident)}" for view in incidents]
        halt = incidents[0].halt
        if halt is not None:
            lines.insert(0, halt_text(halt))
        waiting = waiting_for(incidents, person, self._clock.now())
        lines += [f"Waits for you in {incident_id}: {escape(shorten(ask.text, 300))}" for incident_id, ask in waiting]
        return "\n".join(lines)

    async def _acknowledge(self, text: str, person: Person) -> str:
        found = _INCIDENT_ID.match(text)
        if found is None:
            incidents = await self._commands.open_incidents()
            return f"Which incident? `/ops ack INC-1` takes one; open now: {_names(incidents)}."
        answer = escape(await self._commands.acknowledge(f"INC-{int(found.group(1))}", person))
        self._after_change()
        return answer


def _suggestion(verb: str) -> str:
    near = difflib.get_close_matches(verb, WORDS, n=1, cutoff=0.5)
    return f"; did you mean `/ops {WORDS[near[0]]}`?" if near else ""


def _names(incidents: Sequence[IncidentView]) -> str:
    return ", ".join(view.incident.incident_id for view in incidents) or "none"


def _with_runs(view: IncidentView) -> str:
    head = f"*{escape(title(view.incident))}*\n{facts(view.incident)}"
    return "\n".join((head, *(run_text(run) for run in view.runs)))
