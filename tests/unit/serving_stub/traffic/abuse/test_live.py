"""Shapes as arrivals of a live run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from serving_stub.frontdoor.tenant import Holder, read_directory
from serving_stub.traffic.abuse.background import invented_keys, ordinary_people
from serving_stub.traffic.abuse.command import tenants_file
from serving_stub.traffic.abuse.live import arrivals_of
from serving_stub.traffic.abuse.shapes import plan_of
from serving_stub.traffic.account_feed import SignUp
from serving_stub.traffic.ask import Ask
from serving_stub.traffic.persona import COUNTRIES

DAY_S = 86_400.0


def arrivals(shape_id: str, *, day_s: float = DAY_S, duration_s: float = DAY_S) -> list[Ask | SignUp]:
    """A shape's arrivals."""
    return list(arrivals_of(plan_of(shape_id, 1), day_s, 1500, duration_s))


def asks(shape_id: str) -> list[Ask]:
    """Its requests."""
    return [arrival for arrival in arrivals(shape_id) if isinstance(arrival, Ask)]


def test_a_day_can_be_compressed() -> None:
    """A day in 24 minutes: an hour is a minute, and no request is lost."""
    slow, fast = arrivals("A1"), arrivals("A1", day_s=1440.0)
    assert len(slow) == len(fast)
    assert [one.at_s / 60 for one in slow] == pytest.approx([one.at_s for one in fast])


def test_history_is_not_sent_and_the_run_ends_in_time() -> None:
    """What was before the start stays there, what would be after the end is left out."""
    sent = arrivals("A3", duration_s=1800.0)
    assert 60 < len(sent) < 200
    assert sent[0].at_s >= 0
    assert sent[-1].at_s < 1800.0
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(sent))


def test_a_key_pool_knows_whose_key_comes_next() -> None:
    """Most bodies have owners to be handed to, none of them the first."""
    relayed = [ask for ask in asks("A2") if ask.relays]
    assert len(relayed) >= 80
    for ask in relayed:
        assert ask.persona is not None
        assert ask.persona.tenant not in {relay.tenant for relay in ask.relays}


def test_long_prompts_are_as_long_as_the_server_takes() -> None:
    """A flood's prompts have about 1,500 tokens here, and no two begin alike."""
    prompts = [ask.prompt for ask in asks("A5")]
    words = [len(prompt.split()) for prompt in prompts]
    assert 400 < min(words) == max(words) < 1500
    assert len({prompt[:20] for prompt in prompts}) == len(prompts)


def test_a_cached_prompt_begins_like_the_others() -> None:
    """The nightly batch has long instructions that all letters share."""
    prompts = [ask.prompt for ask in asks("B7")]
    assert len({prompt[:2000] for prompt in prompts}) == 1
    assert len(set(prompts)) > 100


def test_sign_ups_are_told_to_the_account_feed() -> None:
    """A farm's arrivals are sign-ups and first requests."""
    kinds = [type(arrival) for arrival in arrivals("A10")]
    assert (kinds.count(SignUp), kinds.count(Ask)) == (30, 30)


def test_a_server_can_know_every_key_but_the_dead(tmp_path: Path) -> None:
    """The tenants file is one that the door reads; a checker's dead keys are not in it, robbed owners have limits."""
    path = tmp_path / "tenants.yaml"
    path.write_text(yaml.safe_dump(tenants_file(("A2", "A4"), 1, 1.0), sort_keys=False))
    directory = read_directory(path)

    def holder(ask: Ask) -> Holder | None:
        assert ask.persona is not None
        assert ask.persona.key is not None
        found = directory.authenticate(f"Bearer {ask.persona.key.get_secret_value()}", 0.0)
        return found if isinstance(found, Holder) else None

    checked = [holder(ask) for ask in asks("A4")]
    assert (len(checked), sum(one is None for one in checked)) == (60, 48)
    for ask in asks("A2"):
        robbed = holder(ask)
        assert robbed is not None
        assert ask.persona is not None
        assert (robbed.tenant, robbed.account, robbed.key) == (
            ask.persona.tenant,
            ask.persona.account,
            ask.persona.key_hash,
        )
        assert robbed.budgets[0].requests_per_min == 2


def test_ordinary_people_use_one_key_in_one_place() -> None:
    """Every country has somebody, and no key is anywhere else."""
    people = ordinary_people(1)
    everybody = [who for country in COUNTRIES for who in people.all(country)]
    assert len(everybody) == len(invented_keys(1))
    assert len({who.key_hash for who in everybody}) == len(everybody)
    assert {who.country for who in everybody} == set(COUNTRIES)
