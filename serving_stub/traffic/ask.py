"""One arrival of a plan: what is asked, by whom and when. A plan knows no clock and no server."""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.traffic.persona import Persona


@dataclass(frozen=True, slots=True)
class Ask:
    """One user's request.

    Args:
        at_s: seconds after the start.
        prompt: what is asked.
        seed: for sampling the answer.
        label: what the arrival stands for, such as a kind of prompt or a shape of abuse; the summary groups by it.
        conversation: earlier asks of the same conversation and their answers are sent along.
        max_tokens: length of the answer; None takes the run's.
        relays: on a 429 the same body goes out again under the next of these, as a pool of keys does.
        safety_identifier: the end user, where the client names one.
    """

    at_s: float
    prompt: str
    seed: int
    persona: Persona | None = None
    label: str | None = None
    system: str | None = None
    conversation: str | None = None
    max_tokens: int | None = None
    relays: tuple[Persona, ...] = ()
    safety_identifier: str | None = None
