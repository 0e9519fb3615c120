"""What watch keeps on disk: the history of its samples and its hold timers, each in a file of its own.

Without a folder nothing is kept, and all else works the same. The disk is only ever touched by threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import promql_parser as tree
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from opsbot.clock import Clock
from opsbot.history.file import Limits
from opsbot.history.keeper import HistoryCounts, HistoryKeeper
from opsbot.promql.samples import SampleStore
from opsbot.rule.hold import Hold
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.harvest import Harvest
from opsbot.watch.hold_file import HoldFile
from opsbot.watch.long_windows import LongWindows
from opsbot.watch.past import Past
from opsbot.watch.sheet_key import key_of

HISTORY_FILE, HOLDS_FILE = "watch-history.sqlite", "watch-holds.sqlite"
FORGET_EVERY_S = 600.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Durable:
    """The durable parts of a watcher.

    Args:
        folder: where the files are; None keeps nothing.
    """

    folder: Path | None
    limits: Limits
    store: SampleStore
    clock: Clock
    long: LongWindows = field(init=False)
    past: Past = field(init=False)
    _keeper: HistoryKeeper | None = field(init=False)
    _holds: HoldFile | None = field(init=False)
    _harvest: Harvest = field(init=False)
    _forgot_at: float = 0.0

    def __post_init__(self) -> None:
        self._keeper = HistoryKeeper(self.folder / HISTORY_FILE, self.limits) if self.folder is not None else None
        self._holds = HoldFile(self.folder / HOLDS_FILE) if self.folder is not None else None
        self._harvest = Harvest(self.store)
        self.long = LongWindows(self.store, self._keeper, self.clock)
        self.past = Past(self.store, self._keeper)

    async def start(self, exprs: Iterable[tree.Expr]) -> tuple[list[Hold], float]:
        """Take up what was kept, before the first round; answers the timers, and when they were seen last.

        Args:
            exprs: what rules will be evaluated.
        """
        if self._keeper is not None:
            scraped = {key for key, _ in self.store.sheets()}
            for text, block in await self._keeper.recent(self.clock.now()):
                key = key_of(text)
                sheet = self.store.sheet(key)
                for column, time_s in enumerate(block.times):
                    sheet.append(time_s, block.labels, block.values[:, column].tolist())
                self._harvest.restored(key, block.times[-1])
                if key not in scraped:
                    # Whoever asks for it again keeps it.
                    self.store.retire(key)
        self.long.need(exprs)
        await self.long.fill()
        return await asyncio.to_thread(self._holds.load) if self._holds is not None else ([], 0.0)

    async def run(self) -> None:
        """Fill in what changed rules need, until cancelled; then write what is not written yet."""
        try:
            await self.long.fill_forever()
        finally:
            self.close()

    def turn(self, evaluations: Sequence[Evaluation], now: float) -> None:
        """After each round: take what is over, and have it written."""
        batches = self._harvest.due(now)
        if batches:
            self.long.take(batches)
        if self._keeper is not None:
            self._keeper.take(batches)
            self._keeper.turn(now)
        if self._holds is not None:
            self._holds.note([hold for one in evaluations for hold in one.holds()], now)
        if now - self._forgot_at >= FORGET_EVERY_S:
            self._forgot_at = now
            self.long.forget_older(now)

    def close(self) -> None:
        """Write what waits, and close the files."""
        if self._keeper is not None:
            self._keeper.take(self._harvest.due(self.clock.now()))
            self._keeper.close(self.clock.now())
        if self._holds is not None:
            self._holds.close()

    def metrics(self) -> Iterator[Metric]:
        """What it tells of itself, as the client library's families."""
        counts = self._keeper.counts if self._keeper is not None else HistoryCounts()
        prefix = "opsbot_watch_history"
        yield GaugeMetricFamily(f"{prefix}_series", "Series in the history's file.", value=counts.num_series)
        yield GaugeMetricFamily(f"{prefix}_bytes", "What the history takes on the disk.", value=counts.num_bytes)
        for name, told, value in (
            ("samples", "Samples written to the history.", counts.num_written),
            ("samples_given_up", "Samples that could not be written in time.", counts.num_given_up),
            ("series_refused", "Series that the history had no room for, each time.", counts.num_refused),
            ("failures", "Times that the history could not be written or read.", counts.num_failures),
            ("damaged", "Parts of the history that could not be read and were left out.", counts.num_damaged),
            ("cut", "Spans of time forgotten before theirs, for room.", counts.num_cut),
        ):
            yield CounterMetricFamily(f"{prefix}_{name}", told, value=value)
        yield GaugeMetricFamily(
            "opsbot_watch_long_samples", "Thinned samples in memory for rules.", value=self.long.num_samples
        )
        yield CounterMetricFamily(
            "opsbot_watch_hold_failures",
            "Times that hold timers could not be written.",
            value=self._holds.num_failures if self._holds is not None else 0,
        )
