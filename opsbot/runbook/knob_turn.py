"""What an act makes of a knob, in two short words: the value now and the value after, as people compare them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnobTurn:
    """One knob of one place, `eu-1/batch_limit`.

    Args:
        now: what is in force, as the server says.
        after: what is in force once it is done.
    """

    knob: str
    now: str
    after: str

    @property
    def is_turned(self) -> bool:
        """Whether it would be another value."""
        return self.now != self.after


def knob_word(value: object) -> str:
    """A knob's value as people read it: a switch is on or off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def layers_word(count: int) -> str:
    """How many settings of a knob are in force side by side."""
    return "none in force" if count <= 0 else f"{count} in force"
