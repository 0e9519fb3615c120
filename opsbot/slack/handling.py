"""The slash command's verbs about incidents as a whole and about silences; each answers the person who typed it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsbot.alert.silence import Silence
from opsbot.errors import ConfigError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.explanation import words_of
from opsbot.people import Person
from opsbot.slack.silence_text import read_silence
from opsbot.slack.text import date, escape, person

HELP = (
    "`/ops resolve INC-1 why it is over` end an incident by hand\n"
    "`/ops merge INC-2 into INC-1` deal with one under the other; `/ops unmerge INC-2` takes it back\n"
    "`/ops link INC-2 INC-1 why` say that they have to do with each other\n"
    '`/ops silence 2h alertname="TargetDown" because …` new alerts like it open nothing\n'
    "`/ops unsilence SIL-1` end a silence; what still fires opens an incident\n"
    "`/ops silences` what is silenced, by whom, why, and what each has hidden\n"
    "`/ops why INC-1` what was decided about an incident or an alert, and why"
)
VERBS = ("resolve", "merge", "unmerge", "link", "silence", "unsilence", "silences", "why")
MOST_DECISIONS = 15

_INCIDENT = re.compile(r"\s*(?:INC[-_ #]?|#)?(\d+)\b", re.IGNORECASE)
_TWO_INCIDENTS = re.compile(
    rf"{_INCIDENT.pattern}\s*(?:into|and|with|,)?{_INCIDENT.pattern}(.*)", re.IGNORECASE | re.DOTALL
)


async def handle(verb: str, rest: str, who: Person, commands: IncidentCommands) -> str:
    """The answer in mrkdwn.

    Raises: what the command raises, as sentences for the person.
    """
    match verb:
        case "resolve":
            incident, reason = _first_incident(rest, "`/ops resolve INC-1 why it is over`")
            return escape(await commands.resolve(incident, reason, who))
        case "merge":
            one, into, _ = _two_incidents(rest, "`/ops merge INC-2 into INC-1`")
            return escape(await commands.merge(one, into, who))
        case "unmerge":
            return escape(await commands.take_apart(_first_incident(rest, "`/ops unmerge INC-2`")[0], who))
        case "link":
            one, other, reason = _two_incidents(rest, "`/ops link INC-2 INC-1 why`")
            return escape(await commands.link(one, other, reason, who))
        case "silence":
            asked = read_silence(rest)
            return escape(await commands.silence(asked.matchers, asked.length_s, asked.reason, who))
        case "unsilence":
            if not rest:
                raise ConfigError("which silence? `/ops silences` lists them, `/ops unsilence SIL-1` ends one")
            return escape(await commands.end_silence(rest.split()[0], who))
        case "silences":
            return silences_text(await commands.silences())
        case _:
            return await _why(rest, commands)


def silences_text(silences: Sequence[Silence]) -> str:
    """Every live silence in mrkdwn, one a line."""
    return "\n".join(silence_line(silence) for silence in silences) or "Nothing is silenced."


def silence_line(silence: Silence) -> str:
    """One silence: what, until when, whose, why, and what it hides."""
    hides = f"hides {silence.num_hiding} now, {silence.num_hidden} in all"
    return (
        f"*{silence.silence_id}* {escape(str(silence.match))} until {date(silence.ends_at)} · "
        f"{person(silence.created_by)}: {escape(silence.reason)} · {hides}"
    )


async def _why(rest: str, commands: IncidentCommands) -> str:
    about = rest.strip()
    if not about:
        raise ConfigError("why what? `/ops why INC-1`, or the name of an alert")
    found = await commands.explain(about)
    lines = [
        f"{date(decision.at)} *{escape(decision.alertname or decision.fingerprint)}* "
        f"{escape(words_of(decision.kind))}: {escape(decision.text)}"
        for decision in found.decisions[-MOST_DECISIONS:]
    ]
    if not lines:
        return f"Nothing was decided about {escape(about)} in the last 30 days: no alert of it reached the bot."
    if len(found.decisions) > MOST_DECISIONS:
        lines.insert(
            0, f"The last {MOST_DECISIONS} of {len(found.decisions)}; `opsbot explain {escape(about)}` has all:"
        )
    return "\n".join(lines)


def _first_incident(text: str, usage: str) -> tuple[str, str]:
    found = _INCIDENT.match(text)
    if found is None:
        raise ConfigError(f"which incident? {usage}")
    return f"INC-{int(found.group(1))}", text[found.end() :].strip(" ,:;")


def _two_incidents(text: str, usage: str) -> tuple[str, str, str]:
    """Both incidents, and what stands behind them."""
    found = _TWO_INCIDENTS.match(text)
    if found is None:
        raise ConfigError(f"two incidents are needed: {usage}")
    return f"INC-{int(found[1])}", f"INC-{int(found[2])}", found[3].strip(" ,:;")
