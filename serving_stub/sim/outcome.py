"""What became of one arrival."""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.router import Way


@dataclass(slots=True)
class Outcome:
    """Times in seconds since the start; None for what never came.

    Args:
        cluster: where it was served; None where nobody took it.
        way: why there.
        refused: why it was not served: the engine's code, the router's reason, or `cluster_lost`.
    """

    arrival: Arrival
    cluster: str | None = None
    way: Way | None = None
    first_token_at: float | None = None
    finished_at: float | None = None
    num_tokens: int = 0
    refused: str | None = None

    @property
    def ttft_s(self) -> float | None:
        """Arrival to first token."""
        return None if self.first_token_at is None else self.first_token_at - self.arrival.at_s

    @property
    def inter_token_s(self) -> float | None:
        """Mean gap between tokens; None for answers of one token."""
        if self.first_token_at is None or self.finished_at is None or self.num_tokens < 2:
            return None
        return (self.finished_at - self.first_token_at) / (self.num_tokens - 1)
