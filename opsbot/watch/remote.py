"""Evaluates rules on Prometheus servers: each is asked each rule, and its alerts carry its labels.

Every server has a loop and a state of its own, so that a slow one holds up nobody. One that does not answer leaves its
alerts as they were, blind, and is itself an alert; after it only a small question is asked until it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.evaluate import Instant
from opsbot.promql.inlined import RecordedSeries
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError
from opsbot.rule.book import RuleBook
from opsbot.rule.evaluate import RULE_ANNOTATION, Reading
from opsbot.rule.hold import Hold
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.health import SourceHealth
from opsbot.source.servers import NoAnswer, PrometheusServer
from opsbot.watch.evaluation import DOWN_ALERT, Evaluation
from opsbot.watch.question import (
    Question,
    is_about_the_bot,
    question,
    reading_of_plain,
    reading_of_whole,
    recorded_series,
)

MAX_AT_ONCE = 4
"""Queries that one server evaluates for us at a time."""
GIVE_UP_AFTER = 4
"""Queries without an answer; then the rest of a round is not asked."""
RETRY_S = 1.0
PROBE = "vector(1)"

_T = TypeVar("_T")
Offer = Callable[[Sequence[Alert], float], None]

logger = logging.getLogger(__name__)


class Division:
    """Which rules are asked of servers, and which are about the bot, whose metrics watch has itself."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._seen: tuple[list[Rule], list[RecordingRule]] = ([], [])
        self.own_rules: Sequence[Rule] = ()
        self.own_recordings: Sequence[RecordingRule] = ()
        self.rules: Sequence[Rule] = ()
        """Those for servers."""
        self.recordings: Sequence[RecordingRule] = ()
        """All, for they may be written out in any rule."""

    def look(self) -> None:
        """Take notice of what is in force now."""
        seen = (self._book.rules, list(self._book.recordings))
        if seen == self._seen:
            return
        self._seen = seen
        rules, self.recordings = seen
        recorded = recorded_series(self.recordings)
        self.own_rules = [rule for rule in rules if _is_own(rule, recorded)]
        self.own_recordings = [rule for rule in self.recordings if _is_own(rule, recorded)]
        self.rules = [rule for rule in rules if rule not in self.own_rules]


class ServerRules:
    """The rules on one server."""

    def __init__(self, server: PrometheusServer, division: Division, clock: Clock, offer: Offer) -> None:
        self.address = server.address
        self.health = SourceHealth()
        self.round_s = 0.0
        """How long the last round took."""
        self.evaluation = Evaluation(SampleStore(), read=self._read)
        self._server = server
        self._division = division
        self._clock = clock
        self._offer = offer
        self._answers: Mapping[str, Reading | QueryError] = {}
        self._questions: dict[str, Question | QueryError] = {}
        self._asked: tuple[Sequence[Rule], Sequence[RecordingRule]] = ((), ())

    async def run(self, is_complete: Callable[[], bool]) -> None:
        """Evaluate in turns until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.round(is_complete)
            self.round_s = self._clock.monotonic() - began
            pause_s = self.address.interval_s - self.round_s
            await asyncio.sleep(max(0.0, pause_s) if self.health.failing_since is None else RETRY_S)

    async def round(self, is_complete: Callable[[], bool]) -> None:
        """Ask each rule once, then evaluate on what was answered and offer what comes of it."""
        rules = self._division.rules
        self._write_questions(rules)
        self._answers = await self._answered(rules)
        now = self._clock.now()
        own = [replace(rule, labels={**self.address.labels, **rule.labels}) for rule in rules]
        self._offer(self.evaluation.rules(own, now, is_complete=is_complete()), now)

    def restore(self, firing: Iterable[Alert], now: float) -> None:
        """Go on from what core holds as firing and is this server's."""
        rules = [replace(rule, labels={**self.address.labels, **rule.labels}) for rule in self._division.rules]
        self.evaluation.restore(rules, firing, now)

    def owns(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert of *labels* has this server's."""
        return self.address.labels.items() <= labels.items()

    def down_alert(self, now: float) -> Alert:
        """The alert that the server does not answer."""
        name = self.address.name
        return Alert(
            labels={**self.address.labels, "source": name, "alertname": DOWN_ALERT, "severity": "high"},
            annotations={
                "summary": f"No metrics from the Prometheus {name}",
                "description": (
                    f"{self.address.base_url} does not answer: {self.health.last_error}. {len(self._division.rules)} "
                    "rules are blind there: what is shown of them is held, not recovered."
                ),
                RULE_ANNOTATION: DOWN_ALERT,
            },
            state=AlertState.FIRING,
            starts_at=now,
        )

    def _write_questions(self, rules: Sequence[Rule]) -> None:
        wanted = (rules, self._division.recordings)
        if wanted == self._asked:
            return
        self._asked = wanted
        recorded = recorded_series(self._division.recordings)
        self._questions.clear()
        for rule in rules:
            try:
                self._questions[rule.name] = question(rule, recorded, self.address.interval_s)
            except QueryError as error:
                self._questions[rule.name] = error

    async def _answered(self, rules: Sequence[Rule]) -> Mapping[str, Reading | QueryError]:
        if self.health.failing_since is not None or not rules:
            try:
                self.health.num_asked += 1
                await self._server.ask(PROBE)
            except SourceError as error:
                self._failed(error)
                return {}
            if not rules:
                self._worked()
                return {}
        answers, missing = await self._ask_all(rules)
        if missing and len(missing) >= min(GIVE_UP_AFTER, len(rules)):
            self._failed(next(iter(missing.values())))
            return answers
        self._worked()
        for name, why in missing.items():
            # The server is well, so it is this rule that takes too long.
            answers[name] = QueryError(f"{self.address.name}: {why}")
            self.health.last_error = f"rule {name}: {why}"
        return answers

    async def _ask_all(
        self, rules: Sequence[Rule]
    ) -> tuple[dict[str, Reading | QueryError], Mapping[str, SourceError]]:
        """The answers, and the rules that got none."""
        answers: dict[str, Reading | QueryError] = {}
        missing: dict[str, SourceError] = {}
        waiting = iter(rules)

        async def work() -> None:
            for rule in waiting:
                if len(missing) >= GIVE_UP_AFTER:
                    return
                self.health.num_asked += 1
                try:
                    answers[rule.name] = await self._ask(rule)
                except QueryError as error:
                    answers[rule.name] = error
                except SourceError as error:
                    missing[rule.name] = error

        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_AT_ONCE):
                group.create_task(work())
        return answers, missing

    async def _ask(self, rule: Rule) -> Reading:
        asked = self._questions[rule.name]
        if isinstance(asked, QueryError):
            raise asked
        if rule.no_data != "fire" and not self.evaluation.active(rule.name):
            return reading_of_plain(await self._server.ask(asked.plain), self.address.labels)
        return reading_of_whole(await self._server.ask(asked.whole), self.address.labels)

    def _read(self, rule: Rule, instant: Instant) -> Reading:
        found = self._answers.get(rule.name)
        if found is None:
            raise NoAnswer(f"{self.address.name} does not answer: {self.health.last_error}")
        if isinstance(found, QueryError):
            raise found
        return found

    def _worked(self) -> None:
        if self.health.worked():
            logger.info("the Prometheus %s answers again", self.address.name)

    def _failed(self, error: SourceError) -> None:
        if self.health.failed(str(error), self._clock.now()):
            logger.warning("the Prometheus %s does not answer, its alerts are held: %s", self.address.name, error)


