"""A circuit breaker: after some failures in a row nobody is called for a while, then one call tries again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CircuitBreaker:
    """Whether a call may be made now; time is passed in, in seconds that never step back.

    Args:
        failures_to_open: that many failures in a row open it.
        open_s: how long it stays open before one call, the probe, may try.
    """

    failures_to_open: int = 5
    open_s: float = 30.0
    _failures: int = 0
    _closed_at: float | None = None
    _is_probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the last thing known is that calls fail."""
        return self._closed_at is not None

    def allows(self, now: float) -> bool:
        """Whether a call may be made; one that may must be followed by `succeeded`, `failed` or `abandoned`."""
        if self._closed_at is None:
            return True
        if self._is_probing or now < self._closed_at:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """A call worked: everybody may call."""
        self._failures, self._closed_at, self._is_probing = 0, None, False

    def failed(self, now: float) -> None:
        """A call failed; a failed probe opens it for another while at once."""
        self._failures += 1
        if self._is_probing or self._failures >= self.failures_to_open:
            self._closed_at, self._is_probing = now + self.open_s, False

    def abandoned(self) -> None:
        """A call was given up by its caller, which says nothing about the other side."""
        self._is_probing = False
