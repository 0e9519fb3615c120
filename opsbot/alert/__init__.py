"""Alerts: the one currency that rules, policies, webhooks and people all produce."""

from opsbot.alert.alert import SEVERITIES, Alert, AlertState, Severity

__all__ = ["SEVERITIES", "Alert", "AlertState", "Severity"]
