"""An incident as one Slack message, and a timeline entry as a reply in its thread.

Pure: a view and the time in, text and blocks out. The same view at the same time renders alike, so editing a message
again is harmless; every text from outside is escaped, and Slack's limits are kept whatever the view holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, ContextBlock, HeaderBlock, PlainTextObject, SectionBlock

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import HaltView, IncidentView, RunView
from opsbot.slack.answering import escalation_lines, had_by, holder
from opsbot.slack.asked import questions
from opsbot.slack.belonging import alert_lines, link_lines
from opsbot.slack.beside import beside_lines
from opsbot.slack.buttons import block_id, incident_buttons
from opsbot.slack.doing import doing
from opsbot.slack.headline import STATE_EMOJI, fallback, header, more
from opsbot.slack.limits import MAX_BLOCKS, MAX_BLOCKS_TEXT, MAX_HEADER_TEXT, MAX_MESSAGE_TEXT, MAX_SECTION_TEXT
from opsbot.slack.run_menu import run_menu
from opsbot.slack.size import size_of
from opsbot.slack.steps import run_line, run_text
from opsbot.slack.text import (
    clock_time,
    cut,
    date,
    duration,
    in_room,
    literal,
    mrkdwn,
    person,
    shorten,
    with_mentions,
    with_people,
)
from opsbot.slack.vital_lines import Shown, chart_blocks, number_blocks

OPSBOT = "opsbot"
"""The actor of what the bot did itself; its own message needs no name."""
MAX_LABEL = 80
MAX_DESCRIPTION = 600
MAX_DOING = 600
MAX_ESCAPED = 800
"""Of one text from outside that was escaped: what consists of `&` alone is five times as long then."""
LEAST_DETAILS, LEAST_RUN = 600, 800
"""Characters that details and the newest run have whatever is asked."""
MAX_LEFT_OUT = 120
ROOM_OF_MENU = 150
MAX_ASKED = 15
RESERVED_BLOCKS = 9
"""Title, facts, blind warning, the global stop, numbers, own buttons, what was left out, details, chart."""
NOTHING_SHOWN = Shown()


@dataclass(frozen=True, slots=True)
class Message:
    """What chat.postMessage and chat.update are given.

    Args:
        text: mrkdwn for notifications and for clients that show no blocks.
        blocks: at most 50.
        file_id: of the chart that the blocks name.
    """

    text: str
    blocks: tuple[Block, ...]
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply in an incident's thread; with `is_broadcast` the channel sees it too. `text` is mrkdwn."""

    text: str
    is_broadcast: bool


def incident_message(view: IncidentView, now: float, shown: Shown = NOTHING_SHOWN) -> Message:
    """The incident's one message, with the buttons that fit its state; short once it is resolved."""
    incident = view.incident
    blocks: list[Block] = [
        HeaderBlock(
            block_id=block_id("title", incident.incident_id), text=PlainTextObject(text=header(incident), emoji=True)
        )
    ]
    blocks += _resolved(view, shown) if incident.is_resolved else _open(view, now, shown)
    return Message(fallback(view, now), tuple(blocks), shown.file_id)


