"""B2, B6, B9 and TABS: honest people with unusual habits, and a red team that said so."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import DAY_S, HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Known, Move
from serving_stub.traffic.abuse.stolen_keys import workdays
from serving_stub.traffic.abuse.texts import SKELETON, fill, question
from serving_stub.traffic.client_profile import BROWSER, CURL, MOBILE_APP, OPENAI_NODE, OPENAI_PYTHON

PEOPLE_LENGTH_S = 2 * HOUR_S


def flaky_mobile(cast: Cast, strength: float) -> Built:
    """B2: a telephone on a train sends the same body again over five addresses of one carrier."""
    source = cast.source
    cells = [cast.network("mobile", number, "FR", 0) for number in range(5)]
    moves: list[Move] = []
    for at_s in cast.times(scaled(12, strength), 0.0, HOUR_S):
        text, conversation = question(source), cast.id("conversation", at_s)
        for attempt in range(source.randint(2, 4)):
            who = cast.member("traveller", 0, MOBILE_APP, source.choice(cells))
            moves.append(Move(at_s + 15 * attempt, who, text, conversation=conversation, status=503))
        moves.append(Move(at_s + 70, who, text, conversation=conversation))
    return Built({"account": who.persona.account}, list(moves))


def remote_team(cast: Cast, strength: float) -> Built:
    """B6: one team's key from homes, a VPN and hotels: twelve prefixes, three countries, three clients."""
    source = cast.source
    clients = (OPENAI_PYTHON, OPENAI_NODE, CURL)
    places = [
        cast.network(("residential", "business", "hosting")[number % 3], number, ("PT", "ES", "DE")[number % 3])
        for number in range(12)
    ]
    members = [cast.member("team", 0, clients[number % 3], place) for number, place in enumerate(places)]
    moves = workdays(cast, members, per_hour=30)
    for number, at_s in enumerate(cast.times(scaled(35, strength), 0, HOUR_S)):
        moves.append(Move(at_s, members[number % 12], question(source)))
    return Built({"key_hash": members[0].key_hash}, list(moves))


def novelist(cast: Cast, strength: float) -> Built:
    """B9: a crime novelist; the subject is dark, an answer in fifteen is declined, and the next question is another."""
    source = cast.source
    who = cast.member("novelist", 0, BROWSER, cast.network("residential", 0, "GB"), age_days=600)
    moves = []
    for number, at_s in enumerate(cast.times(scaled(30, strength), 0.0, PEOPLE_LENGTH_S)):
        harm = {"violent_crimes": round(source.uniform(0.1, 0.45), 3)}
        is_refused = number % 15 == 7
        moves.append(Move(at_s, who, "In my crime novel: " + question(source, 40), refused=is_refused, harm=harm))
    return Built({"account": who.persona.account}, list(moves))


def red_team(cast: Cast, strength: float) -> Built:
    """B9b: a registered red team tries a known skeleton from twelve accounts; its exemption has a date."""
    source = cast.source
    office = cast.network("business", 0, "US")
    moves: list[Move] = []
    for number in range(scaled(12, strength)):
        who = cast.member("red team", number, BROWSER, office, age_days=150)
        for at_s in cast.times(5, 0.0, HOUR_S):
            is_refused = source.random() < 0.5
            harm = {"non_violent_crimes": 0.7}
            moves.append(Move(at_s, who, fill(SKELETON, source), refused=is_refused, harm=harm, uncached=0.3))
    entity = {"org": who.persona.tenant}
    exemption = Known("exemption", entity, -DAY_S, 14 * DAY_S, "registered red team, approved for two weeks")
    return Built(entity, list(moves), (exemption,))


def many_tabs(cast: Cast, strength: float) -> Built:
    """TABS: one person with twenty-five tabs, sixty conversations an hour."""
    source = cast.source
    home = cast.network("residential", 0, "US")
    who = cast.member("enthusiast", 0, BROWSER, home, age_days=350)
    moves: list[Move] = []
    for number, at_s in enumerate(cast.times(scaled(120, strength), 0.0, PEOPLE_LENGTH_S)):
        for turn in range(source.randint(1, 4)):
            conversation = cast.id("conversation", number)
            moves.append(Move(at_s + 25 * turn, who, question(source), conversation=conversation, uncached=0.4))
    return Built({"account": who.persona.account}, list(moves))
