"""Ordinary traffic around a shape: sixty organisations whose people ask by their countries' days."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from pydantic import SecretStr

from serving_stub.traffic.abuse.move import Joining, Member, Move, Traits
from serving_stub.traffic.persona import COUNTRIES, KeyEntry, Persona, Population, person
from serving_stub.traffic.scenarios import SCENARIOS, Load, asks

NUM_ORGS = 60
MOST_ACCOUNTS = 3
NUM_WORDS = 60
SIGN_UPS_PER_REQUEST = 0.02
REFUSED_SHARE = 0.004
_PATTERNS = ("word.word@mail", "word##@post", "word.word##@inbox", "w.word@mail", "word_word@post")


def invented_keys(seed: int) -> list[KeyEntry]:
    """Keys of the background's organisations; some have several accounts, one account has one key."""
    source = random.Random(f"{seed}:orgs")
    keys = []
    for org in range(NUM_ORGS):
        for account in range(source.randint(1, MOST_ACCOUNTS)):
            secret = _id(seed, "key", org, account)
            keys.append(
                KeyEntry(
                    key=SecretStr(f"sk-traffic-{secret}"),
                    tenant=f"org-{_id(seed, 'org', org)}",
                    account=f"account-{_id(seed, 'account', org, account)}",
                    service_class="paid" if org % 4 == 0 else "free",
                    weight=source.paretovariate(1.5),
                )
            )
    return keys


def ordinary_people(seed: int) -> Population:
    """One person a key, at home in one place; every country has somebody."""
    source = random.Random(f"{seed}:people of orgs")
    people: dict[str, list[Persona]] = {country: [] for country in COUNTRIES}
    for number, entry in enumerate(invented_keys(seed)):
        countries = list(COUNTRIES)
        country = countries[number] if number < len(countries) else _any_country(source)
        here = people[country]
        here.append(person(source, country, len(here), entry))
    return Population(people)


def _any_country(source: random.Random) -> str:
    return source.choices(list(COUNTRIES), list(COUNTRIES.values()))[0]


def background(seed: int, rate: float, length_s: float) -> Iterator[Move | Joining]:
    """Requests and sign-ups in order of time; *rate* is requests per second when the world is busiest."""
    source = random.Random(f"{seed}:background")
    people = ordinary_people(seed)
    load = Load(rate, length_s, NUM_WORDS, seed)
    for number, ask in enumerate(asks(SCENARIOS["diurnal"], load, people)):
        assert ask.persona is not None
        yield Move(
            ask.at_s,
            Member(ask.persona, age_days=_age_days(seed, ask.persona)),
            ask.prompt,
            uncached=source.uniform(0.3, 0.95),
            completion_tokens=source.randint(30, 500),
            refused=source.random() < REFUSED_SHARE,
            harm={"violent_crimes": round(source.betavariate(1, 40), 3)},
        )
        if source.random() < SIGN_UPS_PER_REQUEST:
            yield Joining(ask.at_s, _newcomer(seed, number, ask.persona, source))


def _newcomer(seed: int, number: int, like: Persona, source: random.Random) -> Member:
    """Somebody of the same country and network, with a card, a device and an address of his own."""
    traits = Traits(
        f"card-{_id(seed, 'card', number)}" if source.random() < 0.4 else None,
        f"device-{_id(seed, 'device', number)}",
        source.choice(_PATTERNS),
    )
    key = SecretStr(f"sk-traffic-{_id(seed, 'new key', number)}")
    who = Persona(
        tenant=f"org-{_id(seed, 'new org', number)}",
        account=f"account-{_id(seed, 'new account', number)}",
        key=key,
        client=like.client,
        network=like.network,
        address=like.address,
        country=like.country,
    )
    return Member(who, 0.0, traits)


def _age_days(seed: int, who: Persona) -> float:
    return 5 + int(_id(seed, "age", who.account)[:6], 16) % 900


def _id(seed: int, *parts: object) -> str:
    return hashlib.blake2b(f"{seed}:{parts}".encode(), digest_size=6).hexdigest()
