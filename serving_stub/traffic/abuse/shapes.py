"""All shapes by id: what each is, whether it is abuse, and which abuse an honest one looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serving_stub.traffic.abuse import (
    floods,
    jailbreaks,
    machines,
    people,
    products,
    proxies,
    schools_and_crowds,
    sign_ups,
    stolen_keys,
)
from serving_stub.traffic.abuse.cast import DAY_S, HOUR_S, Cast
from serving_stub.traffic.abuse.move import Built, Entity, Joining, Known, Move


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape.

    Args:
        length_s: of plan time, from its start; history lies before.
        looks_like: the abuse that an honest shape may be taken for; empty for abuse itself.
        build: its plan, at a strength.
    """

    id: str
    title: str
    length_s: float
    build: Callable[[Cast, float], Built]
    looks_like: tuple[str, ...] = ()

    @property
    def is_abuse(self) -> bool:
        return not self.looks_like


@dataclass(frozen=True, slots=True)
class ShapePlan:
    """What one shape does; moves in order of time."""

    shape: Shape
    seed: int
    strength: float
    entity: Entity
    moves: tuple[Move | Joining, ...]
    known: tuple[Known, ...]


_ALL = (
    Shape("A1", "reverse proxy on the web endpoint", proxies.LENGTH_S, proxies.web_proxy),
    Shape("A1b", "the same from homes, with an imitated client", proxies.LENGTH_S, proxies.home_proxy),
    Shape("A2", "key-pool proxy", proxies.LENGTH_S, proxies.key_pool),
    Shape("A3", "leaked or shared key", HOUR_S, stolen_keys.leaked_key),
    Shape("A4", "key checker", 600.0, stolen_keys.key_checker),
    Shape("A5", "token flood, cache buster", 900.0, floods.token_flood),
    Shape("A6", "content farm", HOUR_S, floods.content_farm),
    Shape("A7", "hydra: distillation over many accounts", floods.HYDRA_LENGTH_S, floods.hydra),
    Shape("A8", "jailbreak iteration", jailbreaks.REWORDING_LENGTH_S, jailbreaks.rewording),
    Shape("A9", "jailbreak campaign", HOUR_S, jailbreaks.campaign),
    Shape("A10", "sign-up farm", HOUR_S, sign_ups.farm),
    Shape("B1", "classroom behind one address", HOUR_S, schools_and_crowds.classroom, ("A2", "A6", "A9", "A10")),
    Shape("B2", "mobile client that retries", HOUR_S, people.flaky_mobile, ("A3", "A8")),
    Shape("B3", "launch spike from Japan", HOUR_S, schools_and_crowds.launch, ("A5", "A6", "A10")),
    Shape("B4", "CI farm of one provider", HOUR_S, machines.ci_farm, ("A3", "A6")),
    Shape("B5", "product with 400 end users", DAY_S, products.saas, ("A1", "A2")),
    Shape("B6", "remote team with VPN and travel", HOUR_S, people.remote_team, ("A3",)),
    Shape("B7", "nightly batch", 8 * HOUR_S, machines.nightly_batch, ("A5", "A6")),
    Shape("B8", "announced load test", 900.0, machines.load_test, ("A5",)),
    Shape("B9", "crime novelist", people.PEOPLE_LENGTH_S, people.novelist, ("A8", "A9")),
    Shape("B9b", "registered red team", HOUR_S, people.red_team, ("A8", "A9")),
    Shape("B10", "viral prompt", HOUR_S, schools_and_crowds.viral, ("A6", "A7", "A9")),
    Shape(
        "BYOK", "app for which owners bring their keys", products.PRODUCT_LENGTH_S, products.bring_your_own_key, ("A2",)
    ),
    Shape("CONFERENCE", "guests with one sponsor's coupon", HOUR_S, schools_and_crowds.conference, ("A10",)),
    Shape("TABS", "one person with 25 tabs", people.PEOPLE_LENGTH_S, people.many_tabs, ("A1", "A1b")),
    Shape("CLOUDS", "CI over six clouds", 4 * HOUR_S, machines.ci_clouds, ("A3",)),
    Shape("CHARACTERS", "character chat", products.PRODUCT_LENGTH_S, products.characters, ("A1", "A1b")),
)
SHAPES: Mapping[str, Shape] = {shape.id: shape for shape in _ALL}
_NUMBERS = {shape.id: number for number, shape in enumerate(_ALL)}


def plan_of(shape_id: str, seed: int, strength: float = 1.0) -> ShapePlan:
    """The plan of a shape; the same arguments give the same plan."""
    shape = SHAPES[shape_id]
    built = shape.build(Cast(shape_id, _NUMBERS[shape_id], seed), strength)
    moves = tuple(sorted(built.moves, key=lambda move: move.at_s))
    return ShapePlan(shape, seed, strength, built.entity, moves, built.known)
