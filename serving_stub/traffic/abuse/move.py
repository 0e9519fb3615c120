"""What a shape is made of: people, their requests and sign-ups, and what is known about them beforehand.

A move says what a request looks like from outside and how it would end on a server that behaves as most do; a live
run takes the first part and finds the second out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from serving_stub.traffic.persona import Persona

Entity = Mapping[str, str]
"""Whom a finding should name: event fields and their values, such as one `account`, or `client_fp` and `ip_prefix`."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known from an account's sign-up; None where there is none.

    Args:
        payment, device: fingerprints of the card and the device.
        mail_pattern: the shape of the mail address, such as `word.word##`, never the address.
    """

    payment: str | None = None
    device: str | None = None
    mail_pattern: str | None = None


NO_TRAITS = Traits()


@dataclass(frozen=True, slots=True)
class Member:
    """A persona with what the account system knows of it.

    Args:
        age_days: of the account, when the shape begins.
        is_key_dead: the server does not know the key.
        requests_per_min: limit of the tenant, where the shape needs one.
    """

    persona: Persona
    age_days: float = 400.0
    traits: Traits = NO_TRAITS
    is_key_dead: bool = False
    requests_per_min: int | None = None

    @property
    def key_hash(self) -> str:
        """The key's public id; everybody in a shape has a key."""
        assert self.persona.key_hash is not None
        return self.persona.key_hash


@dataclass(frozen=True, slots=True)
class Move:
    """One request of a shape.

    Args:
        at_s: seconds of plan time after the shape's start; before it is history, which only events have.
        prompt_tokens: None counts the words; more than they make is filled up with random words in a live run.
        uncached: share of the prompt's tokens that no earlier request had.
        status, refused: how it ends; *refused* is an answer that declines.
        harm: category and score of moderation.
        relays: each in turn sends the very same body again, the one before having met a 429.
    """

    at_s: float
    who: Member
    prompt: str
    system: str | None = None
    conversation: str | None = None
    endpoint: Literal["chat.completions", "batch"] = "chat.completions"
    prompt_tokens: int | None = None
    uncached: float = 0.9
    completion_tokens: int = 150
    max_tokens: int = 512
    status: int = 200
    refused: bool = False
    harm: Mapping[str, float] = field(default_factory=dict)
    safety_identifier: str | None = None
    relays: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Joining:
    """One sign-up of a shape."""

    at_s: float
    who: Member


@dataclass(frozen=True, slots=True)
class Known:
    """What people had written down beforehand: an announced load test, or a dated exemption."""

    kind: Literal["loadtest", "exemption"]
    entity: Entity
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Built:
    """A shape's plan; moves in any order."""

    entity: Entity
    moves: list[Move | Joining]
    known: tuple[Known, ...] = ()
