"""How far behind a channel is with what must be said in it, and why, in one sentence for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.notify.collapse import LATE_S
from opsbot.notify.reach import Outage
from opsbot.yamlfile import format_duration


@dataclass(frozen=True, slots=True)
class Lag:
    """What waits to be said.

    Args:
        depth: messages to post or to bring up to date.
        oldest_s: for how long the oldest of them has waited.
        num_failed: messages that were given up.
        by_state: how many are `pending`, `sending`, `failed`.
        outage: why nothing can be said, where that is so.
    """

    depth: int = 0
    oldest_s: float = 0.0
    num_failed: int = 0
    by_state: Mapping[str, int] = field(default_factory=dict)
    outage: Outage | None = None

    @property
    def is_late(self) -> bool:
        """Whether people should be told."""
        return self.outage is not None or self.oldest_s > LATE_S or self.num_failed > 0

    def sentence(self) -> str:
        """`14 messages wait, the oldest for 12m: Slack could not be reached`; plain text, without a full stop."""
        parts = []
        if self.depth:
            count = f"{self.depth} message{'s wait' if self.depth > 1 else ' waits'}"
            oldest = f", the oldest for {_about(self.oldest_s)}" if self.oldest_s >= 1 else ""
            parts.append(count + oldest)
        if self.num_failed:
            were = "was" if self.num_failed == 1 else "were"
            parts.append(f"{self.num_failed} {were} given up, core's log says why")
        said = "; ".join(parts) or "nothing waits"
        if self.outage is not None:
            said += f": {self.outage.why}"
            if self.outage.advice:
                said += f" ({self.outage.advice})"
        return said


def _about(seconds: float) -> str:
    return format_duration(round(seconds) if seconds < 90 else 60 * round(seconds / 60))
