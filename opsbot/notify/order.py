"""What is said first when not everything can be said at once.

Pure. An open incident's message comes before all else, the worst first; then what asks for a decision, changes of
state, what the whole channel is to hear, notices, the rest of the timelines, reports. A thread stays in order: what
stands before something important in its thread is as urgent as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from opsbot.alert.alert import SEVERITIES
from opsbot.notify.outbox import OutboxItem

ASKING_KINDS = (
    "approval.requested",
    "step.announced",
    "step.countdown",
    "step.unknown",
    "run.needs_person",
    "escalation.notified",
    "escalation.unanswered",
    "escalation.nobody",
    "page.late",
    "page.given_up",
)
"""Kinds of timeline entries that ask somebody for something, or wake somebody."""


class Importance(IntEnum):
    """Smaller is said earlier."""

    PAGE = 0
    DECISION = 1
    STATE = 2
    BROADCAST = 3
    NOTICE = 4
    ENTRY = 5
    REPORT = 6


BY_KIND: Mapping[str, Importance] = {
    "notice": Importance.NOTICE,
    # Who is about to be called must know that it is a test.
    "load_test": Importance.NOTICE,
    "page": Importance.PAGE,
    "page_entry": Importance.PAGE,
}
"""Of what belongs to no thread; any other kind is a report, and waits for all else."""


def importance(item: OutboxItem) -> Importance:
    """How important *item* is by itself."""
    if item.kind == "incident_message":
        return _of_message(item)
    if item.kind == "timeline_entry":
        return _of_entry(item)
    return BY_KIND.get(item.kind, Importance.REPORT)


def _of_message(item: OutboxItem) -> Importance:
    if item.is_first:
        # What opened and ended meanwhile is worth knowing, and nothing to act on.
        return Importance.ENTRY if item.is_over else Importance.PAGE
    return Importance.DECISION if item.asks and not item.is_over else Importance.STATE


def _of_entry(item: OutboxItem) -> Importance:
    if item.is_over:
        return Importance.ENTRY
    if item.asks:
        return Importance.DECISION
    return Importance.BROADCAST if item.is_broadcast else Importance.ENTRY


def thread_of(item: OutboxItem) -> str:
    """What must stay in order: an incident's message and its thread; notices; anything else is by itself."""
    return item.incident_id or ("notices" if item.kind == "notice" else item.key)


def in_order(items: Iterable[OutboxItem]) -> Sequence[OutboxItem]:
    """*items*, each thread as it is given, the most urgent first."""
    threads: dict[str, list[OutboxItem]] = {}
    for item in items:
        threads.setdefault(thread_of(item), []).append(item)
    ranked: list[tuple[tuple[int, int, float], OutboxItem]] = []
    for thread in threads.values():
        urgency = max(Importance)
        # From the end, so that each takes over the urgency of what waits behind it.
        found: list[tuple[tuple[int, int, float], OutboxItem]] = []
        oldest = min((item.since for item in thread if item.since is not None), default=0.0)
        for item in reversed(thread):
            urgency = min(urgency, importance(item))
            found.append(((urgency, _severity_rank(thread[0]), oldest), item))
        ranked += reversed(found)
    return [item for _, item in sorted(ranked, key=lambda one: one[0])]


def _severity_rank(item: OutboxItem) -> int:
    ranks: Sequence[str] = SEVERITIES
    return ranks.index(item.severity) if item.severity in ranks else len(ranks)
