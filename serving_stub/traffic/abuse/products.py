"""B5, BYOK and CHARACTERS: honest products that stand between their users and the model."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import DAY_S, HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Move
from serving_stub.traffic.abuse.texts import question, system_prompt
from serving_stub.traffic.client_profile import OPENAI_PYTHON

PRODUCT_LENGTH_S = 2 * HOUR_S


def saas(cast: Cast, strength: float) -> Built:
    """B5: four hundred end users of one product, three keys, two addresses, a whole day."""
    source = cast.source
    egress = [cast.network("hosting", number, "IE", 0) for number in range(2)]
    moves: list[Move] = []
    for user in range(scaled(400, strength)):
        for at_s in cast.times(source.randint(3, 6), 0.0, DAY_S):
            who = cast.member("product", 0, OPENAI_PYTHON, source.choice(egress), key=user % 3, age_days=500)
            moves.append(
                Move(
                    at_s,
                    who,
                    question(source),
                    system_prompt(user % 2),
                    cast.id("conversation", user, at_s),
                    uncached=0.4,
                    safety_identifier=cast.id("user", user),
                )
            )
    return Built({"org": cast.member("product", 0, OPENAI_PYTHON, egress[0]).persona.tenant}, list(moves))


def bring_your_own_key(cast: Cast, strength: float) -> Built:
    """BYOK: forty owners use one hosted app, each with a key of his own; after a 429 the app waits and asks again."""
    source = cast.source
    egress = cast.network("hosting", 0, "US")
    moves: list[Move] = []
    for owner in range(scaled(40, strength)):
        who = cast.member(owner, 0, OPENAI_PYTHON, egress, age_days=source.uniform(50, 600), requests_per_min=2)
        for number, at_s in enumerate(cast.times(8, 0.0, PRODUCT_LENGTH_S)):
            text, conversation = question(source), cast.id("conversation", owner, number)
            if source.random() < 0.25:
                moves.append(Move(at_s, who, text, system_prompt(owner), conversation, status=429))
                at_s += source.uniform(5.0, 25.0)
            moves.append(Move(at_s, who, text, system_prompt(owner), conversation))
    return Built({"client_fp": OPENAI_PYTHON.fingerprint, "ip_prefix": egress.prefix}, list(moves))


def characters(cast: Cast, strength: float) -> Built:
    """CHARACTERS: people chat with sixty invented characters; every character is a system prompt."""
    source = cast.source
    egress = [cast.network("hosting", number, "US", 0) for number in range(2)]
    moves: list[Move] = []
    for number, at_s in enumerate(cast.times(scaled(400, strength), 0.0, PRODUCT_LENGTH_S)):
        who = cast.member("characters", 0, OPENAI_PYTHON, source.choice(egress), age_days=300)
        for turn in range(source.randint(1, 4)):
            moves.append(
                Move(
                    at_s + 40 * turn,
                    who,
                    question(source),
                    system_prompt(number % 60),
                    cast.id("conversation", number),
                    uncached=0.3,
                    safety_identifier=cast.id("user", number % 150),
                )
            )
    return Built({"account": who.persona.account}, list(moves))
