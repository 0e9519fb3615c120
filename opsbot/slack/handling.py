"""The slash command's verbs about incidents as a whole and about silences; each answers the person who typed it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsbot.alert.silence import Silence
from opsbot.errors import ConfigError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.explanation import words_of
from opsbot.slack.silence_text import read_silence
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.text import date, escape, literal, person
from opsbot.slack.typed import Typed
from opsbot.spoken.ids import incident_and_rest, silence_name, two_incidents_and_rest

VERBS = ("ack", "resolve", "note", "merge", "unmerge", "link", "silence", "unsilence", "silences", "why")
MOST_DECISIONS = 15
_ONLY_A_NUMBER = re.compile(r"(?:inc(?:ident)?[-_ #.]*|#)?(\d{1,9})", re.IGNORECASE)


async def handle(verb: str, typed: Typed, commands: IncidentCommands) -> str:
    """The answer in mrkdwn.

    Raises: what the command raises, as sentences for the person.
    """
    if verb == "silences":
        return silences_text(await commands.silences())
    if verb == "why":
        return await _why(typed.text, commands)
    return as_typed_here(await _act(verb, typed, commands))


async def _act(verb: str, typed: Typed, commands: IncidentCommands) -> str:
    rest, who = typed.text, typed.person
    match verb:
        case "ack":
            incident, _ = incident_and_rest(rest, f"`/ops ack INC-1` takes one; open now: {await _open(commands)}")
            return await commands.acknowledge(incident, who)
        case "resolve":
            incident, reason = incident_and_rest(rest, "`/ops resolve INC-1 why it is over`")
            return await commands.resolve(incident, reason, who)
        case "note":
            incident, words = incident_and_rest(rest, "`/ops note INC-1 the rack was moved at 14:05`")
            return await commands.add_note(incident, words, who, typed.request_id)
        case "merge":
            one, into, _ = two_incidents_and_rest(rest, "`/ops merge INC-2 into INC-1`")
            return await commands.merge(one, into, who)
        case "unmerge":
            return await commands.take_apart(incident_and_rest(rest, "`/ops unmerge INC-2`")[0], who)
        case "link":
            one, other, reason = two_incidents_and_rest(rest, "`/ops link INC-2 INC-1 why`")
            return await commands.link(one, other, reason, who)
        case "silence":
            asked = read_silence(rest)
            identity = typed.request_id or None
            return await commands.silence(asked.matchers, asked.length_s, asked.reason, who, identity)
        case _:
            if not rest:
                raise ConfigError("which silence? `/ops silences` lists them, `/ops unsilence SIL-1` ends one")
            return await commands.end_silence(silence_name(rest), who)


def silences_text(silences: Sequence[Silence]) -> str:
    """Every live silence in mrkdwn, one a line."""
    return "\n".join(silence_line(silence) for silence in silences) or "Nothing is silenced."


def silence_line(silence: Silence) -> str:
    """One silence: what, until when, whose, why, and what it hides."""
    hides = f"hides {silence.num_hiding} now, {silence.num_hidden} in all"
    return (
        f"*{silence.silence_id}* {escape(str(silence.match))} until {date(silence.ends_at)} · "
        f"{person(silence.created_by)}: {literal(silence.reason)} · {hides}"
    )


async def _why(rest: str, commands: IncidentCommands) -> str:
    about = rest.removeprefix("was ").strip(" ?")
    if not about:
        raise ConfigError("why what? `/ops why INC-1`, or the name of an alert")
    number = _ONLY_A_NUMBER.fullmatch(about)
    if number is not None:
        about = f"INC-{int(number[1])}"
    found = await commands.explain(about)
    lines = [
        f"{date(decision.at)} *{literal(decision.alertname or decision.fingerprint)}* "
        f"{escape(words_of(decision.kind))}: {escape(decision.text)}"
        for decision in found.decisions[-MOST_DECISIONS:]
    ]
    if not lines:
        return f"Nothing was decided about {literal(about)} in the last 30 days: no alert of it reached the bot."
    if len(found.decisions) > MOST_DECISIONS:
        lines.insert(
            0, f"The last {MOST_DECISIONS} of {len(found.decisions)}; `opsbot explain {literal(about)}` has all:"
        )
    return "\n".join(lines)


async def _open(commands: IncidentCommands) -> str:
    return ", ".join(view.incident.incident_id for view in await commands.open_incidents()) or "none"
