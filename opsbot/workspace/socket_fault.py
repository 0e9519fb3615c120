"""Trouble of Socket Mode on demand, and the switches of its delivery."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

MAX_COUNT = 1_000
MAX_LATENCY_S = 60.0
REASONS = ("warning", "refresh_requested", "link_disabled")


class BadSwitch(ValueError):
    """A switch that there is not, or a value that it does not take."""


@dataclass(slots=True)
class SocketFaults:
    """What happens to the next envelopes.

    Args:
        drop_acks: so many acknowledgements are not heard.
        duplicates: so many envelopes are sent twice.
        latency_s: every envelope waits so long before it is sent; it counts against the app's three seconds.
        spread: which connection gets an envelope.
    """

    drop_acks: int = 0
    duplicates: int = 0
    latency_s: float = 0.0
    spread: Literal["newest", "round_robin"] = "newest"

    def take(self, name: Literal["drop_acks", "duplicates"]) -> bool:
        """Whether it happens now; one fewer is left."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return left > 0

    def set(self, given: dict[str, Any]) -> None:
        """Set the switches that are named. Raises: BadSwitch, and then none is set."""
        checked = {name: _checked(name, value) for name, value in given.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Where they stand."""
        return asdict(self)


def _checked(name: str, value: Any) -> Any:
    match name:
        case "drop_acks" | "duplicates":
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
                return value
            raise BadSwitch(f"{name} must be a whole number from 0 to {MAX_COUNT}, not {value!r}")
        case "latency_s":
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_LATENCY_S:
                return float(value)
            raise BadSwitch(f"latency_s must be a number of seconds from 0 to {MAX_LATENCY_S:.0f}, not {value!r}")
        case "spread":
            if value in ("newest", "round_robin"):
                return value
            raise BadSwitch(f"spread must be newest or round_robin, not {value!r}")
        case _:
            raise BadSwitch(f"there is no switch {name!r}")
