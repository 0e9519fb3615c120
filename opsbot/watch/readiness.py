"""When watch is ready: rules are in force and a round was evaluated a moment ago. Core being away is a warning."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.readiness import Readiness
from opsbot.rule.book import RuleBook
from opsbot.source.scrape import Scraper
from opsbot.watch.door import DoorClient
from opsbot.watch.status import Rounds

STALE_ROUNDS = 5
LEAST_STALE_S = 5.0


def watch_readiness(
    book: RuleBook,
    rounds: Rounds,
    door: DoorClient,
    scrapers: Sequence[Scraper],
    monotonic_s: float,
    interval_s: float,
    silent_sources: Sequence[str] = (),
) -> Readiness:
    """Judged from what the role's parts say of themselves.

    Args:
        monotonic_s: now on the clock of `Rounds.last_at_s`.
        silent_sources: what else does not answer, in words.
    """
    reasons: list[str] = []
    warnings: list[str] = []
    num_rules = len(book.rules) + len(book.recordings)
    if rounds.last_at_s is None:
        reasons.append("no round of rules was evaluated yet")
    else:
        age_s = monotonic_s - rounds.last_at_s
        if age_s > max(LEAST_STALE_S, STALE_ROUNDS * interval_s):
            reasons.append(f"the last round of rules was evaluated {age_s:.0f} s ago")
        if not num_rules:
            reasons.append("no rule is in force; `opsbot check` says what is wrong with the files of `alert_rules`")
        elif not book.is_complete:
            warnings.append("a rule file has a problem; its last good revision is in force, if there is one")
    if door.problem:
        warnings.append(door.problem)
    silent = [scraper.target.instance for scraper in scrapers if scraper.health.failing_since is not None]
    if silent:
        shown = ", ".join(silent[:3]) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")
        warnings.append(f"no metrics from {shown}")
    warnings += [f"{name} does not answer" for name in silent_sources]
    return Readiness(tuple(reasons), tuple(warnings))
