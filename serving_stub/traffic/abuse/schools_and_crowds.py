"""B1, B3, B10 and CONFERENCE: many honest people who do the same thing at the same time."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Joining, Move, Traits
from serving_stub.traffic.abuse.texts import HOMEWORK, VIRAL, fill, question
from serving_stub.traffic.client_profile import BROWSER, MOBILE_APP
from serving_stub.traffic.network import NetworkKind

_PATTERNS = tuple(
    f"{shape}@{where}"
    for shape in ("word.word", "word##", "word.word##", "w.word", "word_word")
    for where in ("mail", "post", "inbox")
)
_JAPAN: tuple[tuple[NetworkKind, str, int], ...] = (
    ("residential", "JP", 120),
    ("mobile", "JP", 60),
    ("business", "JP", 20),
)
_WORLD: tuple[tuple[NetworkKind, str, int], ...] = (
    ("residential", "US", 0),
    ("residential", "BR", 60),
    ("mobile", "IN", 0),
    ("mobile", "GB", 60),
)
"""The last is the country's first network."""


def classroom(cast: Cast, strength: float) -> Built:
    """B1: thirty-six pupils behind one address sign up and do the same homework."""
    source = cast.source
    school = cast.network("education", 0, "US")
    moves: list[Move | Joining] = []
    for number, at_s in enumerate(cast.times(scaled(36, strength), 0.0, 900.0)):
        traits = Traits(device=cast.id("device", number), mail_pattern="word.word##@school")
        who = cast.member(number, 0, BROWSER, school, age_days=0.0, traits=traits)
        moves.append(Joining(at_s, who))
        moves += [
            Move(later_s, who, fill(HOMEWORK, source), uncached=0.3, refused=source.random() < 0.02)
            for later_s in cast.times(4, at_s + 60, 2400.0)
        ]
    return Built({"ip_prefix": school.prefix}, moves)


def launch(cast: Cast, strength: float) -> Built:
    """B3: fifteen hundred people in Japan sign up within an hour and ask something each."""
    source = cast.source
    moves: list[Move | Joining] = []
    for number, at_s in enumerate(cast.times(scaled(1500, strength), 0.0, HOUR_S)):
        kind, country, places = source.choice(_JAPAN)
        place = cast.network(kind, source.randrange(places), country, source.randrange(8))
        card = cast.id("card", number) if source.random() < 0.15 else None
        traits = Traits(card, cast.id("device", number), source.choice(_PATTERNS))
        who = cast.member(
            number, 0, source.choice((BROWSER, MOBILE_APP)), place, host=1 + number, age_days=0.0, traits=traits
        )
        moves.append(Joining(at_s, who))
        for later_s in cast.times(source.randint(1, 3), at_s + 20, 600.0):
            moves.append(Move(later_s, who, question(source), uncached=0.7, refused=source.random() < 0.01))
    return Built({"country": "JP"}, moves)


def viral(cast: Cast, strength: float) -> Built:
    """B10: nine hundred people paste the prompt that everybody talks about, once each."""
    source = cast.source
    text = " ".join(VIRAL.split())
    moves: list[Move | Joining] = []
    for number, at_s in enumerate(cast.times(scaled(900, strength), 0.0, HOUR_S)):
        kind, country, first = source.choice(_WORLD)
        place = cast.network(kind, first + source.randrange(60), country)
        who = cast.member(
            number, 0, source.choice((BROWSER, MOBILE_APP)), place, host=1 + number, age_days=source.uniform(0, 900)
        )
        moves.append(Move(at_s, who, text, uncached=0.1, refused=source.random() < 0.01))
    return Built({"country": "any"}, moves)


def conference(cast: Cast, strength: float) -> Built:
    """CONFERENCE: forty-five guests on one wireless network pay with the sponsor's coupon."""
    source = cast.source
    hall = cast.network("business", 0, "US")
    coupon = cast.id("card", "coupon")
    moves: list[Move | Joining] = []
    for number, at_s in enumerate(cast.times(scaled(45, strength), 0.0, HOUR_S)):
        traits = Traits(coupon, cast.id("device", number), _PATTERNS[number % len(_PATTERNS)])
        who = cast.member(number, 0, BROWSER, hall, age_days=0.0, traits=traits)
        moves.append(Joining(at_s, who))
        moves += [Move(later_s, who, question(source)) for later_s in cast.times(2, at_s + 30, 900.0)]
    return Built({"ip_prefix": hall.prefix}, moves)
