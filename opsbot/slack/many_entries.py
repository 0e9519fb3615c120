"""Many entries of one timeline in one reply: what matters in full, the rest counted, and where to read all of it.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.order import ASKING_KINDS
from opsbot.notify.outbox import Late
from opsbot.slack.blocks import Reply, timeline_entry
from opsbot.slack.limits import MAX_MESSAGE_TEXT
from opsbot.slack.remarks import lower_first
from opsbot.slack.text import clock_time, escape, shorten

IMPORTANT = (*ASKING_KINDS, "step.failed", "step.not_verified", "run.halted", "run.unhalted", "run.ended")
MOST_IN_FULL = 12
ENTRY_TEXT = 300
WHY_TEXT = 60
ROOM_AROUND = 900
"""Characters for the head and the tail."""


def many_entries(entries: Sequence[TimelineEntry], late: Late | None, *, is_over: bool) -> Reply:
    """*entries*, at least one, oldest first, of one incident.

    Args:
        late: as it is told; None where the reply is only made anew.
        is_over: whether the incident is; then nobody is woken or asked, since nothing is left to do.
    """
    important = [entry for entry in entries if entry.is_broadcast or entry.kind in IMPORTANT]
    shown = important[-MOST_IN_FULL:]
    # What was said last is what is so: where room is short, the oldest go.
    lines: list[str] = []
    room = MAX_MESSAGE_TEXT - ROOM_AROUND
    for entry in reversed(shown):
        line = f"• {clock_time(entry.at)} {_sentence(entry, is_over=is_over)}"
        if len(line) > room:
            break
        room -= len(line) + 1
        lines.insert(0, line)
    said = shown[len(shown) - len(lines) :]
    head = f"*{_count(entries)} {_while(late)}*, {clock_time(entries[0].at)} to {clock_time(entries[-1].at)}"
    rest = len(entries) - len(said)
    if rest:
        kinds = Counter(_kind(entry) for entry in entries if entry not in said)
        counted = ", ".join(f"{count} × {escape(kind)}" for kind, count in kinds.most_common(5))
        lines.append(f"… and {rest} more: {shorten(counted, 200)}")
    lines.append(f"All of it: `opsbot incident {escape(entries[0].incident_id)}`")
    is_broadcast = not is_over and any(entry.is_broadcast for entry in entries)
    return Reply("\n".join((head, *lines)), is_broadcast)


def _sentence(entry: TimelineEntry, *, is_over: bool) -> str:
    if is_over:
        # Nobody is mentioned: it would wake them for what is over.
        return escape(shorten(entry.text, ENTRY_TEXT))
    text = timeline_entry(entry).text
    return text if len(text) <= 2 * ENTRY_TEXT else escape(shorten(entry.text, ENTRY_TEXT))


def _count(entries: Sequence[TimelineEntry]) -> str:
    return f"{len(entries)} entries"


def _while(late: Late | None) -> str:
    return (
        f"while {escape(lower_first(shorten(late.why, WHY_TEXT)))}"
        if late is not None and late.why
        else "that waited to be said"
    )


def _kind(entry: TimelineEntry) -> str:
    return entry.kind.replace(".", " ").replace("_", " ")
