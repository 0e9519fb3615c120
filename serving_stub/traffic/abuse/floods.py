"""A5, A6, A7: more than a fair share, by size or by number.

A flood is one organisation's tokens; a farm and a hydra are one template in many hands, each of them modest.
"""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Move, Traits
from serving_stub.traffic.abuse.template import template_id
from serving_stub.traffic.abuse.texts import DISTILL, FARM, fill, question
from serving_stub.traffic.client_profile import OPENAI_PYTHON, PYTHON_REQUESTS
from serving_stub.traffic.network import NetworkKind

HYDRA_LENGTH_S = 6 * HOUR_S


def token_flood(cast: Cast, strength: float) -> Built:
    """A5: a new organisation, every prompt begins with six thousand random tokens, every answer runs to its cap."""
    source = cast.source
    who = cast.member("flood", 0, PYTHON_REQUESTS, cast.network("hosting", 0, "US"), age_days=0.2)
    moves = [
        Move(
            at_s,
            who,
            question(source, 80),
            prompt_tokens=6000,
            uncached=1.0,
            completion_tokens=1000,
            max_tokens=1000,
        )
        for at_s in cast.times(scaled(210, strength), 0.0, 900.0)
    ]
    return Built({"org": who.persona.tenant}, list(moves))


def content_farm(cast: Cast, strength: float) -> Built:
    """A6: fourteen fresh accounts, an organisation each, fill in one template, mostly from servers."""
    source = cast.source
    moves: list[Move] = []
    for number in range(scaled(14, strength)):
        kind: NetworkKind = "residential" if number % 5 == 4 else "hosting"
        place = cast.network(kind, number // 2, "SG", number % 3)
        who = cast.member(number, 0, OPENAI_PYTHON, place, age_days=source.uniform(0.5, 12))
        moves += [
            Move(at_s, who, fill(FARM, source), uncached=0.2, completion_tokens=1100, max_tokens=1500)
            for at_s in cast.times(20, 0.0, HOUR_S)
        ]
    return Built({"template": template_id(FARM)}, list(moves))


def hydra(cast: Cast, strength: float) -> Built:
    """A7: seventy accounts on seven cards, each five to seven times an hour as a clock would, one template."""
    source = cast.source
    moves: list[Move] = []
    cards = 7
    for number in range(scaled(70, strength)):
        place = cast.network("hosting" if number % 3 else "residential", number % 60, "US", number % 12)
        traits = Traits(payment=cast.id("card", number % cards), device=cast.id("device", number))
        who = cast.member(number, 0, OPENAI_PYTHON, place, age_days=source.uniform(20, 60), traits=traits)
        gap_s = HOUR_S / source.uniform(5.5, 6.5)
        moves += [
            Move(at_s, who, fill(DISTILL, source), uncached=0.3, completion_tokens=700, max_tokens=1024)
            for at_s in cast.pace(0.0, HYDRA_LENGTH_S, gap_s, 0.4)
        ]
    return Built({"template": template_id(DISTILL)}, list(moves))
