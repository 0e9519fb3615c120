"""One request as it arrives at the fleet, below HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who asks for how much.

    Args:
        at_s: seconds after the start.
        country: ISO 3166 code.
        prompt_tokens, answer_tokens: at least 1 each; the answer ends after so many, whatever its text.
    """

    at_s: float
    country: str
    tenant: str
    model: str
    prompt_tokens: int
    answer_tokens: int
