"""The timeline: an append-only record of who did what to an incident, and when.

An entry's key is unique, so writing the same fact twice after a crash leaves one entry.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE_KINDS = ("escalation.notified", "page.triggered")
"""Entries that say that somebody was woken; where they are shown, they follow the incident's state."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One fact about an incident.

    Args:
        key: unique and derived from the cause (`<run>:<step>:verified`), so that a repeat is no second entry.
        incident_id: the incident it belongs to.
        at: seconds since the epoch.
        actor: `opsbot`, or the Slack or CLI user id of a person.
        kind: a dotted word for machines: `incident.opened`, `step.acted`, `approval.granted` …
        text: one plain sentence for people (mrkdwn is not interpreted).
        via: the door that the person came through, such as `Slack`; empty for the bot itself.
        is_broadcast: whether the channel should see it, not only the thread (changes of state only).
    """

    key: str
    incident_id: str
    at: float
    actor: str
    kind: str
    text: str
    is_broadcast: bool = False
    via: str = ""