class RemoteRules:
    """The rules on all servers."""

    def __init__(self, servers: Sequence[PrometheusServer], division: Division, clock: Clock, offer: Offer) -> None:
        self.servers = [ServerRules(server, division, clock, offer) for server in servers]

    async def run(self, is_complete: Callable[[], bool]) -> None:
        """Evaluate on all of them until cancelled."""
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(server.run(is_complete))

    def restore(self, own_rules: Iterable[Rule], firing: Iterable[Alert], now: float) -> list[Alert]:
        """Give each server what core holds of its alerts; answers the rest."""
        own = {rule.name for rule in own_rules} | {DOWN_ALERT}
        shares, rest = self._shared(
            firing, lambda a: None if a.name in own or RULE_ANNOTATION not in a.annotations else a.labels
        )
        for server, alerts in zip(self.servers, shares, strict=True):
            server.restore(alerts, now)
        return rest

    def resume(self, own_rules: Iterable[Rule], holds: Iterable[Hold], seen_at: float) -> list[Hold]:
        """Give each server its timers from before a restart; answers the rest."""
        own = {rule.name for rule in own_rules}
        shares, rest = self._shared(holds, lambda hold: None if hold.rule in own else hold.active.labels)
        for server, held in zip(self.servers, shares, strict=True):
            server.evaluation.resume(held, seen_at)
        return rest

    def _shared(
        self, found: Iterable[_T], labels_of: Callable[[_T], Mapping[str, str] | None]
    ) -> tuple[list[list[_T]], list[_T]]:
        """Each server's share, by the labels of what was found, and what is no server's."""
        shares: list[list[_T]] = [[] for _ in self.servers]
        rest: list[_T] = []
        for one in found:
            labels = labels_of(one)
            owners = [] if labels is None else [i for i, server in enumerate(self.servers) if server.owns(labels)]
            # The one with the most labels: another's may be a part of them.
            best = max(owners, key=lambda index: len(self.servers[index].address.labels), default=None)
            (rest if best is None else shares[best]).append(one)
        return shares, rest

    def shift(self, seconds: float) -> None:
        """The clock was set forward: no timer goes by that."""
        for server in self.servers:
            server.evaluation.shift(seconds)


def _is_own(rule: Rule | RecordingRule, recorded: RecordedSeries) -> bool:
    try:
        return is_about_the_bot(rule, recorded)
    except QueryError:
        return False
