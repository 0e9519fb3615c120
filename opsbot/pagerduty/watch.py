"""Pages fail open: a channel that does not take what must be heard is told of in the other one.

A page that PagerDuty has not taken in time is said in the incident's channel, and what Slack has not taken in time is
one page. Both are looked for in what is stored, so that neither a long pause nor a call that hangs hides them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence, Set
from typing import Protocol

from opsbot.alert.alert import Severity
from opsbot.clock import Clock
from opsbot.notify.overdue import Unheard, Untaken
from opsbot.pagerduty.notes import NOT_TAKEN, PageNotes

EVERY_S = 1.0
AT_LEAST_S = 10.0
"""An incident that has been open for long may only now have become a page: so long each gets to be taken."""

logger = logging.getLogger(__name__)


class PageStore(Protocol):
    """What is stored of pages; called in threads."""

    def untaken(self, paged: Set[Severity]) -> Sequence[Untaken]:
        """Pages that were never taken, of open incidents with one of *paged*, oldest first."""
        ...

    def unheard(self, since_before: float) -> Unheard:
        """What Slack was to say before then and has not said."""
        ...

    def wish_slack_page(self) -> None:
        """What the pager knows of Slack must be looked at again."""
        ...

    def has_slack_page(self) -> bool:
        """Whether the pager was ever to be told of Slack."""
        ...


class ChannelWatch:
    """Looks each second until cancelled.

    Args:
        paged: severities that page.
        late_after_s: how long PagerDuty may not take a first page.
        slack_late_after_s: how long Slack may not take what must be heard.
    """

    def __init__(
        self,
        store: PageStore,
        notes: PageNotes,
        paged: Set[Severity],
        late_after_s: float,
        slack_late_after_s: float,
        clock: Clock,
    ) -> None:
        self._store = store
        self._notes = notes
        self._paged = paged
        self._late_after_s = late_after_s
        self._slack_late_after_s = slack_late_after_s
        self._clock = clock
        self._seen_at: dict[str, float] = {}
        self._was_unheard: bool | None = None
        self.num_late = 0
        self.num_unheard = 0

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                # A locked store: nothing is lost, the next look sees the same.
                logger.exception("late pages cannot be looked for; trying again")
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Say what is late, in the other channel."""
        self._look_for_late_pages()
        self._look_for_what_slack_does_not_say()

    def unheard(self) -> Unheard:
        """What Slack has not said for too long, now; called in a thread."""
        return self._store.unheard(self._clock.now() - self._slack_late_after_s)

    def _look_for_late_pages(self) -> None:
        now = self._clock.monotonic()
        opened_before = self._clock.now() - self._late_after_s
        untaken = self._store.untaken(self._paged)
        self._seen_at = {page.incident_id: self._seen_at.get(page.incident_id, now) for page in untaken}
        wait_s = min(AT_LEAST_S, self._late_after_s)
        late = [
            page
            for page in untaken
            if page.opened_at <= opened_before and now - self._seen_at[page.incident_id] >= wait_s
        ]
        for page in late:
            self._notes.late(page.incident_id, page.why or NOT_TAKEN, is_given_up=page.is_given_up)
        self.num_late = len(late)

    def _look_for_what_slack_does_not_say(self) -> None:
        unheard = self.unheard()
        self.num_unheard = unheard.num_incidents
        is_unheard = unheard.num_incidents > 0
        if is_unheard == self._was_unheard:
            return
        # After a start it is not known what the pager was told: it is asked to look once.
        if is_unheard or self._store.has_slack_page():
            self._store.wish_slack_page()
        self._was_unheard = is_unheard
