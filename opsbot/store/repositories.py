"""Every repository over one database, built together."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.alert.policy import AlertPolicy
from opsbot.store.database import Database
from opsbot.store.handling import HandlingRepository
from opsbot.store.incidents import IncidentRepository
from opsbot.store.notices import NoticeRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.runs import RunRepository
from opsbot.store.silences import SilenceRepository
from opsbot.store.views import ViewRepository


@dataclass(frozen=True, slots=True)
class Repositories:
    """What core reads and writes."""

    incidents: IncidentRepository
    handling: HandlingRepository
    silences: SilenceRepository
    runs: RunRepository
    views: ViewRepository
    outbox: OutboxRepository
    notices: NoticeRepository

    @classmethod
    def over(cls, database: Database, policy: AlertPolicy) -> Repositories:
        """Those of *database*."""
        incidents = IncidentRepository(database, policy)
        return cls(
            incidents,
            HandlingRepository(database, policy),
            SilenceRepository(database),
            RunRepository(database, incidents),
            ViewRepository(database),
            OutboxRepository(database),
            NoticeRepository(database),
        )
