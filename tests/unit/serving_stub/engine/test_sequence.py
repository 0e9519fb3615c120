"""One request's states and counts."""

from __future__ import annotations

import itertools

import pytest

from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.sequence import TRANSITIONS, Sequence, SequenceState

LEGAL = {("waiting", "running"), ("waiting", "finished"), ("running", "waiting"), ("running", "finished")}


def sequence() -> Sequence:
    return Sequence(GenerationRequest("r", (1, 2, 3)), arrived_at=0.0)


@pytest.mark.parametrize(("old", "new"), list(itertools.product(SequenceState, SequenceState)))
def test_only_the_listed_transitions_are_possible(old: SequenceState, new: SequenceState) -> None:
    """A sequence waits, runs, may wait again, and ends once."""
    seq = sequence()
    seq.state = old
    if (old, new) in LEGAL:
        seq.move(new)
        assert seq.state is new
    else:
        with pytest.raises(AssertionError, match=f"r: {old} → {new}"):
            seq.move(new)
        assert seq.state is old


def test_every_state_has_its_row() -> None:
    """The table is complete."""
    assert set(TRANSITIONS) == set(SequenceState)


def test_a_new_sequence_has_its_prompt_to_compute() -> None:
    """The prompt is not an answer, and is not decoding."""
    seq = sequence()
    assert (seq.num_prompt_tokens, seq.num_generated_tokens, seq.num_uncomputed_tokens) == (3, 0, 3)
    assert not seq.is_decoding


def test_a_sequence_decodes_when_only_its_newest_token_is_missing() -> None:
    """Prompt computed, one token sampled: it decodes."""
    seq = sequence()
    seq.num_computed_tokens = 3
    seq.token_ids.append(9)
    assert seq.is_decoding
    assert seq.num_generated_tokens == 1
