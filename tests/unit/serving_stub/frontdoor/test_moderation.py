"""Category names of other classifiers under ours."""

from __future__ import annotations

from serving_stub.frontdoor.classifier import CATEGORIES
from serving_stub.frontdoor.moderation import OF_LLAMA_GUARD, OF_OPENAI, our_scores


def test_every_name_maps_to_one_of_the_twelve() -> None:
    """No map leads to a category that policies do not know."""
    assert {*OF_OPENAI.values(), *OF_LLAMA_GUARD.values()} <= set(CATEGORIES)


def test_llama_guard_knows_all_twelve() -> None:
    """S1 to S14 cover every category of ours."""
    assert list(OF_LLAMA_GUARD) == [f"S{number}" for number in range(1, 15)]
    assert set(OF_LLAMA_GUARD.values()) == set(CATEGORIES)


def test_highest_score_of_a_category_counts() -> None:
    """Several of theirs may map to one of ours; unknown names are left out; our own names pass."""
    theirs = {"self-harm": 0.2, "self-harm/intent": 0.7, "S10": 0.3, "defamation": 0.4, "weather": 1.0}
    assert our_scores(theirs) == {"suicide_self_harm": 0.7, "hate": 0.3, "defamation": 0.4}
