"""The slash command's verbs about runs, the global stop and holds; each answers the person who typed it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from opsbot.errors import ConfigError
from opsbot.incident.view import RunView
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.store import Halt, KnobHold
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.steps import run_text
from opsbot.slack.text import date, escape, literal, person, shorten
from opsbot.slack.typed import Typed
from opsbot.spoken.hold import read_hold
from opsbot.spoken.ids import reason_in, run_and_rest
from opsbot.spoken.plain import key_of, nearest, plain
from opsbot.spoken.verbs import find_verb

VERBS = (
    "runs", "run", "pause", "resume", "cancel", "undo", "skip", "retry", "settle", "approve", "refuse", "glass",
    "object", "go-now", "offer", "stop", "go-on", "hold", "holds", "unhold",
)  # fmt: skip
MOST_RUNS = 12

_PAIR = re.compile(r'([a-z][a-z0-9_]*)\s*=\s*(?:"([^"]*)"|(\S+))\s*', re.IGNORECASE)
_FOR = re.compile(r"^(?:for|in)?\s*(?:inc(?:ident)?[-_ #]*|#)(\d{1,9})$|^(?:for|in)\s+(\d{1,9})$", re.IGNORECASE)
_ON = re.compile(r"^(?:on|at)\s+(\S+)\s*", re.IGNORECASE)
_ABOUT_A_RUN = ("pause", "resume", "cancel", "undo", "skip", "retry", "settle")
_NOT_A_REASON = re.compile(r"^(?:r-[0-9a-f]{4,}|run:)", re.IGNORECASE)


async def handle(verb: str, typed: Typed, seat: Seat) -> str:
    """The answer in mrkdwn.

    Raises: what the command raises, as sentences for the person.
    """
    runs = seat.runs
    match verb:
        case "runs":
            wants_all = typed.text.strip().lower() in ("all", "over", "finished")
            return runs_text(await runs.runs(include_finished=wants_all), await runs.halt())
        case "holds":
            return holds_text(await runs.holds())
    answer = await _act(verb, typed, seat)
    seat.wake()
    return as_typed_here(answer)


async def _act(verb: str, typed: Typed, seat: Seat) -> str:
    runs, rest, who = seat.runs, typed.text, typed.person
    clusters = () if seat.acts is None else seat.acts.clusters()
    match verb:
        case "run":
            return (await runs.start(read_request(rest, typed.request_id, clusters), who)).message
        case "go-on":
            return await runs.go_on(who)
        case "stop":
            return await runs.stop_all(who, _stop_reason(rest))
        case "hold":
            pattern, length_s, reason = read_hold(rest, clusters)
            return await runs.hold(pattern, length_s, who, reason)
        case "unhold":
            number = rest.lower().removeprefix("hold").strip(" #").partition(" ")[0]
            if not number.isdigit():
                which = f"{shorten(number, 40)} is no hold's number" if number else "which hold?"
                raise ConfigError(f"{which}; `/ops holds` lists them, `/ops unhold 3` lifts one")
            return await runs.let_go(int(number), who)
        case _ if verb in _ABOUT_A_RUN:
            return await _about_a_run(verb, typed, seat)
        case _:
            return await _about_a_question(verb, typed, seat)


async def _about_a_run(verb: str, typed: Typed, seat: Seat) -> str:
    runs, who = seat.runs, typed.person
    name, more = run_and_rest(typed.text, f"`/ops {verb}` of what? `/ops runs` lists what runs, with names")
    match verb:
        case "pause":
            return await runs.pause(name, who, reason_in(more))
        case "resume":
            return await runs.resume(name, who)
        case "cancel":
            return await runs.cancel(name, who, reason_in(more))
        case "undo":
            return await runs.undo(name, who)
        case "skip":
            step, reason = _first(more, "which step? `/ops skip r-3fa2c1 STEP why`")
            return await runs.skip(name, step, who, reason_in(reason))
        case "retry":
            step = more.lower().removeprefix("from ").split()[0] if more else ""
            return (await runs.again(name, who, step or None)).message
        case _:
            step, outcome = _first(more, "which step? `/ops settle r-3fa2c1 STEP happened` (or `not`)")
            said = {"happened": True, "yes": True, "not": False, "no": False, "nothappened": False}.get(key_of(outcome))
            if said is None:
                raise ConfigError(f"did {step} happen? `/ops settle {name} {step} happened`, or `… not`")
            return await runs.settle(name, step, said, who)


async def _about_a_question(verb: str, typed: Typed, seat: Seat) -> str:
    """A verb about one approval or announcement."""
    runs, who = seat.runs, typed.person
    name, more = _first(typed.text, f"`/ops {verb}` of what? `/ops runs` lists what runs and what it asks, with names")
    match verb:
        case "approve" | "refuse":
            return await runs.decide(name, is_granted=verb == "approve", person=who)
        case "glass":
            return await runs.break_glass(name, who, reason_in(more))
        case "object":
            return await runs.object(name, who, reason_in(more))
        case "go-now":
            return await runs.go_now(name, who)
        case _:
            return await runs.offer_capacity(name, who)


def _stop_reason(text: str) -> str:
    """Why everything is stopped; refused where one thing was meant."""
    verb, _ = find_verb(text)
    if _NOT_A_REASON.match(text) or (verb is not None and verb.group == "Change a cluster"):
        raise ConfigError(
            f"`stop` stops every run of every cluster. One run: `/ops cancel r-… why` or `/ops undo r-…`; "
            f"one setting: `/ops {verb.name if verb is not None else 'batch'} CLUSTER off`; all: `/ops stop because …`"
        )
    return reason_in(text)


def read_request(text: str, request_id: str, clusters: Sequence[str] = ()) -> RunRequest:
    """`RUNBOOK cluster=eu-1 limit=8 for INC-1` as a request; raises ConfigError, with how to write it."""
    usage = "`/ops run RUNBOOK cluster=eu-1 batch_limit=8 for INC-1`"
    runbook, rest = _first(plain(text), f"which runbook? {usage}")
    given: dict[str, str] = {}
    cluster = ""
    if (placed := _ON.match(rest)) is not None and not placed[1].isdigit():
        cluster, rest = placed[1], rest[placed.end() :]
    while (found := _PAIR.match(rest)) is not None:
        given[found[1].lower()] = found[2] if found[2] is not None else found[3]
        rest = rest[found.end() :]
    incident = _FOR.match(rest.strip()) if rest.strip() else None
    if rest.strip() and incident is None:
        raise ConfigError(f"`{shorten(rest.strip(), 60)}` is not understood; write {usage}")
    identity = hashlib.sha256(request_id.encode()).hexdigest()[:32]
    number = None if incident is None else incident[1] or incident[2]
    cluster = _known(given.pop("cluster", "") or cluster, clusters)
    return RunRequest(runbook.lower(), identity, cluster, given, f"INC-{int(number)}" if number else None)


def _known(cluster: str, clusters: Sequence[str]) -> str:
    """The cluster as it is called; one that is nearly right is suggested."""
    if not cluster or not clusters:
        return cluster
    found = next((one for one in clusters if key_of(one) == key_of(cluster)), None)
    if found is None:
        near = nearest(cluster, clusters)
        meant = f"; did you mean `{near}`?" if near else f"; there are: {', '.join(clusters[:12])}"
        raise ConfigError(f"there is no cluster `{shorten(cluster, 40)}`{meant}")
    return found


def runs_text(found: Sequence[RunView], halt: Halt | None) -> str:
    """Runs with their steps, and what each asks, in mrkdwn."""
    parts = []
    if halt is not None:
        parts.append(f"■ *All runs are stopped* by {person(halt.created_by)}: {literal(halt.reason)}. `/ops go-on`")
    for run in found[:MOST_RUNS]:
        lines = [f"{run.incident_id} {run_text(run)}"]
        lines += [f"waits for `{one.approval_id}`: {escape(shorten(one.will_do, 200))}" for one in run.approvals]
        lines += [
            f"announced `{one.announcement_id}`: {escape(shorten(one.message, 200))}" for one in run.announcements
        ]
        parts.append("\n".join(lines))
    if len(found) > MOST_RUNS:
        parts.append(f"… and {len(found) - MOST_RUNS} more; `opsbot runs` lists them")
    if not found:
        parts.append("Nothing runs. `/ops runs all` lists what is over.")
    return "\n\n".join(parts)


def holds_text(found: Sequence[KnobHold]) -> str:
    """Every hold in mrkdwn, one a line."""
    lines = (
        f"*{one.number}* `{escape(one.pattern)}` until {date(one.ends_at)} · {person(one.created_by)}: "
        f"{literal(one.reason)} · `/ops unhold {one.number}`"
        for one in found
    )
    return "\n".join(lines) or "Nobody holds a knob."


def _first(text: str, usage: str) -> tuple[str, str]:
    """The first word, and what stands behind it."""
    word, _, rest = text.strip().partition(" ")
    if not word:
        raise ConfigError(usage)
    return word, rest.strip()
