"""Who is on call, as `/ops oncall` answers it."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.oncall.model import Member
from opsbot.oncall.turn import Turn
from opsbot.slack.text import date, escape, person

NOT_SET_UP = (
    "Nobody is on call: there is no rota in force. Name a file with `oncall:` in opsbot.yaml; `opsbot check` reads it."
)


def turns_text(turns: Sequence[Turn]) -> str:
    """Each schedule in mrkdwn, one a line. Only whoever asked reads it, so mentions in it wake nobody."""
    return "\n".join(turn_line(turn) for turn in turns) or NOT_SET_UP


def turn_line(turn: Turn) -> str:
    """One schedule: who is on call, until when, who is next, and whether it is an exception."""
    line = f"*{escape(turn.schedule_id)}* {_named(turn.member)}"
    if turn.until is not None:
        line += f" until {date(turn.until)}, then {_named(turn.next_member)}"
    if turn.override is not None:
        line += f" · an override until {date(turn.override.ends_at)}"
    return line


def _named(member: Member | None) -> str:
    return "nobody" if member is None else f"{escape(member.name)} ({person(member.user_id)})"
