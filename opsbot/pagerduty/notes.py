"""What an incident's timeline says of its page: that nobody was woken, that it was taken after all, or given up."""

from __future__ import annotations

from collections.abc import Callable

from opsbot.clock import Clock
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.pagerduty.page import Page

ACTOR = "opsbot"
NOT_TAKEN = "PagerDuty has not taken the page"


class PageNotes:
    """Broadcast in the incident's channel, each once. Methods are called in a thread.

    Args:
        note, noted: write a timeline entry, and read one by its key.
    """

    def __init__(
        self, note: Callable[[TimelineEntry], None], noted: Callable[[str], TimelineEntry | None], clock: Clock
    ) -> None:
        self._note = note
        self._noted = noted
        self._clock = clock

    def late(self, incident_id: str, why: str, *, is_given_up: bool = False) -> None:
        """Nobody has been woken so far."""
        next_step = "it is given up" if is_given_up else "it goes on trying"
        text = f"{why}: nobody has been paged through it. Wake somebody by hand; {next_step}"
        self._say(incident_id, "page.late", text)

    def paged(self, page: Page) -> None:
        """PagerDuty has taken a page; in the incident's thread only."""
        if page.incident is None or page.event.action != "trigger":
            return
        urgency = "high" if page.event.severity in ("critical", "error") else "low"
        entry = TimelineEntry(
            f"{_key(page.ref, 'page.triggered')}:{page.event.severity}",
            page.ref,
            self._clock.now(),
            ACTOR,
            "page.triggered",
            f"Paged through PagerDuty, {urgency} urgency",
        )
        self._note(entry)

    def taken(self, incident_id: str) -> None:
        """The page was taken; said only where it was late."""
        if self._noted(_key(incident_id, "page.late")) is not None:
            self._say(incident_id, "page.taken", "PagerDuty has taken the page now")

    def given_up(self, page: Page, why: str) -> None:
        """PagerDuty will not be told this."""
        if page.entry is not None:
            if page.event.action == "trigger":
                text = f"PagerDuty was not told: “{page.entry.text}” {why} Wake somebody by hand"
                self._say(page.entry.incident_id, "page.given_up", text, page.ref)
            return
        if page.incident is None:
            return
        state = "over" if page.event.action == "resolve" else page.incident.state.value
        text = f"PagerDuty was not told that {page.ref} is {state}: {why} "
        if page.incident.state is IncidentState.OPEN and page.event.action == "trigger":
            text += "Wake somebody by hand"
        else:
            text += "Do it there by hand, or it goes on waking people"
        self._say(page.ref, f"page.given_up.{page.event.action}", text)

    def _say(self, incident_id: str, kind: str, text: str, about: str = "") -> None:
        key = _key(incident_id, kind) + (f":{about}" if about else "")
        entry = TimelineEntry(key, incident_id, self._clock.now(), ACTOR, kind, text, is_broadcast=True)
        self._note(entry)


def _key(incident_id: str, kind: str) -> str:
    return f"{incident_id}:{kind}"
