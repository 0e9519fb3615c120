"""Hands hold timers from before a restart to the rules that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from opsbot.alert.alert import AlertState
from opsbot.promql.labelset import Labels
from opsbot.rule.evaluate import ActiveAlert
from opsbot.rule.hold import LONGEST_S, Hold, continued, resumed
from opsbot.rule.model import Rule

States = dict[str, dict[Labels, ActiveAlert]]


@dataclass(slots=True)
class Held:
    """The timers that nobody has taken on yet.

    Args:
        seen_at: when they were seen last, seconds since the epoch.
    """

    waiting: list[Hold] = field(default_factory=list)
    seen_at: float = 0.0

    def pending(self, rules: Sequence[Rule], states: States, now: float) -> None:
        """Pending alerts go on as soon as their rule is there; what waited too long is forgotten."""
        if not self.waiting:
            return
        if now - self.seen_at > LONGEST_S:
            self.waiting.clear()
            return
        by_name = {rule.name: rule for rule in rules}
        for hold in self._taken(by_name, AlertState.PENDING):
            active = continued(by_name[hold.rule], hold, self.seen_at, now)
            if active is not None:
                states.setdefault(hold.rule, {}).setdefault(hold.key, active)

    def shift(self, seconds: float) -> None:
        """The clock was set forward: neither the outage nor any timer is longer for that."""
        self.seen_at += seconds
        self.waiting = [replace(hold, active=hold.active.later(seconds)) for hold in self.waiting]

    def resumed(self, rule: Rule, key: Labels, active: ActiveAlert, now: float) -> ActiveAlert:
        """A firing alert that core remembers, with the timers of its end."""
        for hold in self.waiting:
            if (hold.rule, hold.key) == (rule.name, key):
                self.waiting.remove(hold)
                return resumed(rule, active, hold, self.seen_at, now)
        return active

    def untold(self, rules: Sequence[Rule], states: States, now: float) -> None:
        """Alerts that fired and that core, asked, does not know: it was never told. They fire as of when they began."""
        by_name = {rule.name: rule for rule in rules}
        for hold in self._taken(by_name, AlertState.FIRING):
            known = states.get(hold.rule, {}).get(hold.key)
            active = continued(by_name[hold.rule], hold, self.seen_at, now)
            if known is not None and known.state is AlertState.PENDING and active is not None:
                since = min(known.active_since, active.active_since)
                states[hold.rule][hold.key] = replace(known, active_since=since)

    def _taken(self, rules: dict[str, Rule], state: AlertState) -> list[Hold]:
        taken = [hold for hold in self.waiting if hold.rule in rules and hold.active.state is state]
        self.waiting = [hold for hold in self.waiting if hold not in taken]
        return taken
