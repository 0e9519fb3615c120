"""A1, A1b, A2: somebody resells access, through one account or through a pool of other people's keys.

A reseller's many customers show in one place: many conversations, each product with its own system prompt.
"""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Member, Move
from serving_stub.traffic.abuse.texts import question, system_prompt
from serving_stub.traffic.client_profile import FAKE_BROWSER, RESELLER, ClientProfile
from serving_stub.traffic.network import Network

LENGTH_S = 2 * HOUR_S


def web_proxy(cast: Cast, strength: float) -> Built:
    """A1: one account behind three servers, about ninety conversations an hour, forty products."""
    return _resold(cast, strength, RESELLER, [cast.network("hosting", number, "NL", 0) for number in range(3)])


def home_proxy(cast: Cast, strength: float) -> Built:
    """A1b: the same over eighteen homes, with a client that says it is the web page."""
    homes = [cast.network("residential", number, "US", number % 5) for number in range(scaled(18, strength))]
    return _resold(cast, strength, FAKE_BROWSER, homes)


def _resold(cast: Cast, strength: float, client: ClientProfile, places: list[Network]) -> Built:
    source = cast.source
    products = scaled(40, strength)
    moves: list[Move] = []
    for number, at_s in enumerate(cast.times(scaled(180, strength), 0.0, LENGTH_S)):
        who = cast.member("reseller", 0, client, source.choice(places), age_days=60)
        conversation = cast.id("conversation", number)
        # Every product has customers, however few there are.
        product = number % products if number < products else source.randrange(products)
        for turn in range(source.randint(1, 3)):
            moves.append(
                Move(
                    at_s + 30 * turn,
                    who,
                    question(source),
                    system_prompt(product),
                    conversation,
                    uncached=0.8,
                    completion_tokens=source.randint(80, 400),
                    max_tokens=400,
                )
            )
    return Built({"account": cast.member("reseller", 0, client, places[0]).persona.account}, list(moves))


def key_pool(cast: Cast, strength: float) -> Built:
    """A2: fourteen owners' keys behind one client; a 429 sends the same body out under the next owner's key."""
    source = cast.source
    place = cast.network("hosting", 0, "US")
    owners = [
        cast.member(owner, 0, RESELLER, place, age_days=200, requests_per_min=2)
        for owner in range(scaled(14, strength))
    ]
    products = scaled(40, strength)
    moves: list[Move] = []
    for number, at_s in enumerate(cast.times(scaled(240, strength), 0.0, LENGTH_S)):
        chosen: list[Member] = source.sample(owners, min(3, len(owners)))
        moves.append(
            Move(
                at_s,
                chosen[0],
                question(source),
                system_prompt(number % products),
                cast.id("conversation", number),
                completion_tokens=source.randint(80, 400),
                max_tokens=400,
                relays=tuple(chosen[1 : source.choice((1, 1, 2, 3))]),
            )
        )
    return Built({"client_fp": RESELLER.fingerprint, "ip_prefix": place.prefix}, list(moves))
