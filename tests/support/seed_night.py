"""The night of the talk behind this project, replayed: a page at 04:03 that resolves itself by 04:09, and a load that
meets its capacity around 05:25. Real rules, a real history on disk, a real store; only time is ours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert_settings import AlertingSection
from opsbot.desk import Desk
from opsbot.history.file import Limits
from opsbot.promql.labelset import LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.source.exposition import Exposition
from opsbot.store.repositories import Repositories
from opsbot.trend_watch import TrendWatch
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.query_api import QueryApi
from tests.support.alerts import open_database
from tests.support.no_runs import NoRuns
from tests.support.rule_packs import Curve, book
from tests.support.watching import StepClock

MIDNIGHT = datetime(2026, 9, 21, tzinfo=UTC).timestamp()
STEP_S = 10
ENGINE = 'cluster="sf-1",instance="10.0.0.1:8000",job="serving",engine="0",model_name="m"'
KV = f"vllm:kv_cache_usage_perc{{{ENGINE}}}"
AT_0409, HOURS_LEFT = 0.76, 76 / 60
PER_HOUR = math.log(1 / AT_0409) / HOURS_LEFT
"""Growth that fills the last quarter between 04:09 and 05:25."""


def at(text: str) -> float:
    """Seconds since the epoch of a time of that day."""
    hours, minutes = text.split(":")
    return MIDNIGHT + 3600 * int(hours) + 60 * int(minutes)


def growing(now: float) -> float:
    """The KV cache's used share."""
    return min(1.0, AT_0409 * math.exp(PER_HOUR * (now - at("04:09")) / 3600))


def steady(now: float) -> float:
    """The same night without the growth."""
    return AT_0409


def series(load: Curve) -> Mapping[str, Curve]:
    """What the server exposes, by seconds since the epoch: between 04:00 and 04:06 first tokens are late."""
    scatter = random.Random(7)

    def late(now: float) -> float:
        return max(0.0, min(now, at("04:06")) - at("04:00"))

    total = "vllm:time_to_first_token_seconds"
    return {
        KV: lambda now: min(1.0, load(now) * math.exp(scatter.gauss(0, 0.015))),
        f"vllm:num_requests_running{{{ENGINE}}}": lambda now: 64 * load(now),
        f"vllm:num_requests_waiting{{{ENGINE}}}": lambda now: 0.0,
        f'{total}_bucket{{{ENGINE},le="2.5"}}': lambda now: 5 * (now - MIDNIGHT) - 1.8 * late(now),
        f'{total}_bucket{{{ENGINE},le="+Inf"}}': lambda now: 5 * (now - MIDNIGHT),
        f"{total}_count{{{ENGINE}}}": lambda now: 5 * (now - MIDNIGHT),
        'up{cluster="sf-1",instance="10.0.0.1:8000",job="serving"}': lambda now: 1.0,
    }


@dataclass(frozen=True, slots=True)
class Line:
    """One series over time."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class WatchHistory:
    """Watch's own query API, asked as core asks it."""

    def __init__(self, api: QueryApi) -> None:
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://watch")

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Line]:
        """The series that *text* yields."""
        asked = {"query": text, "start": str(start_s), "end": str(end_s), "step": str(step_s)}
        answer = await self._http.get("/api/v1/query_range", params=asked)
        found = answer.raise_for_status().json()["data"]["result"]
        return [Line(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]

    async def close(self) -> None:
        """Ask no more."""
        await self._http.aclose()


class SeedNight:
    """Everything between the numbers and the incident."""

    def __init__(self, folder: Path, load: Curve) -> None:
        self.clock = StepClock(at("00:00") - 60)
        self._series = series(load)
        self._store = SampleStore()
        self._rules = book()
        self._durable = Durable(folder, Limits(), self._store, self.clock)
        self._evaluation = Evaluation(self._store, self._durable.long.at)
        self._sheet = self._store.sheet("target")
        self._labels = tuple(_labels(text) for text in self._series)
        self._firing: set[str] = set()
        api = QueryApi(self._durable.past, self.clock, None)  # type: ignore[arg-type]  # only queries are asked
        self._history = WatchHistory(api)
        self.database = open_database(folder)
        policy = AlertingSection().policy()
        self.stores = Repositories.over(self.database, policy)
        self.desk = Desk(self.stores, NoRuns(), policy, lambda alert: [], lambda: None, self.clock)
        self.trends = TrendWatch(self.stores.incidents, self._history, self.clock, lambda: None)

    async def start(self) -> None:
        """Open the history."""
        rules = self._rules
        exprs = [*(rule.expr for rule in rules.rules), *(rule.expr for rule in rules.recordings)]
        await self._durable.start(exprs)

    async def until(self, text: str) -> None:
        """Live on to a time of that day, a round every ten seconds."""
        while self.clock.now() < at(text):
            self.clock.advance(STEP_S)
            now = self.clock.now()
            self._sheet.append(now, self._labels, [curve(now) for curve in self._series.values()])
            rules = self._rules
            told = self._evaluation.rules(rules.rules, now, is_complete=True, recordings=rules.recordings)
            self._durable.turn([self._evaluation], now)
            if news := [alert for alert in told if self._is_news(alert)]:
                await self.desk.ingest(news)
            await self.desk.review()
            await self.trends.look()

    async def close(self) -> None:
        """Close the files."""
        await self._history.close()
        self._durable.close()
        self.database.close()

    def _is_news(self, alert: Alert) -> bool:
        was_firing = alert.fingerprint in self._firing
        if alert.state is AlertState.FIRING:
            self._firing.add(alert.fingerprint)
            return not was_firing
        self._firing.discard(alert.fingerprint)
        return was_firing


def _labels(text: str) -> LabelSet:
    reader = Exposition({}, {})
    reader.read(f"{text} 0\n")
    (labels,) = reader.labels
    return labels
