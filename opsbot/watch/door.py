"""Posts alerts to core's alert door, and repeats until it answers.

Firing alerts are posted again every ten seconds, as Prometheus does, so that a core which lost a post catches up.
What changes while core is away is kept in order, each firing and its end, so that no episode is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import from_rfc3339, to_rfc3339
from opsbot.errors import SourceError
from opsbot.rule.evaluate import BLIND_ANNOTATION

REPEAT_S = 10.0
TIMEOUT_S = 5.0
BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 10.0
MAX_BATCH = 256
MAX_WAITING = 16
"""Changes of one alert that are kept while core is away; an alert that flaps on is cut to its newest ones."""

logger = logging.getLogger(__name__)


def to_webhook(alerts: Sequence[Alert]) -> dict[str, Any]:
    """The body of Alertmanager's webhook, version 4."""
    return {
        "version": "4",
        "groupKey": "watch",
        "status": "firing" if any(a.state is AlertState.FIRING for a in alerts) else "resolved",
        "receiver": "opsbot",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": [
            {
                "status": alert.state.value,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "startsAt": to_rfc3339(alert.starts_at),
                "endsAt": to_rfc3339(alert.ends_at) if alert.ends_at is not None else "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": alert.fingerprint,
            }
            for alert in alerts
        ],
    }


@dataclass(frozen=True, slots=True)
class _Told:
    """What core took last of an alert: when, and whether it was blind."""

    at: float
    is_blind: bool


@dataclass(slots=True)
class DoorClient:
    """Keeps what must still be told to core."""

    core_url: str
    api_token: str
    http: httpx.AsyncClient
    num_posts: int = 0
    num_failures: int = 0
    last_post_at: float = 0.0
    """When core took a post last, seconds since the epoch; 0 before the first."""
    problem: str = ""
    """Why core was not reached the last time; empty while it is."""
    _due: dict[str, list[Alert]] = field(default_factory=dict)
    _told: dict[str, _Told] = field(default_factory=dict)
    _not_before: float = 0.0
    _backoff_s: float = 0.0

    @property
    def num_due(self) -> int:
        """Changes that core has not taken yet."""
        return sum(map(len, self._due.values()))

    async def firing(self) -> list[Alert]:
        """The alerts that core still holds as firing.

        Raises: SourceError if core does not answer.
        """
        try:
            answer = await self.http.get(f"{self.core_url}/api/v1/alerts", headers=self._headers(), timeout=TIMEOUT_S)
            answer.raise_for_status()
            self.problem = ""
            return [
                Alert(a["labels"], a["annotations"], AlertState.FIRING, from_rfc3339(a["startsAt"]))
                for a in answer.json()["alerts"]
            ]
        except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
            self.problem = f"core at {self.core_url} did not say what fires ({type(error).__name__}); it is asked again"
            raise SourceError(f"core at {self.core_url} did not say what fires: {error!r}", retryable=True) from error

    def offer(self, alerts: Iterable[Alert], now: float) -> None:
        """Take note of what fires and what has resolved; posts only what is new or due again."""
        for alert in alerts:
            due = self._due.get(alert.fingerprint, [])
            if due and due[-1].state is alert.state:
                # The same episode with a newer value; what core has not seen yet it may see as it is now.
                due[-1] = alert
            elif due or self._is_news(alert, now):
                self._due[alert.fingerprint] = [*due, alert][-MAX_WAITING:]

    async def deliver(self, now: float) -> bool:
        """Post what is due, in order; answers whether core took it all.

        On failure everything stays due and the next tries wait longer and longer.
        """
        if now < self._not_before:
            return False
        while self._due:
            batch = [waiting[0] for waiting in self._due.values()][:MAX_BATCH]
            if not await self._post(batch, now):
                return False
            for alert in batch:
                self._taken(alert, now)
        return True

    def _is_news(self, alert: Alert, now: float) -> bool:
        if alert.state is AlertState.RESOLVED:
            return True
        told = self._told.get(alert.fingerprint)
        return told is None or told.is_blind != _is_blind(alert) or now - told.at >= REPEAT_S

    async def _post(self, batch: Sequence[Alert], now: float) -> bool:
        url = f"{self.core_url}/webhooks/alertmanager"
        try:
            answer = await self.http.post(url, json=to_webhook(batch), headers=self._headers(), timeout=TIMEOUT_S)
            answer.raise_for_status()
            rejected: object = answer.json().get("rejected", [])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
            self.num_failures += 1
            self.problem = f"core at {self.core_url} did not take alerts ({type(error).__name__}); they are kept"
            if not self._backoff_s:
                logger.warning("core did not take %d alerts; they are kept and posted again: %r", len(batch), error)
            self._backoff_s = min(max(BACKOFF_S, self._backoff_s * 2), LONGEST_BACKOFF_S)
            self._not_before = now + self._backoff_s
            return False
        if self._backoff_s:
            logger.info("core takes alerts again")
        self._backoff_s = self._not_before = 0.0
        self.num_posts += 1
        self.last_post_at, self.problem = now, ""
        for line in rejected if isinstance(rejected, list) else []:
            logger.error("core rejected an alert: %s", line)
        return True

    def _taken(self, alert: Alert, now: float) -> None:
        key = alert.fingerprint
        waiting = self._due[key]
        # While the post was under way the first may have got a newer value, which core need not see at once, or
        # have been cut off by many changes.
        if waiting[0].state is alert.state:
            del waiting[0]
        if not waiting:
            del self._due[key]
        if alert.state is AlertState.RESOLVED:
            self._told.pop(key, None)
        else:
            self._told[key] = _Told(now, _is_blind(alert))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_token}"}


def _is_blind(alert: Alert) -> bool:
    return alert.annotations.get(BLIND_ANNOTATION) == "true"
