"""A server that dies at a line: `python -m tests.support.dying_server WHERE MARKER ARGUMENTS…`.

WHERE is `before_journal` or `after_journal`: it kills itself there the first time that a lease is granted, and never
again once the file MARKER exists. `clock=SECONDS` moves the clock instead, as a step of the system's would have.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from serving_stub.__main__ import main
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.lease import Granted, LeaseEvent

append = LeaseJournal.append


def dying_at(where: str, marker: Path) -> None:
    """Die around the first grant's journal entry."""

    def die(here: str, events: Sequence[LeaseEvent]) -> None:
        if here == where and not marker.exists() and isinstance(events[0], Granted):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_append(self: LeaseJournal, events: Sequence[LeaseEvent], notes: Sequence[Note] = ()) -> None:
        die("before_journal", events)
        append(self, events, notes)
        die("after_journal", events)

    LeaseJournal.append = dying_append  # type: ignore[method-assign]


def with_clock(step_s: float) -> None:
    """Show a time that is *step_s* ahead of the system's."""

    def stepped(self: SteadyClock) -> None:
        self._offset_s = time.time() + step_s - time.monotonic()

    SteadyClock.__init__ = stepped  # type: ignore[method-assign]


if __name__ == "__main__":
    where, marker, *arguments = sys.argv[1:]
    if where.startswith("clock="):
        with_clock(float(where.removeprefix("clock=")))
    else:
        dying_at(where, Path(marker))
    main(arguments, prog_name="python -m serving_stub")
