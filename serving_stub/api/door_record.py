"""After the answer: the request is counted, and handed over to become an event of the log."""

from __future__ import annotations

import time

from serving_stub.api.door_request import Visit
from serving_stub.frontdoor.door_metrics import DoorCounts
from serving_stub.frontdoor.event_maker import Draft, EventMaker

CLIENT_GONE = 499
"""The status of whoever hung up before an answer, as nginx writes it; it is never sent."""


class DoorRecorder:
    """Counts every request, whoever answered it."""

    def __init__(self, counts: DoorCounts, events: EventMaker | None) -> None:
        self._counts = counts
        self._events = events

    @property
    def wants_text(self) -> bool:
        """Whether anybody reads what prompts and answers say."""
        return self._events is not None

    def record(self, visit: Visit) -> None:
        """One request is over."""
        caller = visit.caller
        self._counts.count(caller.service_class, caller.client_known, caller.country)
        if self._events is None:
            return
        served = visit.served
        if served.status is None:
            served.status = CLIENT_GONE if served.error_code == "client_gone" else 500
        first = served.first_token_at
        holder = visit.holder
        self._events.take(
            Draft(
                at=visit.at,
                name=visit.name,
                caller=caller,
                origin=visit.origin,
                fingerprint="" if visit.recognition is None else visit.recognition.fingerprint,
                served=served,
                latency_s=time.monotonic() - visit.started,
                ttft_s=None if first is None else first - visit.started,
                endpoint=visit.endpoint,
                body=visit.body if visit.endpoint is not None else b"",
                asked=visit.asked,
                conversation=visit.header(b"x-conversation-id"),
                screening=visit.screening,
                key=_unknown_key(visit),
                created_at=None if holder is None else holder.created_at,
                reason=visit.reason,
                fallback=visit.applied,
            )
        )


def _unknown_key(visit: Visit) -> str | None:
    """A key that nobody knows, to be hashed: who tries many of them is told by that."""
    if visit.holder is not None:
        return None
    scheme, _, key = (visit.header(b"authorization") or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
