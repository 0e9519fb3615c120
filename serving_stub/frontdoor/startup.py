"""What a start does to the leases of the journal: time may have stepped, settings may have changed, commands are over.

Leases in force are in force again or have expired meanwhile; one that ramps or holds goes on with it, from where it
stood, once the server can say how it is.
"""

from __future__ import annotations

from dataclasses import replace

from serving_stub.errors import LeaseError
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import CommandState, Completed
from serving_stub.frontdoor.lease import Ended, EndReason, Lease, LeaseEvent


def moved(book: LeaseBook, now: float) -> LeaseBook:
    """The book for a clock that shows *now*: had it shown more before, all times move back with it.

    So a lease keeps the time that it had left: it neither lives longer for a clock that stepped back nor ends at once.
    """
    latest = max((lease.last_time for lease in book.leases.values()), default=now)
    if latest <= now:
        return book
    leases = {one.lease_id: _earlier(one, latest - now) for one in book.leases.values()}
    return replace(book, leases=leases)


def at_start(book: LeaseBook, now: float) -> tuple[LeaseEvent, ...]:
    """The events of a start: leases that nobody can obey any more end, so do those whose time is up, and commands."""
    unusable = [Ended(one.lease_id, now, EndReason.UNUSABLE) for one in book.standing() if not _fits(book, one)]
    over = [
        Completed(one.command_id, now, CommandState.DONE, "the server itself was started again")
        for one in book.commands.values()
        if one.state is CommandState.RUNNING
    ]
    return (*unusable, *book.apply_all(unusable).due(now), *over)


def _earlier(lease: Lease, back_s: float) -> Lease:
    return replace(
        lease,
        created_at=lease.created_at - back_s,
        expires_at=lease.expires_at - back_s,
        changed_at=None if lease.changed_at is None else lease.changed_at - back_s,
        ended_at=None if lease.ended_at is None else lease.ended_at - back_s,
    )


def _fits(book: LeaseBook, lease: Lease) -> bool:
    knob = book.knobs.get(lease.request.knob)
    if knob is None:
        return False
    try:
        knob.parse(lease.layer().value)
    except LeaseError:
        return False
    return True
