"""The Home tab as a view: what needs this person, the fleet, what is open, who is on call, what is stopped or held.

Pure. It fits a phone: the first line says how bad it is, tables are narrower than forty characters, and what does not
fit into Slack's hundred blocks is counted in the last line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import (
    Block,
    ButtonElement,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.views import View

from opsbot.alert.alert import SEVERITIES
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import HaltView, IncidentView
from opsbot.oncall.turn import Turn
from opsbot.people import Person
from opsbot.runbook.store import KnobHold
from opsbot.slack.asked import Question, questions
from opsbot.slack.blocks import facts, halt_text, title
from opsbot.slack.buttons import ACKNOWLEDGE, WHY, block_id, go_on_button, incident_buttons
from opsbot.slack.fleet_text import fleet_lines
from opsbot.slack.limits import MAX_HOME_BLOCKS, MAX_SECTION_TEXT
from opsbot.slack.oncall_text import turns_text
from opsbot.slack.steps import run_line
from opsbot.slack.text import date, escape, literal, mrkdwn, person, shorten
from opsbot.vitals import text as words
from opsbot.vitals.vitals import Fleet

REFRESH = "home.refresh"
AS_OF = "as_of"
"""Block id of the line that changes with every look."""
MAX_TITLE = 300
MAX_REASON = 200
MOST_RUNS = 5
MOST_WAITING = 12
MOST_HOLDS = 10
MOST_IN_FULL = 12
"""Incidents that have a row of buttons of their own; of the others each has one."""
MAY = {
    "responder": "acknowledge, start, undo and cancel runs, silence, hold, approve what asks responders",
    "commander": "all that responders may; stop all runs, approve alone, cut countdowns short",
    "trust_and_safety": "read trust and safety matters, approve what asks that role",
    "author": "look",
    "viewer": "look",
}
NOTHING = "look. Nobody has given you a role: ask whoever keeps opsbot.yaml, under `people`"


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the incidents; None or empty where nothing is known of it.

    Args:
        fleet, before: every cluster now, and a while ago.
        turns: who is on call; None where that was not asked for.
        late: a sentence, if messages are late.
        gaps: what could not be read, each a sentence.
    """

    fleet: Fleet | None = None
    before: Fleet | None = None
    turns: Sequence[Turn] | None = None
    holds: Sequence[KnobHold] = ()
    late: str | None = None
    gaps: Sequence[str] = ()


NOTHING_AROUND = Around()


def home_view(
    incidents: Sequence[IncidentView],
    who: Person,
    now: float,
    notice: str = "",
    halt: HaltView | None = None,
    around: Around = NOTHING_AROUND,
) -> View:
    """The tab for *who*; *notice* is what came of their last press, *halt* the global stop in force."""
    waiting = waiting_for(incidents, who, now)
    top = [*_top(incidents, len(waiting), who, now, notice, around), *_stopped(halt, who)]
    end = [*_on_call(around), *_holds(around)]
    titles = {view.incident.incident_id: title(view.incident) for view in incidents}
    asked = list(_waiting(waiting, titles))
    fleet = list(_fleet(around))
    room = MAX_HOME_BLOCKS - len(top) - len(asked) - len(fleet) - len(end)
    return View(type="home", blocks=[*top, *asked, *fleet, *_incidents(incidents, room), *end])


def waiting_for(incidents: Sequence[IncidentView], who: Person, now: float) -> Sequence[tuple[str, Question]]:
    """What *who* may decide now, each with its incident's id."""
    return [
        (view.incident.incident_id, question)
        for view in incidents
        for question in questions(view, now)
        if question.is_for(who)
    ]


def _top(
    incidents: Sequence[IncidentView], num_waiting: int, who: Person, now: float, notice: str, around: Around
) -> Iterator[Block]:
    if notice:
        yield SectionBlock(block_id="notice", text=mrkdwn(f"*{escape(notice)}*"))
    yield SectionBlock(
        block_id="summary",
        text=mrkdwn(_summary(incidents, num_waiting, around)),
        accessory=ButtonElement(text="Refresh", action_id=REFRESH, value="home"),
    )
    yield ContextBlock(block_id=AS_OF, elements=[mrkdwn(f"As of {date(now)} · you may {_may(who)}")])
    if around.late is not None:
        yield SectionBlock(block_id="late", text=mrkdwn(f"⚠ *Messages are late:* {literal(around.late)}."))
    for number, gap in enumerate(around.gaps[:5]):
        yield ContextBlock(block_id=f"gap:{number}", elements=[mrkdwn(f"⚠ {escape(shorten(gap, MAX_REASON))}")])


def _summary(incidents: Sequence[IncidentView], num_waiting: int, around: Around) -> str:
    free = sum(view.incident.acknowledged_by is None for view in incidents)
    parts = [f"{len(incidents)} open" if incidents else "Nothing is open"]
    if free:
        parts.append(f"{free} that nobody has")
    if num_waiting:
        parts.append(f"{num_waiting} waiting for you")
    if around.fleet is not None:
        blind = [one.cluster for one in around.fleet.clusters.values() if one.sight != "up"]
        parts += [f"{escape(', '.join(blind[:3]))} cannot be seen"] if blind else []
    mark = "🔴" if free else "🟠" if incidents else "🟢"
    return f"{mark} *{' · '.join(parts)}*"


def _may(who: Person) -> str:
    known = [name for name in ("commander", "responder", "trust_and_safety", "author", "viewer") if name in who.roles]
    if not known:
        return NOTHING
    if "commander" in known and "responder" in known:
        known.remove("responder")
    return "; ".join(f"{MAY[name]} (*{name.replace('_', ' ')}*)" for name in known)


