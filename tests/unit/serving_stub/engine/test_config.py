"""Settings that cannot work are refused by name."""

from __future__ import annotations

import pytest

from serving_stub.engine.config import EngineConfig
from serving_stub.errors import SettingError


@pytest.mark.parametrize(
    "name", ["max_num_seqs", "max_num_batched_tokens", "block_size", "num_blocks", "max_model_len", "num_threads"]
)
def test_sizes_are_positive(name: str) -> None:
    """Nothing of size 0."""
    with pytest.raises(SettingError, match=f"{name} is 0, expected 1 or more"):
        EngineConfig(**{name: 0})  # type: ignore[arg-type]


def test_a_step_holds_a_token_of_every_sequence() -> None:
    """A token budget below the batch would let some sequences starve."""
    with pytest.raises(SettingError, match=r"max_num_batched_tokens is 31.*max_num_seqs \(32\)"):
        EngineConfig(max_num_batched_tokens=31)
