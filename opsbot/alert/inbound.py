"""The inbound event: an alert as a receiver of webhooks hands it to core, with the id that its sender gave it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from opsbot.alert.alert import Alert


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One alert of a webhook.

    Args:
        alert: what it says.
        event_id: the sender's name of this event; the same name again from the same receiver is a repeat. None where
            the sender repeats an alert on purpose while it fires, as Alertmanager does.
    """

    alert: Alert
    event_id: str | None = None

    @property
    def digest(self) -> str | None:
        """What is kept of the id: a hash, 64 hexadecimal digits."""
        return None if self.event_id is None else hashlib.sha256(self.event_id.encode()).hexdigest()
