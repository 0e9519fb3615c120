"""A3 and A4: keys that are not those of whoever uses them.

A leaked key is suddenly everywhere; a checker tries many keys from one place, with the shortest prompt there is.
"""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import DAY_S, HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Member, Move
from serving_stub.traffic.abuse.texts import question
from serving_stub.traffic.client_profile import CURL, OPENAI_NODE, OPENAI_PYTHON, PYTHON_REQUESTS, RESELLER
from serving_stub.traffic.network import NetworkKind

HISTORY_DAYS = 7
WORKDAY_HOURS = range(8, 18)
_COUNTRIES = ("US", "BR", "ID", "TR", "PL", "EG", "VN", "MX", "IN", "RO")
_KINDS: tuple[NetworkKind, ...] = ("residential", "mobile", "hosting")


def leaked_key(cast: Cast, strength: float) -> Built:
    """A3: forty strangers on a key whose owner used it from one office all week."""
    source = cast.source
    office = cast.network("business", 0, "DE")
    owner = cast.member("owner", 0, OPENAI_PYTHON, office)
    moves = workdays(cast, [owner], per_hour=10)
    clients = (CURL, PYTHON_REQUESTS, RESELLER, OPENAI_PYTHON, OPENAI_NODE)
    for stranger in range(scaled(40, strength)):
        place = cast.network(_KINDS[stranger % 3], 1 + stranger, _COUNTRIES[stranger % len(_COUNTRIES)])
        who = cast.member("owner", 0, clients[stranger % len(clients)], place)
        moves += [
            Move(at_s, who, question(source), completion_tokens=source.randint(50, 500))
            for at_s in cast.times(source.randint(5, 8), 0.0, HOUR_S)
        ]
    return Built({"key_hash": owner.key_hash}, list(moves))


def workdays(cast: Cast, members: list[Member], per_hour: int) -> list[Move]:
    """What people asked in the seven days before, in the hours of an office."""
    source = cast.source
    moves = []
    for day in range(HISTORY_DAYS):
        for hour in WORKDAY_HOURS:
            start_s = (day - HISTORY_DAYS) * DAY_S + hour * HOUR_S
            for at_s in cast.times(source.randint(per_hour - 2, per_hour + 2), start_s, HOUR_S):
                moves.append(Move(at_s, source.choice(members), question(source)))
    return moves


def key_checker(cast: Cast, strength: float) -> Built:
    """A4: sixty keys within five minutes, four of five of them dead."""
    place = cast.network("hosting", 0, "RU")
    moves = []
    for number, at_s in enumerate(cast.times(scaled(60, strength), 0.0, 300.0)):
        is_dead = number % 5 != 0
        who = cast.member(number, 0, PYTHON_REQUESTS, place, is_key_dead=is_dead)
        status, tokens = (401, 0) if is_dead else (200, 1)
        moves.append(
            Move(at_s, who, "hi", prompt_tokens=9, completion_tokens=tokens, max_tokens=1, status=status, uncached=1.0)
        )
    return Built({"client_fp": PYTHON_REQUESTS.fingerprint, "ip_prefix": place.prefix}, list(moves))
