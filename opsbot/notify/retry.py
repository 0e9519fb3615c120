"""When a failed delivery is tried again, and when a person must look.

Pure: attempts, the error and the time in, the next time or None out. A refusal is given up soon, since waiting does
not cure it; an outage is sat out for about a day, since a page must survive it.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.notify.notifier import DeliveryError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with two limits.

    Args:
        first_s, longest_s: seconds before the second attempt, and the longest pause between two.
        settle_s: shortest pause after an unknown outcome, so that a late post is visible before we look for it.
        refused_attempts: attempts before a refusal is final.
        attempts: attempts before an outage is final; 1500 at a minute each are a little over a day.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    settle_s: float = 2.0
    refused_attempts: int = 5
    attempts: int = 1500

    def next_at(self, attempts: int, error: DeliveryError, now: float) -> float | None:
        """When to try again after *attempts* earlier attempts and this one failed; None to give up."""
        limit = self.attempts if error.retryable else self.refused_attempts
        if attempts + 1 >= limit:
            return None
        # The exponent is bounded because two to the power of a day's attempts is no float.
        pause_s = min(self.first_s * 2.0 ** min(attempts, 16), self.longest_s)
        if error.outcome_unknown:
            pause_s = max(pause_s, self.settle_s)
        if error.retry_after_s is not None:
            pause_s = max(pause_s, error.retry_after_s)
        return now + pause_s
