"""What the shipped actions are made of: whatever they reach the world through, handed to them at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsbot.action.control import ControlClient
from opsbot.clock import Clock, SystemClock
from opsbot.errors import SourceError
from opsbot.runbook.probe import Prober, Verdict

if TYPE_CHECKING:
    from opsbot.action.incident_record import Pager, Record
    from opsbot.action.loadtest import LoadBook
    from opsbot.action.secret import SecretStore
    from opsbot.action.silence import Silences
    from opsbot.action_settings import ActionsSection, HttpSection, LoadtestSection, ProcessSection


class NoMetrics:
    """Implements Prober where nobody is asked."""

    async def check(self, expr: str, /) -> Verdict:
        return "unknown"

    async def value(self, expr: str, /) -> float | None:
        raise SourceError("there are no metrics here")


def _nobody() -> None:
    """Wakes nobody."""


@dataclass(frozen=True, slots=True)
class ShippedParts:
    """The parts of every shipped action; without any, the actions know their names and arguments and can do nothing.

    Args:
        prober: the metrics.
        control: the clusters' control APIs.
        given: the section `actions` of opsbot.yaml; None where it is left out.
        doors: where clients of a cluster ask, by cluster.
        record: the incidents' timeline.
        pager: None where none is set up.
        longest_silence_s: `alerting.max_silence`.
        wake: has what was written delivered now.
        load_book: where load tests are announced.
    """

    prober: Prober = field(default_factory=NoMetrics)
    control: ControlClient = field(default_factory=lambda: ControlClient({}))
    clock: Clock = field(default_factory=SystemClock)
    given: ActionsSection | None = None
    doors: Mapping[str, str] = field(default_factory=dict)
    record: Record | None = None
    silences: Silences | None = None
    pager: Pager | None = None
    longest_silence_s: float = 0.0
    wake: Callable[[], None] = _nobody
    load_book: LoadBook | None = None

    @property
    def settings(self) -> ActionsSection:
        """The section `actions`; imported by who needs it, since most actions have no settings."""
        from opsbot.action_settings import ActionsSection

        return self.given or ActionsSection()

    @property
    def secrets(self) -> SecretStore:
        """Secrets by reference."""
        from opsbot.action.secret import SecretStore

        return SecretStore(self.settings.secrets)

    @property
    def http(self) -> HttpSection:
        """`actions.http`."""
        return self.settings.http

    @property
    def loadtest(self) -> LoadtestSection:
        """`actions.loadtest`."""
        return self.settings.loadtest

    @property
    def process(self) -> ProcessSection:
        """`actions.process`."""
        return self.settings.process
