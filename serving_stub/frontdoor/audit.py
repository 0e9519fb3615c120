"""The audit trail: who changed what, when, from what to what, and who was refused.

Notes are written in the same line of the journal as the change itself, so neither can be there without the other. The
last MAX_NUM_NOTES are kept through restarts. A token is known here by its name alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import Commanded, Completed
from serving_stub.frontdoor.knob import Value
from serving_stub.frontdoor.lease import Counted, Ended, Granted, Held, LeaseEvent, Noted, Ramped, Renewed

MAX_NUM_NOTES = 5000
LONGEST_VALUE = 500
"""In characters; a longer one stands in the lease alone."""
SERVER = "server"
"""Who does what time brings about."""


@dataclass(frozen=True, slots=True)
class Note:
    """One change, or one attempt that was refused.

    Args:
        by: name of the token, or `server`.
        action: granted, renewed, ramped, held, released, expired, readmitted, unusable, commanded, done, failed,
            refused.
        owner: as the writer stated it.
        before, after: of a number, what was in force; of other knobs, how many leases were.
        detail: the reason as stated, or why it was refused.
    """

    at: float
    by: str
    action: str
    owner: str = ""
    knob: str | None = None
    lease_id: str | None = None
    value: Value | None = None
    strength: float | None = None
    before: int | None = None
    after: int | None = None
    detail: str = ""


class AuditTrail:
    """The notes that are kept, the oldest first."""

    def __init__(self, notes: Iterable[Note] = ()) -> None:
        self._notes = deque(notes, MAX_NUM_NOTES)

    def add(self, notes: Iterable[Note]) -> None:
        """Keep *notes*, and let go of the oldest where there are too many."""
        self._notes += notes

    def notes(self, *, since: float = 0.0, knob: str | None = None, limit: int | None = None) -> tuple[Note, ...]:
        """Notes from *since* on, about *knob* where one is named; the newest *limit* of them."""
        found = [note for note in self._notes if note.at >= since and knob in (None, note.knob)]
        return tuple(found if limit is None else found[-limit:])


def note_of(event: LeaseEvent, before: LeaseBook, after: LeaseBook, *, by: str, now: float) -> Note:
    """What to remember of *event*, which led from one book to the other."""
    match event:
        case Commanded(command):
            request = command.request
            return Note(
                now, by, "commanded", request.owner, detail=f"{request.kind} ({request.when}): {request.reason}"
            )
        case Completed(command_id, _, state, detail):
            request = after.commands[command_id].request
            return Note(now, by, str(state), request.owner, detail=f"{request.kind}: {detail}")
        case Counted() | Noted():
            return Note(now, by, event.event)
        case Granted(lease):
            lease_id, action = lease.lease_id, "granted"
        case Renewed(lease_id):
            action = "renewed"
        case Ramped(lease_id):
            action = "ramped"
        case Held(lease_id):
            action = "held"
        case Ended(lease_id, _, end_reason):
            action = str(end_reason)
    lease = after.get(lease_id)
    knob = lease.request.knob
    is_known = knob in after.knobs
    return Note(
        now,
        by,
        action,
        lease.request.owner,
        knob,
        lease_id,
        lease.request.value if len(str(lease.request.value)) <= LONGEST_VALUE else None,
        lease.strength if lease.is_in_force else 0.0,
        before.figure(knob) if is_known else None,
        after.figure(knob) if is_known else None,
        lease.request.reason,
    )
