"""Whether the other side can be spoken to at all: one try at a time while it cannot, everything at once when it can.

Without this, an outage of an hour would leave every message with a back-off of its own, and what is said first
afterwards would be chance. Some failures are of the whole workspace (it does not answer, the token is refused), some
of one channel (it was archived); a scope is the name of a channel, or WORKSPACE. Pure but for what it remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from opsbot.notify.notifier import DeliveryError, Extent

WORKSPACE = ""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
DOUBTFUL_KEYS = 3
"""So many different messages fail one after the other, none succeeds: it is not the messages."""
MOST_SCOPES = 200


@dataclass(frozen=True, slots=True)
class Outage:
    """Why something cannot be said.

    Args:
        scope: a channel, or WORKSPACE.
        began_at, ended_at: seconds since the epoch; an outage that lasts has no end.
        why: a short sentence without a full stop: `Slack could not be reached`.
        advice: what a person must do; empty where waiting is all.
    """

    scope: str
    began_at: float
    why: str
    advice: str
    ended_at: float | None = None


@dataclass(slots=True)
class _Away:
    outage: Outage
    pause_s: float
    next_at: float
    is_tried: bool = False


class Reach:
    """Remembers what cannot be reached. Times named `now` are seconds since the epoch, `at` are monotonic."""

    def __init__(self) -> None:
        self._away: dict[str, _Away] = {}
        self._last: Outage | None = None
        self._doubtful: dict[str, float] = {}

    def wait_s(self, place: str, at: float) -> float:
        """Seconds until something may be said in *place*; 0 if now, endless while one try is under way."""
        wait = 0.0
        for scope in (WORKSPACE, place):
            away = self._away.get(scope)
            if away is not None:
                wait = max(wait, float("inf") if away.is_tried else away.next_at - at)
        return wait

    def begun(self, place: str) -> None:
        """Something is being said in *place* now; while that cannot be reached, it is the one try."""
        for scope in (WORKSPACE, place):
            if scope in self._away:
                self._away[scope].is_tried = True

    def left(self, place: str) -> None:
        """It ended without telling anything about whether *place* can be reached."""
        for scope in (WORKSPACE, place):
            if scope in self._away:
                self._away[scope].is_tried = False

    def worked(self, place: str, now: float) -> bool:
        """Something was said in *place*, or refused for what it is; answers whether that ends an outage."""
        ended = [self._away.pop(scope) for scope in {WORKSPACE, place} if scope in self._away]
        self._doubtful.clear()
        for away in ended:
            self._last = replace(away.outage, ended_at=now)
        return bool(ended)

    def failed(self, place: str, key: str, error: DeliveryError, now: float, at: float) -> bool:
        """Saying *key* in *place* failed with *error*; answers whether that ends an outage of something wider."""
        if error.extent is Extent.MESSAGE:
            # It was answered, so whoever answers is there.
            return self.worked(place, now)
        if error.extent is Extent.UNSURE:
            if len(self._doubtful) < DOUBTFUL_KEYS:
                self._doubtful.setdefault(key, now)
            if len(self._doubtful) >= DOUBTFUL_KEYS or WORKSPACE in self._away:
                self._put_away(WORKSPACE, min(self._doubtful.values()), error, at)
            return False
        if error.extent is Extent.WORKSPACE:
            self._put_away(WORKSPACE, now, error, at)
            return False
        ended = self.worked(WORKSPACE, now)
        self._put_away(place, now, error, at)
        return ended

    @property
    def outage(self) -> Outage | None:
        """What lasts now, the widest first."""
        return min((away.outage for away in self._away.values()), key=lambda one: one.scope, default=None)

    def why_late(self, since: float, place: str) -> str:
        """Why something that has been so *since* then is said only now; empty where no outage is known."""
        found = [away.outage for scope, away in self._away.items() if scope in (WORKSPACE, place)]
        if found:
            return found[0].why
        last = self._last
        if last is None or last.scope not in (WORKSPACE, place) or (last.ended_at or 0.0) < since:
            return ""
        return last.why

    def _put_away(self, scope: str, began_at: float, error: DeliveryError, at: float) -> None:
        known = self._away.get(scope)
        pause_s = max(FIRST_PAUSE_S, error.retry_after_s or 0.0)
        if known is not None:
            if not known.is_tried:
                # It was under way when the outage began, and tells nothing new.
                return
            pause_s = max(pause_s, min(known.pause_s * 2, LONGEST_PAUSE_S))
            began_at = known.outage.began_at
        elif len(self._away) >= MOST_SCOPES:
            return
        self._away[scope] = _Away(Outage(scope, began_at, error.why, error.advice), pause_s, at + pause_s)
