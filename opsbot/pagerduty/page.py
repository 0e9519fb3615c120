"""What an item of the outbox is to tell PagerDuty now: of an incident, or that Slack does not say what it should."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from opsbot.alert.alert import Severity
from opsbot.clock import Clock
from opsbot.errors import NotFoundError
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxItem
from opsbot.notify.overdue import SLACK_PAGE, Unheard
from opsbot.pagerduty.event import MAX_SUMMARY, NEVER, PageEvent, next_event, payload
from opsbot.yamlfile import format_duration


@dataclass(frozen=True, slots=True)
class Page:
    """One event, ready to be sent.

    Args:
        ref: what it is about: an incident's id, SLACK_PAGE, or a timeline entry.
        body: of a trigger; empty for other events.
        incident: what it is about, if that is an incident.
        entry: what it is about, if that is one entry of a timeline.
    """

    ref: str
    event: PageEvent
    body: Mapping[str, Any]
    incident: Incident | None = None
    entry: TimelineEntry | None = None


class PageSource:
    """Reads what items name.

    Args:
        paged: severities that page.
        incident, unheard, entry: read the store; called in a thread; *incident* raises NotFoundError.
    """

    def __init__(
        self,
        paged: Set[Severity],
        incident: Callable[[str], Incident],
        unheard: Callable[[], Unheard],
        clock: Clock,
        entry: Callable[[str], TimelineEntry | None],
    ) -> None:
        self._paged = paged
        self._incident = incident
        self._unheard = unheard
        self._clock = clock
        self._entry = entry

    def next_page(self, item: OutboxItem) -> Page | None:
        """What PagerDuty must be told now; None if it knows all. Called in a thread."""
        sent = item.ts or NEVER
        if item.kind == "page_entry":
            entry = self._entry(item.ref)
            if entry is None:
                raise NotFoundError(f"there is no timeline entry {item.ref}")
            return entry_page(entry, self._incident(item.incident_id), sent)
        if item.ref == SLACK_PAGE:
            return slack_page(self._unheard(), sent, self._clock.now())
        incident = self._incident(item.ref)
        event = next_event(incident, self._paged, sent)
        if event is None:
            return None
        return Page(item.ref, event, payload(incident) if event.action == "trigger" else {}, incident)


def entry_page(entry: TimelineEntry, incident: Incident, sent: str) -> Page | None:
    """The page about one entry: it stands until its incident is over, whoever has that incident."""
    ref = entry_ref(entry.key)
    if incident.is_resolved:
        return Page(ref, PageEvent("resolve"), {}, entry=entry) if sent.startswith("trigger") else None
    if sent != NEVER:
        return None
    return Page(ref, PageEvent("trigger", "critical"), _entry_body(entry, incident), entry=entry)


def entry_ref(key: str) -> str:
    """What stands for a timeline entry in a dedup key, which PagerDuty allows 255 characters."""
    return f"entry:{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _entry_body(entry: TimelineEntry, incident: Incident) -> Mapping[str, Any]:
    return {
        "summary": f"{entry.incident_id}: {entry.text}"[:MAX_SUMMARY],
        "source": incident.labels.get("cluster") or "opsbot",
        "severity": "critical",
        "component": incident.labels.get("service", "serving"),
        "group": incident.labels.get("cluster", ""),
        "class": entry.kind,
        "custom_details": {
            "incident": entry.incident_id,
            "title": incident.title[:MAX_SUMMARY],
            "said_by": entry.actor,
            "text": entry.text[:MAX_SUMMARY],
            "next": f"`opsbot incidents` or Slack's thread of {entry.incident_id} shows what it asks of you",
        },
    }


def slack_page(unheard: Unheard, sent: str, now: float) -> Page | None:
    """The page that stands for all of *unheard*; one, however many they are."""
    if unheard.num_incidents:
        event = PageEvent("trigger", "error")
        return None if str(event) == sent else Page(SLACK_PAGE, event, _slack_body(unheard, now))
    return Page(SLACK_PAGE, PageEvent("resolve"), {}) if sent.startswith("trigger") else None


def _slack_body(unheard: Unheard, now: float) -> Mapping[str, Any]:
    count = f"{unheard.num_incidents} open incident{'' if unheard.num_incidents == 1 else 's'}"
    since = now if unheard.oldest_at is None else unheard.oldest_at
    waits = format_duration(max(1, round(now - since)))
    return {
        "summary": f"Slack does not take what opsbot has to say: {count}, for {waits}. `opsbot incidents` lists them",
        "source": "opsbot",
        "severity": "error",
        "component": "opsbot",
        "class": "SlackNotHeard",
        "custom_details": {"incidents": list(unheard.incident_ids), "num_incidents": unheard.num_incidents},
    }
