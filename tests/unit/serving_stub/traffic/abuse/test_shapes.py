"""Every shape of abuse has its stated signals and no other's; every look-alike has none."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from serving_stub.traffic.abuse.shapes import SHAPES, plan_of
from tests.unit.serving_stub.traffic.abuse.sets import whole_set, without_known
from tests.unit.serving_stub.traffic.abuse.signals import RULES, requests

ABUSE = [shape.id for shape in SHAPES.values() if shape.is_abuse]
HONEST = [shape.id for shape in SHAPES.values() if not shape.is_abuse]
BACKGROUND = 0.1


def fired(shape_id: str, *, strength: float = 1.0) -> list[str]:
    """The rules whose signals hold somewhere in the shape's set, background included, known things left out."""
    rows = without_known(shape_id, whole_set(shape_id, strength=strength, background=BACKGROUND))
    return [name for name, rule in RULES.items() if rule(rows)]


@pytest.mark.parametrize("shape_id", ABUSE)
def test_abuse_shows_its_own_signals_alone(shape_id: str) -> None:
    """All signals of its line hold at strength 1, and those of no other line."""
    assert fired(shape_id) == [shape_id]


@pytest.mark.parametrize("shape_id", [one for one in ABUSE if one not in ("A7",)])
def test_stronger_abuse_shows_them_too(shape_id: str) -> None:
    """At double strength nothing is hidden by its own size."""
    assert fired(shape_id, strength=2.0) == [shape_id]


@pytest.mark.parametrize("shape_id", HONEST)
def test_look_alikes_are_quiet(shape_id: str) -> None:
    """No line's signals all hold, once announced windows and exemptions are taken into account."""
    assert fired(shape_id) == []


@pytest.mark.parametrize(("shape_id", "rule"), [("B8", "A5"), ("B9b", "A9")])
def test_some_are_told_apart_only_by_what_was_said_before(shape_id: str, rule: str) -> None:
    """An announced load test and a registered red team have every signal; a window or an exemption excuses them."""
    assert RULES[rule](whole_set(shape_id)) != set()
    assert RULES[rule](without_known(shape_id, whole_set(shape_id))) == set()


@pytest.mark.parametrize("shape_id", sorted(SHAPES))
def test_a_seed_repeats_a_shape(shape_id: str) -> None:
    """The same seed gives the same plan, another seed another."""
    assert plan_of(shape_id, 5) == plan_of(shape_id, 5)
    assert plan_of(shape_id, 5).moves != plan_of(shape_id, 6).moves


@pytest.mark.parametrize("shape_id", sorted(SHAPES))
def test_moves_are_in_order_and_within_the_shapes_length(shape_id: str) -> None:
    """History comes first; what was begun before the end may still go on for a quarter of an hour."""
    plan = plan_of(shape_id, 1)
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(plan.moves))
    assert plan.moves[-1].at_s <= plan.shape.length_s + 1000
    assert plan.moves[-1].at_s >= 0


@pytest.mark.parametrize("shape_id", ABUSE)
def test_strength_scales_abuse(shape_id: str) -> None:
    """Half as strong is about half as many requests, within the shape's own time."""
    sizes = {
        strength: sum(move.at_s >= 0 for move in plan_of(shape_id, 1, strength).moves) for strength in (0.5, 1.0, 2.0)
    }
    assert sizes[0.5] == pytest.approx(sizes[1.0] / 2, rel=0.2)
    assert sizes[2.0] == pytest.approx(sizes[1.0] * 2, rel=0.2)


def test_every_look_alike_names_abuse() -> None:
    """What an honest shape looks like is one of the shapes of abuse, and each of those but A4 has such a one."""
    likes = Counter(like for shape in SHAPES.values() for like in shape.looks_like)
    assert set(likes) == set(ABUSE) - {"A4"}


def test_shapes_share_no_network_and_no_account() -> None:
    """Mixed together, every event still belongs to one shape."""
    owners: dict[str, set[str]] = {}
    for shape_id in SHAPES:
        for row in requests(whole_set(shape_id)):
            for value in (row.ip_prefix, row.account, row.org, row.key_hash or ""):
                owners.setdefault(value, set()).add(shape_id)
    assert {value: ids for value, ids in owners.items() if len(ids) > 1} == {}


def test_addresses_are_for_documentation() -> None:
    """Nobody's real network is ever named."""
    prefixes = {row.ip_prefix for shape_id in ("A3", "B3") for row in whole_set(shape_id, background=BACKGROUND)}
    assert all(prefix.startswith("2001:db8:") for prefix in prefixes)
