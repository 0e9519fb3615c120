"""Bodies as the senders' documentation shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GRAFANA: Mapping[str, Any] = {
    "receiver": "My Super Webhook",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
            "annotations": {"summary": "This alert was triggered for zone us-1"},
            "startsAt": "2021-10-12T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new",
            "dashboardURL": "https://play.grafana.org/d/abc",
            "panelURL": "https://play.grafana.org/d/abc?viewPanel=1",
            "values": {"C": 1, "B": 44.23943737541908},
        },
        {
            "status": "resolved",
            "labels": {"alertname": "High CPU usage", "team": "blue", "zone": "eu-1"},
            "annotations": {},
            "startsAt": "2021-10-12T09:56:03.157076+02:00",
            "endsAt": "2021-10-12T10:06:03+02:00",
            "generatorURL": "https://play.grafana.org/alerting/d1rdpdv7k/edit",
            "fingerprint": "bc97ff14869b13e3",
            "dashboardURL": "",
            "panelURL": "",
            "values": None,
        },
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.org/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:2]  (blue)",
    "state": "alerting",
    "message": "**Firing** …",
}

DATADOG: Mapping[str, Any] = {
    "id": "1234567",
    "alert_id": "1234",
    "aggreg_key": "9bd4ac313a4d1e8fae2482df7b77628",
    "alert_cycle_key": "7716548234011",
    "alert_transition": "Triggered",
    "alert_type": "error",
    "alert_priority": "P2",
    "alert_title": "[Triggered on {host:ip-012345}] Host is Down",
    "event_title": "[Triggered] [Memory Alert]",
    "text": "The host does not answer.",
    "alert_status": "system.load.1 over host:my-host was > 0 at least once during the last 1m",
    "alert_scope": "availability-zone:us-east-1a, role:computing-node",
    "tags": "monitor, name:myService, role:computing-node",
    "date": "1406662672000",
    "link": "https://app.datadoghq.com/event/jump_to?event_id=123456",
}
"""The payload that docs/inbound.md says to paste, with the examples of Datadog's table of variables."""
