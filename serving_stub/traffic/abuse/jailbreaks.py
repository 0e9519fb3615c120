"""A8 and A9: attempts to talk a model out of its rules, by one person rewording or by many with one skeleton."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Move
from serving_stub.traffic.abuse.template import template_id
from serving_stub.traffic.abuse.texts import SKELETON, fill, reworded
from serving_stub.traffic.client_profile import BROWSER

REWORDING_LENGTH_S = 900.0


def rewording(cast: Cast, strength: float) -> Built:
    """A8: the same wish over and over in other words, most of them refused, each soon after the refusal.

    The words change as the bits of a Gray code do, so no text comes twice.
    """
    source = cast.source
    who = cast.member("person", 0, BROWSER, cast.network("residential", 0, "GB"), age_days=90)
    conversation = cast.id("conversation", 0)
    moves = []
    at_s = source.uniform(0.0, 30.0)
    variant = source.randrange(4096)
    order = source.sample(range(12), 12)
    for attempt in range(scaled(12, strength)):
        variant ^= 1 << order[(attempt & -attempt).bit_length() - 1] if attempt else 0
        is_refused = attempt % 4 != 3
        moves.append(
            Move(
                at_s,
                who,
                reworded(variant),
                conversation=conversation if attempt % 2 else None,
                refused=is_refused,
                harm={"non_violent_crimes": round(source.uniform(0.5, 0.9), 3)},
                completion_tokens=30 if is_refused else 300,
            )
        )
        at_s += source.uniform(20.0, 75.0)
    return Built({"account": who.persona.account}, list(moves))


def campaign(cast: Cast, strength: float) -> Built:
    """A9: twenty-five accounts try one skeleton that somebody posted; nearly half of it is refused."""
    source = cast.source
    moves: list[Move] = []
    for number in range(scaled(25, strength)):
        place = cast.network("residential", number, ("US", "GB", "CA", "AU")[number % 4])
        who = cast.member(number, 0, BROWSER, place, age_days=source.uniform(1, 500))
        for at_s in cast.times(4, 0.0, HOUR_S):
            is_refused = source.random() < 0.45
            harm = {"non_violent_crimes": round(source.uniform(0.3, 0.95), 3)}
            moves.append(Move(at_s, who, fill(SKELETON, source), refused=is_refused, harm=harm, uncached=0.3))
    return Built({"template": template_id(SKELETON)}, list(moves))
