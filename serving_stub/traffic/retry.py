"""What a client does when it is refused or kept waiting: give up, insist, or come back when it was told to.

Insisting is what turns a short overload into a long one: every refusal becomes several requests.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses after which another attempt may help; the list of OpenAI's own clients, where 5xx is any."""

HAND_OFF_S = (0.2, 2.0)
"""How soon a pool of keys sends a refused body again under the next one."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts, and the pauses between them.

    Args:
        most_attempts: the first one counts.
        first_delay_s: mean pause after the first attempt; each later one is `factor` times as long.
        honours_retry_after: waits at least as long as the answer says.
        patience_s: a first token that takes longer is not waited for: the request is cut and sent anew.
    """

    most_attempts: int = 1
    first_delay_s: float = 0.0
    factor: float = 1.0
    longest_delay_s: float = 60.0
    honours_retry_after: bool = True
    patience_s: float | None = None

    def delay_s(self, attempts: int, retry_after_s: float | None, source: random.Random) -> float | None:
        """How long to wait after so many *attempts*; None to give up."""
        if attempts >= self.most_attempts:
            return None
        mean = min(self.longest_delay_s, self.first_delay_s * self.factor ** (attempts - 1))
        delay = mean * source.uniform(0.5, 1.5)
        if self.honours_retry_after and retry_after_s is not None:
            # Spread over half as long again, or everybody who was told the same comes back at once.
            return max(delay, retry_after_s * source.uniform(1.0, 1.5))
        return delay


NEVER = Retry()
IMPATIENT = Retry(most_attempts=6, first_delay_s=0.2, honours_retry_after=False, patience_s=5.0)
WELL_BEHAVED = Retry(most_attempts=4, first_delay_s=1.0, factor=2.0)
