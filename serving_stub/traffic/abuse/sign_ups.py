"""A10: a farm of accounts, opened from servers with few cards, few devices and one kind of mail address."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import Cast, scaled
from serving_stub.traffic.abuse.move import Built, Joining, Move, Traits
from serving_stub.traffic.abuse.texts import question
from serving_stub.traffic.client_profile import BROWSER

PATTERN = "word####@freemail"


def farm(cast: Cast, strength: float) -> Built:
    """A10: thirty accounts in forty minutes, over six prefixes, on two devices and three cards."""
    source = cast.source
    moves: list[Move | Joining] = []
    for number, at_s in enumerate(cast.times(scaled(30, strength), 0.0, 2400.0)):
        place = cast.network("residential" if number % 6 == 5 else "hosting", number % 6, "US")
        traits = Traits(cast.id("card", number % 3), cast.id("device", number % 2), PATTERN)
        who = cast.member(number, 0, BROWSER, place, host=1 + number, age_days=0.0, traits=traits)
        moves += [Joining(at_s, who), Move(at_s + source.uniform(20, 200), who, question(source))]
    return Built({"mail_pattern": PATTERN}, moves)
