"""Reads changed runbook files again, and says in the channel what came into force, and what is wrong with a file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence

from opsbot.clock import Clock
from opsbot.runbook.library import RunbookLibrary
from opsbot.yamlfile import Problem

logger = logging.getLogger(__name__)

MOST_PROBLEMS = 5


class RunbookShelf:
    """Keeps the library up to date; called from a thread."""

    def __init__(self, library: RunbookLibrary, say: Callable[[str, str, float], None], clock: Clock) -> None:
        self._library = library
        self._say = say
        self._clock = clock

    def open(self) -> None:
        """Read everything for the first time; only what is wrong is said."""
        self._complain(self._library.reload())
        logger.info("%d runbooks in force", len(self._library.runbooks()))

    def look(self) -> None:
        """Read what has changed, and say what that means. Harmless when repeated."""
        before = {runbook.runbook_id: runbook.revision for runbook in self._library.runbooks()}
        self._complain(self._library.reload())
        now = {runbook.runbook_id: runbook.revision for runbook in self._library.runbooks()}
        for runbook_id in sorted(now.keys() | before.keys()):
            revision = now.get(runbook_id)
            if revision == before.get(runbook_id):
                continue
            what = f"has revision {revision[:12]} in force now" if revision else "is out of force: its file is gone"
            logger.info("runbook %s %s", runbook_id, what)
            text = f"Runbook {runbook_id} {what}. Runs under way keep the one they began with."
            self._tell(f"runbook:{runbook_id}:{revision}", text)

    def _complain(self, problems: Sequence[Problem]) -> None:
        for path in dict.fromkeys(problem.path for problem in problems):
            found = [problem for problem in problems if problem.path == path]
            lines = "\n".join(f"• {problem}" for problem in found[:MOST_PROBLEMS])
            more = f"\n… and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
            text = (
                f"A runbook file cannot be used as it is now:\n{lines}{more}\n"
                "Its last good revision stays in force, if it had one. `opsbot check` says the same at your desk."
            )
            self._tell(f"runbook-file:{path}", text)

    def _tell(self, key: str, text: str) -> None:
        now = self._clock.now()
        # The same file may be mended and broken again; each time is said.
        digest = hashlib.sha256(f"{text}:{now:.0f}".encode()).hexdigest()[:12]
        self._say(f"{key[:200]}:{digest}", text, now)
