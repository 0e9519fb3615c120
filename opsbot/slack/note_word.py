"""`/ops note INC-1 …`: a person's words into an incident's timeline."""

from __future__ import annotations

import re

from opsbot.errors import ConfigError
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape
from opsbot.slack.typed import Typed

USAGE = "`/ops note INC-1 the rack was moved at 14:05`"
HELP = f"{USAGE} add to the incident's timeline; a message joins it with its shortcut, or with a 📌 in the thread"
_INCIDENT = re.compile(r"\s*(?:INC[-_ #]?|#)?(\d+)\b[\s,:;-]*", re.IGNORECASE)


async def note(seat: Seat, typed: Typed) -> Answer:
    """The answer in mrkdwn.

    Raises: what the command raises, as sentences for the person.
    """
    found = _INCIDENT.match(typed.text)
    if found is None:
        raise ConfigError(f"to which incident's timeline? {USAGE}")
    words = typed.text[found.end() :]
    answer = await seat.incidents.add_note(f"INC-{int(found[1])}", words, typed.person, typed.request_id)
    seat.wake()
    return escape(answer)
