"""The slash command's verbs about runs, the global stop and holds; each answers the person who typed it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from opsbot.errors import ConfigError
from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands, RunRequest
from opsbot.runbook.store import Halt, KnobHold
from opsbot.slack.steps import run_text
from opsbot.slack.text import date, escape, person, shorten
from opsbot.yamlfile import parse_duration

HELP = (
    "`/ops runs` what runs, and what it asks · `/ops runs all` those that are over too\n"
    "`/ops run RUNBOOK cluster=eu-1 batch_limit=8 for INC-1` start one by hand; without `for` with its own incident\n"
    "`/ops pause r-3fa2c1 why` · `/ops resume r-3fa2c1` · `/ops cancel r-3fa2c1 why` · `/ops undo r-3fa2c1`\n"
    "`/ops skip r-3fa2c1 STEP why` · `/ops retry r-3fa2c1 [STEP]` · `/ops settle r-3fa2c1 STEP happened` (or `not`)\n"
    "`/ops approve apr-…` · `/ops refuse apr-…` · `/ops glass apr-… why` a commander approves alone\n"
    "`/ops object ann-… why` · `/ops go-now ann-…` · `/ops offer ann-…` of what is announced\n"
    "`/ops stop-all why` no run changes anything until `/ops go-on` (commanders)\n"
    "`/ops hold eu-1/batch_limit 1h why` no run turns it · `/ops holds` · `/ops unhold 3`"
)
VERBS = (
    "runs", "run", "pause", "resume", "cancel", "undo", "skip", "retry", "settle", "approve", "refuse", "glass",
    "object", "go-now", "offer", "stop-all", "go-on", "hold", "holds", "unhold",
)  # fmt: skip
MOST_RUNS = 12

_PAIR = re.compile(r'([a-z][a-z0-9_]*)=(?:"([^"]*)"|(\S+))\s*')
_FOR = re.compile(r"^(?:for|in)\s+(?:INC[-_ #]?|#)?(\d+)$", re.IGNORECASE)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"'})


async def handle(verb: str, rest: str, who: Person, runs: RunCommands, request_id: str = "") -> str:
    """The answer in mrkdwn.

    Args:
        request_id: of the command as Slack delivered it, so that a repeat starts no second run.

    Raises: what the command raises, as sentences for the person.
    """
    match verb:
        case "runs":
            wants_all = rest.strip().lower() == "all"
            return runs_text(await runs.runs(include_finished=wants_all), await runs.halt())
        case "run":
            return escape((await runs.start(read_request(rest, request_id), who)).message)
        case "holds":
            return holds_text(await runs.holds())
        case "go-on":
            return escape(await runs.go_on(who))
        case "stop-all":
            return escape(await runs.stop_all(who, rest))
        case "hold":
            return escape(await _hold(rest, who, runs))
        case "unhold":
            number, _ = _first(rest, "which hold? `/ops holds` lists them, `/ops unhold 3` lifts one")
            if not number.isdigit():
                raise ConfigError(f"{number} is no hold's number; `/ops holds` lists them")
            return escape(await runs.let_go(int(number), who))
        case _:
            return escape(await _about_one(verb, rest, who, runs))


async def _about_one(verb: str, rest: str, who: Person, runs: RunCommands) -> str:
    """A verb about one run, approval or announcement."""
    name, more = _first(rest, f"`/ops {verb}` of what? `/ops runs` lists what runs and what it asks, with names")
    match verb:
        case "pause":
            return await runs.pause(name, who, more)
        case "resume":
            return await runs.resume(name, who)
        case "cancel":
            return await runs.cancel(name, who, more)
        case "undo":
            return await runs.undo(name, who)
        case "skip":
            step, reason = _first(more, "which step? `/ops skip r-3fa2c1 STEP why`")
            return await runs.skip(name, step, who, reason)
        case "retry":
            return (await runs.again(name, who, more.split()[0] if more else None)).message
        case "settle":
            step, outcome = _first(more, "which step? `/ops settle r-3fa2c1 STEP happened` (or `not`)")
            if outcome not in ("happened", "not"):
                raise ConfigError(f"did {step} happen? `/ops settle {name} {step} happened`, or `… not`")
            return await runs.settle(name, step, outcome == "happened", who)
        case "approve" | "refuse":
            return await runs.decide(name, is_granted=verb == "approve", person=who)
        case "glass":
            return await runs.break_glass(name, who, more)
        case "object":
            return await runs.object(name, who, more)
        case "go-now":
            return await runs.go_now(name, who)
        case _:
            return await runs.offer_capacity(name, who)


def read_request(text: str, request_id: str) -> RunRequest:
    """`RUNBOOK cluster=eu-1 limit=8 for INC-1` as a request; raises ConfigError, with how to write it."""
    usage = "`/ops run RUNBOOK cluster=eu-1 batch_limit=8 for INC-1`"
    runbook, rest = _first(text.translate(_CURLY), f"which runbook? {usage}")
    given: dict[str, str] = {}
    while (found := _PAIR.match(rest)) is not None:
        given[found[1]] = found[2] if found[2] is not None else found[3]
        rest = rest[found.end() :]
    incident = _FOR.match(rest.strip()) if rest.strip() else None
    if rest.strip() and incident is None:
        raise ConfigError(f"`{shorten(rest.strip(), 60)}` is not understood; write {usage}")
    identity = hashlib.sha256(request_id.encode()).hexdigest()[:32]
    cluster = given.pop("cluster", "")
    return RunRequest(runbook, identity, cluster, given, f"INC-{incident[1]}" if incident else None)


def runs_text(found: Sequence[RunView], halt: Halt | None) -> str:
    """Runs with their steps, and what each asks, in mrkdwn."""
    parts = []
    if halt is not None:
        parts.append(f"■ *All runs are stopped* by {person(halt.created_by)}: {escape(halt.reason)}. `/ops go-on`")
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
        f"{escape(one.reason)} · `/ops unhold {one.number}`"
        for one in found
    )
    return "\n".join(lines) or "Nobody holds a knob."


async def _hold(rest: str, who: Person, runs: RunCommands) -> str:
    usage = "`/ops hold eu-1/batch_limit 1h why`"
    pattern, more = _first(rest, f"which knob? {usage}")
    length, reason = _first(more, f"for how long? {usage}")
    try:
        length_s = parse_duration(length)
    except ValueError as error:
        raise ConfigError(f"{length} is no length of time: {usage}") from error
    return await runs.hold(pattern, length_s, who, reason)


def _first(text: str, usage: str) -> tuple[str, str]:
    """The first word, and what stands behind it."""
    word, _, rest = text.strip().partition(" ")
    if not word:
        raise ConfigError(usage)
    return word, rest.strip()
