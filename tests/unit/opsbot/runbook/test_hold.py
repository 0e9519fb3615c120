"""How long a run holds what it has set, where its runbook says so."""

from __future__ import annotations

import pytest

from opsbot.runbook.hold import Hold, read_hold


@pytest.mark.parametrize(
    ("text", "hold"),
    [("10m", Hold(seconds=600.0)), ("${{ inputs.length }}", Hold(input_name="length")), ("24h", Hold(86400.0))],
)
def test_a_length_or_an_input_is_read(text: str, hold: Hold) -> None:
    """As runbooks write it."""
    assert read_hold(text) == hold


@pytest.mark.parametrize(
    "text", ["", "4s", "25h", "10", "ever", "${{ steps.one.outputs.length }}", "${{ inputs.a + 1 }}"]
)
def test_anything_else_is_refused(text: str) -> None:
    """Also a length that nobody means."""
    with pytest.raises(ValueError, match=r"duration|between"):
        read_hold(text)


def test_what_was_given_goes_before_the_default() -> None:
    """And a length that an input does not say is refused before the run starts."""
    hold = Hold(input_name="length")
    assert hold.of({}, {"length": "5m"}) == 300
    assert hold.of({"length": "1h30m"}, {"length": "5m"}) == 5400
    with pytest.raises(ValueError, match="is not between 5s and 1d"):
        hold.of({"length": "2d"}, {"length": "5m"})
