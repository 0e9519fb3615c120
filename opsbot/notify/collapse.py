"""When many things of one incident have waited for long, they are said in one message.

Pure: what waits in one thread and the time in, what to carry with what out. Only what was never begun is carried:
a message whose outcome is unknown may stand already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from opsbot.notify.outbox import OutboxItem, OutboxState

LATE_S = 60.0
"""Seconds after which something counts as late: it says so, and may be said together with others."""
MOST_APART = 5
"""As many late entries of one incident still come one by one."""
MOST_CARRIED = 500


@dataclass(frozen=True, slots=True)
class Collapsed:
    """The message of the item *key* is to say what the items *carried* were to say."""

    key: str
    carried: tuple[str, ...]


def collapsed(thread: Sequence[OutboxItem], now: float) -> Collapsed | None:
    """How the beginning of *thread*, one incident's items in order, is said in one message; None if as it stands."""
    if not thread or not _is_untouched(thread[0]) or not is_late(thread[0], now):
        return None
    first, rest = thread[0], thread[1:]
    if first.kind == "incident_message":
        carried = _keys(rest) if first.is_over else ()
    elif first.kind == "timeline_entry":
        carried = _keys(rest)
        if len(carried) < MOST_APART:
            carried = ()
    else:
        carried = ()
    return Collapsed(first.key, carried) if carried else None


def is_late(item: OutboxItem, now: float) -> bool:
    """Whether what *item* says has been so for long."""
    return item.since is not None and now - item.since > LATE_S


def _keys(rest: Sequence[OutboxItem]) -> tuple[str, ...]:
    untouched = takewhile(lambda item: item.kind == "timeline_entry" and _is_untouched(item), rest)
    return tuple(item.key for item in untouched)[:MOST_CARRIED]


def _is_untouched(item: OutboxItem) -> bool:
    return item.is_first and item.state is OutboxState.PENDING and not item.carried