def _stopped(halt: HaltView | None, who: Person) -> Iterator[Block]:
    if halt is None:
        return
    yield SectionBlock(block_id="halt", text=mrkdwn(halt_text(halt)))
    if who.has("commander"):
        yield go_on_button()


def _waiting(waiting: Sequence[tuple[str, Question]], titles: Mapping[str, str]) -> Iterator[Block]:
    if not waiting:
        return
    yield _header("Waiting for you")
    for incident_id, question in waiting[:MOST_WAITING]:
        yield ContextBlock(elements=[mrkdwn(escape(shorten(titles[incident_id], MAX_TITLE)))])
        yield from question.blocks
    if len(waiting) > MOST_WAITING:
        rest = f"… and {len(waiting) - MOST_WAITING} more wait for you; `/ops approve` lists them"
        yield ContextBlock(block_id="waiting:more", elements=[mrkdwn(rest)])
    yield DividerBlock()


def _fleet(around: Around) -> Iterator[Block]:
    if around.fleet is None or not around.fleet.clusters:
        return
    yield _header("Fleet")
    lines = list(fleet_lines(around.fleet, around.before or Fleet(around.fleet.at)))
    held = [
        f"*{literal(one.cluster)}* {escape(words.held_text(one))}"
        + (f" ({escape(words.used_text(one))})" if one.used_ratio is not None else "")
        for one in words.worst_first(list(around.fleet.clusters.values()))
        if one.sight == "up" and one.held_by is not None
    ]
    if held:
        lines.insert(1, f"Held by: {' · '.join(held)}")
    for number, part in enumerate(_parts(lines)):
        yield SectionBlock(block_id=f"fleet:{number}", text=mrkdwn(part))


def _incidents(incidents: Sequence[IncidentView], room: int) -> Iterator[Block]:
    """At most *room* blocks: the worst first, those that nobody has before the others, with a line for the rest."""
    yield _header("Open incidents")
    if not incidents:
        yield SectionBlock(block_id="none", text=mrkdwn("Nothing is open."))
        return
    left = room - 1
    ordered = sorted(incidents, key=_urgency)
    for number, view in enumerate(ordered):
        is_last = number == len(ordered) - 1
        for_rest = 0 if is_last else 1
        is_full = number < MOST_IN_FULL and left >= 2 + for_rest
        shown = _in_full(view) if is_full else _in_short(view)
        if len(shown) + for_rest > left:
            rest = f"… and {len(ordered) - number} more; `/ops incidents` lists them."
            yield SectionBlock(block_id="more", text=mrkdwn(rest))
            return
        left -= len(shown)
        yield from shown


def _urgency(view: IncidentView) -> tuple[int, bool, float]:
    incident = view.incident
    return (SEVERITIES.index(incident.severity), incident.acknowledged_by is not None, -incident.opened_at)


def _in_full(view: IncidentView) -> Sequence[Block]:
    lines = [f"*{escape(shorten(title(view.incident), MAX_TITLE))}*", facts(view.incident)]
    lines += [run_line(run) for run in view.runs[:MOST_RUNS]]
    if len(view.runs) > MOST_RUNS:
        lines.append(f"… and {len(view.runs) - MOST_RUNS} more runs")
    facts_id = block_id("facts", view.incident.incident_id)
    return [
        SectionBlock(block_id=facts_id, text=mrkdwn(shorten("\n".join(lines), MAX_SECTION_TEXT))),
        incident_buttons(view.incident, view.runs),
    ]


def _in_short(view: IncidentView) -> Sequence[Block]:
    incident = view.incident
    text = f"*{escape(shorten(title(incident), MAX_TITLE))}*\n{facts(incident)}"
    is_free = incident.state is IncidentState.OPEN
    button = ButtonElement(
        text="Acknowledge" if is_free else "Why?",
        action_id=ACKNOWLEDGE if is_free else WHY,
        value=incident.incident_id,
    )
    return [SectionBlock(block_id=block_id("facts", incident.incident_id), text=mrkdwn(text), accessory=button)]


def _on_call(around: Around) -> Iterator[Block]:
    if around.turns is None:
        return
    yield _header("On call")
    for number, part in enumerate(list(_parts(turns_text(around.turns).split("\n")))[:3]):
        yield SectionBlock(block_id=f"on_call:{number}", text=mrkdwn(part))


def _holds(around: Around) -> Iterator[Block]:
    if not around.holds:
        return
    yield _header("Held knobs")
    lines = [
        f"`{escape(one.pattern)}` until {date(one.ends_at)} by {person(one.created_by)}: "
        f"{literal(shorten(one.reason, MAX_REASON))} · `/ops unhold {one.number}`"
        for one in around.holds[:MOST_HOLDS]
    ]
    if len(around.holds) > MOST_HOLDS:
        lines.append(f"… and {len(around.holds) - MOST_HOLDS} more; `/ops status` lists them")
    for number, part in enumerate(_parts(lines)):
        yield SectionBlock(block_id=f"holds:{number}", text=mrkdwn(part))


def _parts(lines: Sequence[str]) -> Iterator[str]:
    """Lines put together into texts that a section takes; no line is cut unless it alone is too long."""
    part = ""
    for line in lines:
        line = shorten(line, MAX_SECTION_TEXT)
        if part and len(part) + 1 + len(line) > MAX_SECTION_TEXT:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line
    if part:
        yield part


def _header(text: str) -> HeaderBlock:
    return HeaderBlock(text=PlainTextObject(text=text, emoji=True))
