"""The failwhale turns away who it should, for as long as it says, and counts each user once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.failwhale import MESSAGE, FailwhaleValue, decide
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.refusal import Reason
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.turned_away import TurnedAwayTally, UsersTurnedAway

NOW = 1_790_000_000.0
CALLERS = [Caller(identity=f"account:{number}") for number in range(4_000)]


def layer(strength: float = 1.0, **fields: object) -> Layer[FailwhaleValue]:
    """One lease in force."""
    return Layer(FailwhaleValue.model_validate(fields), strength, "l-1")


def let_in(*layers: Layer[FailwhaleValue]) -> set[str]:
    """Who gets through."""
    return {caller.identity for caller in CALLERS if decide(caller, layers, NOW) is None}


def test_without_a_lease_everybody_gets_in() -> None:
    """No layer, no whale."""
    assert len(let_in()) == 4_000


def test_it_turns_everybody_away() -> None:
    """The default is all callers, none let through."""
    assert let_in(layer()) == set()


def test_it_turns_away_whom_it_names_and_nobody_else() -> None:
    """A selector leaves the others alone."""
    up = layer(selector=Selector(service_class=("free",)))
    assert decide(Caller("a", service_class="free"), [up], NOW) is not None
    assert decide(Caller("a", service_class="paid"), [up], NOW) is None


def test_the_probe_share_picks_callers_and_keeps_to_them() -> None:
    """A tenth gets in, and it is the same tenth the next time."""
    first = let_in(layer(probe_share=0.1))
    assert 320 < len(first) < 480
    assert let_in(layer(probe_share=0.1)) == first


def test_a_ramp_lets_more_and_more_in_and_puts_nobody_out() -> None:
    """Each step keeps those of the step before; the probe's share counts on top."""
    steps = [let_in(layer(strength, probe_share=0.1)) for strength in (1.0, 0.8, 0.5, 0.2)]
    assert all(before < after for before, after in pairwise(steps))
    assert 0.51 * 4_000 < len(steps[2]) < 0.59 * 4_000


def test_of_several_the_smallest_probe_share_holds() -> None:
    """A wide lease does not open what a narrow one keeps shut, and who is let in needs both."""
    assert let_in(layer(probe_share=0.5), layer(probe_share=0.1)) == let_in(layer(probe_share=0.1))
    assert let_in(layer(probe_share=0.5), layer()) == set()


def test_of_several_the_latest_return_holds() -> None:
    """Nobody is told to come back while another lease keeps them out."""
    turned = decide(Caller("a"), [layer(back_at=NOW + 900), layer(back_at=NOW + 60), layer()], NOW)
    assert turned is not None
    assert turned.back_at == NOW + 900


def test_the_youngest_message_is_shown() -> None:
    """A later lease may say more; one that says nothing changes nothing."""
    turned = decide(Caller("a"), [layer(message="first"), layer(message="second"), layer()], NOW)
    silent = decide(Caller("a"), [layer()], NOW)
    assert turned is not None
    assert silent is not None
    assert (turned.message, silent.message) == ("second", MESSAGE)


def test_waits_until_the_return_are_spread() -> None:
    """With a time to come back, nobody is told to be early and not all are told the same second."""
    waits = [turned.retry_after_s for one in CALLERS if (turned := decide(one, [layer(back_at=NOW + 600)], NOW))]
    assert 600 <= min(waits) < 605
    assert 655 < max(waits) < 660


def test_a_return_that_has_passed_leaves_the_plain_wait() -> None:
    """It took longer: the wait is the lease's own."""
    turned = decide(Caller("a"), [layer(back_at=NOW - 5, retry_after_s=30)], NOW)
    assert turned is not None
    assert turned.retry_after_s == 30
    assert turned.back_at == NOW - 5


def test_api_clients_get_a_typed_503() -> None:
    """The refusal carries OpenAI's parts, the wait, and must not be stored."""
    turned = decide(Caller("a"), [layer(message="Out of GPUs.", retry_after_s=90)], NOW)
    assert turned is not None
    refusal = turned.refusal()
    assert (refusal.status, refusal.code, refusal.message) == (503, "failwhale", "Out of GPUs.")
    assert refusal.reason is Reason.FAILWHALE
    assert dict(refusal.wire_headers()) == {"retry-after": "90", "cache-control": "no-store", "vary": "accept"}


@pytest.mark.parametrize(
    "fields",
    [
        {"probe_share": 1.1},
        {"probe_share": -0.1},
        {"probe_share": float("nan")},
        {"retry_after_s": 0},
        {"message": ""},
        {"message": "   "},
        {"message": "x" * 501},
        {"back_at": -1},
        {"back_at": float("inf")},
        {"back_at": 1e300},
        {"selector": {"tennant": ["a"]}},
        {"unknown": 1},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_value_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    """Out of range or misspelt, it never becomes a lease."""
    with pytest.raises(ValidationError):
        FailwhaleValue.model_validate(fields)


def test_each_user_counts_once() -> None:
    """Users by identity, requests all."""
    counter = UsersTurnedAway()
    counter.set_up(NOW, is_up=True)
    for identity in ("a", "b", "a", "a"):
        counter.add(identity)
    assert counter.tally == TurnedAwayTally(users=2, is_at_least=False, requests=4, since=NOW)


def test_past_its_bound_the_count_says_at_least() -> None:
    """Memory is bounded and the number stays true."""
    counter = UsersTurnedAway(most_users=3)
    counter.set_up(NOW, is_up=True)
    for number in range(5):
        counter.add(f"user {number}")
    counter.add("user 0")
    assert counter.tally == TurnedAwayTally(users=3, is_at_least=True, requests=6, since=NOW)


def test_it_starts_anew_when_the_whale_goes_up_again() -> None:
    """Going down closes the count; saying twice that it is up does not."""
    counter = UsersTurnedAway()
    assert counter.set_up(NOW, is_up=False) is None
    counter.set_up(NOW, is_up=True)
    counter.add("a")
    counter.set_up(NOW + 5, is_up=True)
    closed = counter.set_up(NOW + 9, is_up=False)
    assert closed == TurnedAwayTally(1, is_at_least=False, requests=1, since=NOW)
    assert (counter.tally, counter.last) == (None, closed)
    counter.set_up(NOW + 20, is_up=True)
    assert counter.tally == TurnedAwayTally(0, is_at_least=False, requests=0, since=NOW + 20)
