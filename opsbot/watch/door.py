"""Posts alerts to core's alert door, and repeats until it answers.

Firing alerts are posted again every ten seconds, as Prometheus does, so that a core which lost a post catches up; a
resolved one is posted until core has taken it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import from_rfc3339, to_rfc3339
from opsbot.errors import SourceError

REPEAT_S = 10.0
TIMEOUT_S = 5.0
BACKOFF_S = 1.0

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


@dataclass(slots=True)
class DoorClient:
    """Keeps what must still be told to core."""

    core_url: str
    api_token: str
    http: httpx.AsyncClient
    num_failures: int = 0
    _due: dict[str, Alert] = field(default_factory=dict)
    _told: dict[str, tuple[float, bool]] = field(default_factory=dict)
    _not_before: float = 0.0

    async def firing(self) -> list[Alert]:
        """The alerts that core still holds as firing.

        Raises: SourceError if core does not answer.
        """
        try:
            answer = await self.http.get(f"{self.core_url}/api/v1/alerts", headers=self._headers(), timeout=TIMEOUT_S)
            answer.raise_for_status()
            return [
                Alert(a["labels"], a["annotations"], AlertState.FIRING, from_rfc3339(a["startsAt"]))
                for a in answer.json()["alerts"]
            ]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise SourceError(f"core at {self.core_url} did not say what fires: {error!r}", retryable=True) from error

    def offer(self, alerts: Sequence[Alert], now: float) -> None:
        """Take note of what fires and what has resolved; posts only what is new or due again."""
        for alert in alerts:
            is_blind = "opsbot_blind" in alert.annotations
            told = self._told.get(alert.fingerprint)
            is_news = told is None or told[1] != is_blind or now - told[0] >= REPEAT_S
            if alert.state is AlertState.RESOLVED or is_news:
                self._due[alert.fingerprint] = alert

    async def deliver(self, now: float) -> None:
        """Post what is due; on failure everything stays due and the next try waits a little."""
        if not self._due or now < self._not_before:
            return
        posted = dict(self._due)
        try:
            answer = await self.http.post(
                f"{self.core_url}/webhooks/alertmanager",
                json=to_webhook(list(posted.values())),
                headers=self._headers(),
                timeout=TIMEOUT_S,
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self.num_failures += 1
            self._not_before = now + BACKOFF_S
            logger.warning("core did not take %d alerts, trying again: %r", len(posted), error)
            return
        for key, alert in posted.items():
            if self._due.get(key) is alert:
                del self._due[key]
            if alert.state is AlertState.RESOLVED:
                self._told.pop(key, None)
            else:
                self._told[key] = (now, "opsbot_blind" in alert.annotations)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_token}"}
