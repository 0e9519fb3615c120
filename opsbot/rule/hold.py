"""Hold timers across a restart: what `for`, `clear_for` and `keep_firing_for` have counted so far goes on.

Whether an alert held while nobody watched is not known. So a timer goes on over an outage as long as the timer itself,
at least a minute and at most an hour (Prometheus's own limit); over a longer one it begins anew. It does so too when
the rule was edited, for then it may be another's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from opsbot.alert.alert import AlertState
from opsbot.promql.labelset import Labels, freeze
from opsbot.rule.evaluate import ActiveAlert
from opsbot.rule.model import Rule

SHORTEST_S, LONGEST_S = 60.0, 3600.0
"""Of the outages that any timer goes on over. Prometheus's `--rules.alert.for-outage-tolerance` is an hour."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An active alert as it was when it was seen last.

    Args:
        is_true: whether its rule's `expr` held then.
    """

    rule: str
    key: Labels
    active: ActiveAlert
    is_true: bool


def tolerated_s(timer_s: float) -> float:
    """The longest outage that a timer of that length goes on over."""
    return min(max(timer_s, SHORTEST_S), LONGEST_S)


def continued(rule: Rule, hold: Hold, seen_at: float, now: float) -> ActiveAlert | None:
    """The pending alert that goes on; None if it begins anew.

    One that fired is pending again: ask for it only where nobody was told that it fires.

    Args:
        seen_at: when it was seen last, seconds since the epoch.
    """
    if hold.active.revision != rule.revision or now - seen_at > tolerated_s(rule.for_s):
        return None
    # Its data is looked for as long as a pending alert's that has just lost it.
    return replace(
        hold.active,
        state=AlertState.PENDING,
        active_since=min(hold.active.active_since, now),
        fired_at=None,
        last_true_at=now,
        clear_since=None,
    )


def resumed(rule: Rule, active: ActiveAlert, hold: Hold, seen_at: float, now: float) -> ActiveAlert:
    """A firing alert that core remembers, with the timers of its end."""
    if hold.active.revision != rule.revision or hold.active.state is not AlertState.FIRING:
        return active
    outage_s = now - seen_at
    if hold.active.clear_since is not None and outage_s <= tolerated_s(rule.clear_for_s):
        active = replace(active, clear_since=min(hold.active.clear_since, now))
    if not hold.is_true and outage_s <= tolerated_s(rule.keep_firing_for_s):
        active = replace(active, last_true_at=min(hold.active.last_true_at, now))
    return active


def to_text(hold: Hold) -> str:
    """A hold to be kept; without its value, which is what changes all the time."""
    active = hold.active
    return json.dumps(
        {
            "labels": dict(active.labels),
            "element_labels": dict(active.element_labels),
            "revision": active.revision,
            "state": active.state.value,
            "active_since": active.active_since,
            "fired_at": active.fired_at,
            "last_true_at": active.last_true_at,
            "clear_since": active.clear_since,
            "is_for_no_data": active.is_for_no_data,
            "is_true": hold.is_true,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def from_text(rule: str, text: str) -> Hold:
    """What `to_text` was given.

    Raises: ValueError, KeyError or TypeError if it is something else.
    """
    found = json.loads(text)
    active = ActiveAlert(
        labels=_labels(found["labels"]),
        element_labels=_labels(found["element_labels"]),
        revision=str(found["revision"]),
        state=AlertState(found["state"]),
        active_since=float(found["active_since"]),
        fired_at=_seconds(found["fired_at"]),
        last_true_at=float(found["last_true_at"]),
        clear_since=_seconds(found["clear_since"]),
        value=None,
        is_for_no_data=bool(found["is_for_no_data"]),
    )
    return Hold(rule, freeze(active.labels), active, bool(found["is_true"]))


def _labels(found: object) -> Mapping[str, str]:
    if not isinstance(found, dict):
        raise TypeError(f"no labels: {found!r}")
    return {str(name): str(value) for name, value in found.items()}


def _seconds(found: object) -> float | None:
    return None if found is None else float(str(found))
