"""The slash command's verbs that only look: status, incidents, capacity, who is on call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from opsbot.errors import ConfigError, OpsbotError
from opsbot.incident.view import IncidentView
from opsbot.runbook.store import Halt, KnobHold
from opsbot.slack.blocks import facts, title
from opsbot.slack.fleet_text import day_lines, fleet_lines
from opsbot.slack.home_view import waiting_for
from opsbot.slack.oncall_text import turns_text
from opsbot.slack.press import Answer
from opsbot.slack.report.blocks import table
from opsbot.slack.seat import Seat
from opsbot.slack.steps import run_text
from opsbot.slack.text import date, escape, literal, person, shorten
from opsbot.slack.typed import Told, Typed
from opsbot.spoken.plain import key_of, nearest
from opsbot.vitals.vitals import Fleet

NO_NUMBERS = "No numbers: nothing reads the fleet here; `opsbot status` asks the servers themselves."
MOST_LISTED = 12


async def status(seat: Seat, typed: Typed) -> Answer:
    """The fleet, what is open, what waits for this person, stops and holds."""
    incidents, halt, holds, numbers = await asyncio.gather(
        seat.incidents.open_incidents(), seat.runs.halt(), seat.runs.holds(), _numbers(seat)
    )
    parts = []
    if halt is not None:
        parts.append(_halted(halt))
    parts += await _late(seat)
    waiting = waiting_for(incidents, typed.person, seat.clock.now())
    lines = [f"Waits for you in {incident_id}: {escape(shorten(ask.text, 300))}" for incident_id, ask in waiting]
    if numbers is not None:
        fleet, before = numbers
        parts.append("\n".join(fleet_lines(fleet, before, _wanted(typed.text, fleet))))
    parts.append(_open(incidents))
    if lines:
        parts.append("\n".join(lines[:MOST_LISTED]))
    if holds:
        parts.append("\n".join(_held(one) for one in holds[:MOST_LISTED]))
    return "\n\n".join(parts)


async def _late(seat: Seat) -> Sequence[str]:
    """That Slack does not show all that is so; nothing where it does, or where that cannot be read."""
    with contextlib.suppress(OpsbotError):
        lag = await asyncio.to_thread(seat.lag)
        if lag.is_late:
            return [f"⚠ *What you see here is late:* {escape(lag.sentence())}"]
    return []


async def incidents(seat: Seat, typed: Typed) -> Answer:
    """Every open incident with what the bot is doing about it."""
    found = await seat.incidents.open_incidents()
    return "\n\n".join(_with_runs(view) for view in found) or "Nothing is open."


async def capacity(seat: Seat, typed: Typed) -> Answer | Told:
    """Tokens a minute and the share of capacity, of the fleet and of each cluster, and where it goes."""
    if seat.day is None:
        return NO_NUMBERS
    day = await seat.day()
    if day is None:
        return "The numbers of the day could not be put together; core's log says why. `/ops status` has those of now."
    names = [one.cluster for one in day.loads]
    only = _one_of(typed.text, names)
    said = "\n".join(day_lines(day, only))
    # The chart is of the whole fleet.
    if only is not None or seat.day_chart is None:
        return said
    return Told(said, await seat.day_chart.blocks(day))


async def traffic(seat: Seat, typed: Typed) -> Answer:
    """Where the requests of the last day come from."""
    if seat.traffic is None:
        return NO_NUMBERS
    report = await seat.traffic()
    parts = [f"*{literal(report.title)}*", *(escape(line) for line in report.lines)]
    return "\n".join([*parts, table(report.rows, report.columns)] if report.rows else parts)


async def on_call(seat: Seat, typed: Typed) -> Answer:
    """Who is on call, until when, and who is next."""
    return turns_text(await seat.incidents.on_call())


async def _numbers(seat: Seat) -> tuple[Fleet, Fleet] | None:
    """Of now and of before, in one round of questions; None where nothing reads them."""
    if seat.fleet is None:
        return None
    now, before = await asyncio.gather(seat.fleet.fleet(), seat.fleet.before())
    return now, before


def _wanted(text: str, fleet: Fleet) -> str | None:
    return _one_of(text, list(fleet.clusters))


def _one_of(text: str, names: Sequence[str]) -> str | None:
    """The cluster that was named; None for all. Raises ConfigError for one that there is not."""
    word = text.removeprefix("for ").removeprefix("of ").strip()
    if not word or word.casefold() in ("all", "fleet", "everything"):
        return None
    found = next((name for name in names if key_of(name) == key_of(word)), None)
    if found is None:
        near = nearest(word.split()[0], names)
        meant = f"; did you mean `{near}`?" if near else f"; there are: {', '.join(names[:12]) or 'none yet'}"
        raise ConfigError(f"there is no cluster `{word[:40]}`{meant}")
    return found


def _open(incidents: Sequence[IncidentView]) -> str:
    if not incidents:
        return "Nothing is open."
    lines = [f"{len(incidents)} open:" if len(incidents) > 1 else "1 open:"]
    lines += [f"{literal(title(view.incident))} · {facts(view.incident)}" for view in incidents[:MOST_LISTED]]
    if len(incidents) > MOST_LISTED:
        lines.append(f"… and {len(incidents) - MOST_LISTED} more; `/ops incidents` lists them")
    return "\n".join(lines)


def _halted(halt: Halt) -> str:
    return (
        f"■ *All runs are stopped* by {person(halt.created_by)} since {date(halt.created_at)}: "
        f"{literal(halt.reason)}. `/ops go-on` lets them go on."
    )


def _held(one: KnobHold) -> str:
    return (
        f"Held: `{escape(one.pattern)}` until {date(one.ends_at)} by {person(one.created_by)}: "
        f"{literal(one.reason)} · `/ops unhold {one.number}`"
    )


def _with_runs(view: IncidentView) -> str:
    head = f"*{literal(title(view.incident))}*\n{facts(view.incident)}"
    return "\n".join((head, *(run_text(run) for run in view.runs)))
