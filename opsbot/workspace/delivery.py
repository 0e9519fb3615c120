"""How the workspace reaches the app: over Socket Mode, or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal["interactive", "slash_commands", "events_api"]

NOT_CONNECTED = "app_not_connected"
NO_ANSWER = "app_did_not_respond"
FAILED = "dispatch_failed"
TO_PEOPLE = {
    NOT_CONNECTED: "The bot is not connected. Is it running?",
    NO_ANSWER: "The bot did not answer within three seconds. Look whether it happened before you try again.",
    FAILED: "The bot refused the request. Its log has the details.",
}


@dataclass(frozen=True, slots=True)
class Retry:
    """That something is sent again: for the how-manieth time, and why."""

    attempt: int
    reason: str


class Undelivered(Exception):
    """The app did not take it.

    Args:
        code: NOT_CONNECTED, NO_ANSWER or FAILED.
        reason: Slack's word for it in a retry.
        may_retry: False where the app asked for no retry.
    """

    def __init__(self, code: str, reason: str = "timeout", *, may_retry: bool = True) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason
        self.may_retry = may_retry

    @property
    def to_people(self) -> str:
        """What the person at the page reads."""
        return TO_PEOPLE[self.code]


class Delivery(Protocol):
    """One way to the app."""

    @property
    def is_connected(self) -> bool:
        """Whether the app can be reached, as far as is known."""
        ...

    async def send(self, kind: Kind, payload: Mapping[str, Any], retry: Retry | None = None) -> dict[str, Any]:
        """Deliver; answers what came back with the acknowledgement. Raises: Undelivered."""
        ...

    async def close(self) -> None:
        """Let go of the app."""
        ...
