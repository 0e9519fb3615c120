"""Every repository over one database, built together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opsbot.alert.policy import AlertPolicy
from opsbot.oncall.model import Rota
from opsbot.store.approvals import ApprovalRepository
from opsbot.store.control import RunControl
from opsbot.store.database import Database
from opsbot.store.escalations import EscalationRepository
from opsbot.store.handling import HandlingRepository
from opsbot.store.incidents import IncidentRepository
from opsbot.store.knobs import KnobRepository
from opsbot.store.notes import NoteRepository
from opsbot.store.notices import NoticeRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.run_starts import RunStarts
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
    approvals: ApprovalRepository
    knobs: KnobRepository
    control: RunControl
    starts: RunStarts
    views: ViewRepository
    outbox: OutboxRepository
    notices: NoticeRepository
    escalations: EscalationRepository
    notes: NoteRepository

    @classmethod
    def over(cls, database: Database, policy: AlertPolicy, rota: Callable[[], Rota] = Rota) -> Repositories:
        """Those of *database*; *rota* answers the rota in force, by default one that asks nobody."""
        escalations = EscalationRepository(database, rota)
        incidents = IncidentRepository(database, policy, escalations.opened)
        return cls(
            incidents,
            HandlingRepository(database, policy),
            SilenceRepository(database),
            RunRepository(database, incidents),
            ApprovalRepository(database),
            KnobRepository(database),
            RunControl(database),
            RunStarts(database),
            ViewRepository(database),
            OutboxRepository(database),
            NoticeRepository(database),
            escalations,
            NoteRepository(database),
        )