def timeline_entry(entry: TimelineEntry) -> Reply:
    """The entry as a reply that says who did it; a Slack user's own id in the sentence becomes a mention."""
    sentence = shorten(entry.text, MAX_MESSAGE_TEXT // 2)
    text = with_mentions(sentence) if _wakes(entry) else with_people(sentence, entry.actor)
    if entry.actor != OPSBOT and entry.actor not in sentence:
        text = f"{person(entry.actor)}: {text}"
    return Reply(text, entry.is_broadcast)


def _wakes(entry: TimelineEntry) -> bool:
    return entry.actor == OPSBOT and entry.kind == "escalation.notified"


def title(incident: Incident) -> str:
    """State, number and title in plain text, for lists: `🔴 INC-1 KV cache pressure on local`."""
    return f"{STATE_EMOJI[incident.state]} {incident.incident_id} {incident.title}{more(incident)}"


def facts(incident: Incident) -> str:
    """Severity, state, where and since when, in one line of mrkdwn, for lists."""
    parts = [f"*{incident.severity.capitalize()}*", _state_words(incident), *places(incident)]
    return " · ".join((*parts, f"since {date(incident.opened_at)}"))


def places(incident: Incident) -> Sequence[str]:
    """Cluster and instance, in mrkdwn."""
    return [
        f"{name} *{literal(shorten(incident.labels[name], MAX_LABEL))}*"
        for name in ("cluster", "instance")
        if incident.labels.get(name)
    ]


def _state_words(incident: Incident) -> str:
    if incident.acknowledged_by is None:
        return incident.state.value
    who = person(shorten(incident.acknowledged_by, MAX_LABEL))
    if incident.state is IncidentState.ACKNOWLEDGED:
        return f"acknowledged by {who}"
    return f"{incident.state.value}, acknowledged by {who}"


def _open(view: IncidentView, now: float, shown: Shown) -> Sequence[Block]:
    incident = view.incident
    found = doing(view, now)
    parts = [f"*{incident.incident_id}* {incident.state.value}", *places(incident), f"since {date(incident.opened_at)}"]
    lines = [
        f"*{found.label}:* {cut(literal(shorten(found.text, MAX_DOING)), MAX_ESCAPED)}",
        f"{holder(view)} · {' · '.join(parts)}",
    ]
    if incident.hold is not None and incident.hold.reason:
        lines.append(f"*Stays open:* {cut(literal(incident.hold.reason), MAX_ESCAPED)}")
    lines += [*beside_lines(view), *escalation_lines(view)]
    blocks: list[Block] = [_section("facts", incident, in_room(lines, MAX_SECTION_TEXT))]
    if incident.is_blind:
        blocks.append(_section("blind", incident, _blind(view)))
    if view.halt is not None:
        blocks.append(_section("halt", incident, halt_text(view.halt)))
    blocks += number_blocks(incident.incident_id, shown)
    own, chart = incident_buttons(incident, view.runs), chart_blocks(incident.incident_id, shown)
    details = _details(view, shown)
    room = MAX_BLOCKS_TEXT - MAX_HEADER_TEXT - MAX_LEFT_OUT - size_of([*blocks, own, *chart])
    kept_for_details = min(sum(len(line) + 1 for line in details), LEAST_DETAILS)
    # What the reader is asked to decide comes before what they are told: on a phone the rest is a screen away.
    asked = list(questions(view, now))
    for_asked = room - kept_for_details - (LEAST_RUN if view.runs else 0)
    shown_asked = list(_in_room(((question.blocks, size_of(question.blocks)) for question in asked), for_asked))
    shown_asked = shown_asked[:MAX_ASKED]
    asked_blocks = [block for one in shown_asked for block in one]
    room -= size_of(asked_blocks)
    runs = _runs(view.runs, MAX_BLOCKS - RESERVED_BLOCKS - 2 * len(shown_asked), room - kept_for_details)
    room -= size_of(runs)
    blocks += [*asked_blocks, own, *runs]
    left_out = len(asked) - len(shown_asked) + len(view.runs) - len(runs)
    if left_out:
        text = f"… and {left_out} more; `opsbot incident {literal(incident.incident_id)}` has all of it"
        blocks.append(ContextBlock(elements=[mrkdwn(text, MAX_LEFT_OUT)]))
    if details:
        blocks.append(_section("details", incident, in_room(details, min(room, MAX_SECTION_TEXT))))
    return [*blocks, *chart]


def _runs(runs: Sequence[RunView], most: int, room: int) -> Sequence[Block]:
    """The newest runs, which are the ones that matter, oldest first; the newest is cut rather than left out."""
    found: list[Block] = []
    for run in reversed(runs[max(0, len(runs) - most) :]):
        menu = run_menu(run)
        lines = run_text(run).split("\n")
        left = min(room, MAX_SECTION_TEXT) - ROOM_OF_MENU
        text = "\n".join(lines)
        if len(text) > left:
            if found:
                break
            text = in_room(lines, left)
        found.append(SectionBlock(block_id=block_id("run", run.run_id), text=mrkdwn(text), accessory=menu))
        room -= size_of(found[-1:])
    return found[::-1]


def _in_room(found: Iterable[tuple[Sequence[Block], int]], room: int) -> Iterator[Sequence[Block]]:
    """What fits, in order, up to the first that does not; the first always does."""
    is_first = True
    for blocks, size in found:
        room -= size
        if room < 0 and not is_first:
            return
        is_first = False
        yield blocks


def _section(kind: str, incident: Incident, text: str) -> SectionBlock:
    return SectionBlock(block_id=block_id(kind, incident.incident_id), text=mrkdwn(text))


def _details(view: IncidentView, shown: Shown) -> Sequence[str]:
    """What the alerts say, what they are, and what belongs to them; nothing where there is nothing to say."""
    incident = view.incident
    said = cut(literal(shorten(incident.description, MAX_DESCRIPTION)), MAX_ESCAPED)
    lines = [said] if incident.description.strip() else []
    if incident.value is not None and not shown.numbers:
        lines.append(f"Last value: *{incident.value:.4g}*")
    lines += [*alert_lines(view), *link_lines(view)]
    return lines if "".join(lines).strip() else []


def halt_text(halt: HaltView) -> str:
    """The global stop, in a few words that cannot be overlooked."""
    return (
        f"■ *All runs are stopped* by {person(shorten(halt.created_by, MAX_LABEL))} since {date(halt.created_at)}: "
        f"{cut(literal(shorten(halt.reason, MAX_LABEL * 4)), MAX_ESCAPED // 2)}\n"
        "No run changes anything by itself, and nothing is given back. `/ops go-on` lifts it."
    )


def _resolved(view: IncidentView, shown: Shown) -> Sequence[Block]:
    incident = view.incident
    ended_at = incident.updated_at if incident.resolved_at is None else incident.resolved_at
    how = next((entry for entry in reversed(view.timeline) if entry.kind == "incident.resolved"), None)
    parts = [f"*{incident.incident_id}* resolved {date(ended_at)}", f"after {duration(ended_at - incident.opened_at)}"]
    lines = [" · ".join((*parts, f"was {incident.severity}", *places(incident)))]
    if how is not None:
        by = "" if how.actor == OPSBOT else f"{person(how.actor)}: "
        lines.append(f"{by}{cut(literal(shorten(how.text, MAX_DESCRIPTION)), MAX_ESCAPED)}")
    lines += had_by(view)
    lines += [run_line(run) for run in view.runs[-10:]]
    lines.append(f"Postmortem: `opsbot postmortem {incident.incident_id}` writes it, with charts.")
    return [
        _section("facts", incident, in_room(lines, MAX_SECTION_TEXT)),
        *chart_blocks(incident.incident_id, shown),
        incident_buttons(incident, view.runs),
    ]


def _blind(view: IncidentView) -> str:
    incident = view.incident
    since = next((entry.at for entry in reversed(view.timeline) if entry.kind == "incident.blind"), incident.updated_at)
    where = literal(shorten(incident.labels.get("cluster", "its source"), MAX_LABEL))
    return f"⚠ *No metrics from {where} since {clock_time(since)}:* what you see is held, not recovered."
