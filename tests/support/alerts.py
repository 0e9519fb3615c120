"""Builders of alerts and of a store on disk."""

from __future__ import annotations

from pathlib import Path

from opsbot.alert.alert import Alert, AlertState
from opsbot.store.database import Database
from opsbot.store.run_queue import RunbookToRun

RUNBOOK = RunbookToRun("smaller-batch", "Relieve the cache", "r1", "{}")


def firing(
    name: str = "KVCachePressure", *, starts_at: float = 100.0, value: float = 0.9, cluster: str = "eu-1"
) -> Alert:
    """An alert that fires."""
    labels = {"alertname": name, "cluster": cluster, "severity": "critical"}
    return Alert(labels, {"summary": f"{name} on {cluster}"}, AlertState.FIRING, starts_at, value=value)


def resolved(name: str = "KVCachePressure", *, ends_at: float = 200.0, cluster: str = "eu-1") -> Alert:
    """Its end."""
    labels = {"alertname": name, "cluster": cluster, "severity": "critical"}
    return Alert(labels, {}, AlertState.RESOLVED, 100.0, ends_at)


def open_database(folder: Path) -> Database:
    """The store under *folder*."""
    return Database(f"sqlite:///{folder}/opsbot.sqlite")
