"""Rules to alerts: inactive → pending → firing → resolved. Pure: vectors and a time in, alerts out.

A firing alert with a `clear_expr` ends only when that yields its labels for `clear_for`. When the data behind a
firing alert is missing, `no_data` decides; by default it is held, and said to be held.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from opsbot.alert.alert import Alert, AlertState
from opsbot.promql.samples import NAME, Labels, freeze
from opsbot.promql.vector import Element, Value
from opsbot.rule.model import Rule

BLIND_ANNOTATION = "opsbot_blind"
"""Set to "true" on an alert whose data is missing and whose state is therefore only held."""
VALUE_ANNOTATION = "opsbot_value"

_PLACEHOLDER = re.compile(r"\{\{\s*\$?(?:labels\.)?([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """A pending or firing alert of one rule.

    Args:
        element_labels: the labels of the element that caused it, without the metric name.
        active_since: since when `expr` holds, seconds since the epoch.
        last_true_at: when `expr` held last.
        clear_since: since when `clear_expr` holds, or None.
    """

    rule_name: str
    element_labels: Mapping[str, str]
    state: AlertState
    active_since: float
    fired_at: float | None
    last_true_at: float
    clear_since: float | None
    value: float | None
    is_blind: bool = False


RuleState = Mapping[Labels, ActiveAlert]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one evaluation of a rule's expressions yielded.

    Args:
        expr: elements of `expr`; a number counts as no element.
        clear: elements of `clear_expr`; empty without one.
        present: label sets (without names) of every element of every selector in the rule: what there is data for.
    """

    expr: Value
    clear: Value
    present: frozenset[Labels]


def evaluate(
    rule: Rule, state: RuleState, reading: Reading, now: float
) -> tuple[dict[Labels, ActiveAlert], list[Alert]]:
    """The rule's next state, and every alert that fires now or has just resolved."""
    holding = {_key(e): e for e in _vector(reading.expr)}
    clearing = {_key(e) for e in _vector(reading.clear)}
    next_state: dict[Labels, ActiveAlert] = {}
    alerts: list[Alert] = []
    for key in sorted(state.keys() | holding.keys()):
        element, known = holding.get(key), state.get(key)
        active = _advance(rule, known, element, key in clearing, _has_data(key, reading.present), now)
        if active is None:
            if known is not None and known.state is AlertState.FIRING:
                alerts.append(_alert(rule, known, AlertState.RESOLVED, now))
            continue
        next_state[key] = active
        if active.state is AlertState.FIRING:
            alerts.append(_alert(rule, active, AlertState.FIRING, now))
    return next_state, alerts


def _advance(
    rule: Rule, known: ActiveAlert | None, element: Element | None, is_clear: bool, has_data: bool, now: float
) -> ActiveAlert | None:
    if known is None:
        assert element is not None
        known = ActiveAlert(
            rule.name, _element_labels(element), AlertState.PENDING, now, None, now, None, element.value
        )
    if element is not None:
        known = replace(known, last_true_at=now, value=element.value, is_blind=False)
    if known.state is AlertState.PENDING:
        if element is None:
            return None
        if now - known.active_since >= rule.for_s:
            return replace(known, state=AlertState.FIRING, fired_at=now)
        return known
    if not has_data and element is None:
        if rule.no_data == "resolve":
            return None
        return replace(known, is_blind=True, clear_since=None)
    known = replace(known, is_blind=False)
    if rule.clear_expr is None:
        is_over = element is None and now - known.last_true_at >= rule.keep_firing_for_s
        return None if is_over else known
    if not is_clear:
        return replace(known, clear_since=None)
    clear_since = known.clear_since if known.clear_since is not None else now
    if now - clear_since >= rule.clear_for_s and now - known.last_true_at >= rule.keep_firing_for_s:
        return None
    return replace(known, clear_since=clear_since)


def restored(rule: Rule, alert: Alert) -> tuple[Labels, ActiveAlert]:
    """A firing alert that core remembers, as this rule's state, so that a restart neither forgets nor ends it."""
    added = {"alertname", *rule.labels}
    labels = {name: value for name, value in alert.labels.items() if name not in added}
    active = ActiveAlert(
        rule.name, labels, AlertState.FIRING, alert.starts_at, alert.starts_at, alert.starts_at, None, alert.value
    )
    return freeze(labels), active


def _has_data(key: Labels, present: frozenset[Labels]) -> bool:
    """Whether any series that the rule reads agrees with the alert's labels."""
    wanted = dict(key)
    return any(all(dict(labels).get(name, value) == value for name, value in wanted.items()) for labels in present)


def _vector(value: Value) -> Iterable[Element]:
    return [] if isinstance(value, float) else value


def _element_labels(element: Element) -> Mapping[str, str]:
    return {name: value for name, value in element.labels.items() if name != NAME}


def _key(element: Element) -> Labels:
    return freeze(_element_labels(element))


def _alert(rule: Rule, active: ActiveAlert, state: AlertState, now: float) -> Alert:
    labels = {**active.element_labels, **rule.labels, "alertname": rule.name}
    annotations = {name: _fill(text, labels, active.value) for name, text in rule.annotations.items()}
    if active.value is not None:
        annotations[VALUE_ANNOTATION] = repr(active.value)
    if active.is_blind and state is AlertState.FIRING:
        annotations[BLIND_ANNOTATION] = "true"
    assert active.fired_at is not None
    return Alert(
        labels=labels,
        annotations=annotations,
        state=state,
        starts_at=active.fired_at,
        ends_at=now if state is AlertState.RESOLVED else None,
        value=active.value,
    )


def _fill(text: str, labels: Mapping[str, str], value: float | None) -> str:
    def word(match: re.Match[str]) -> str:
        if match[1] == "value":
            return "unknown" if value is None else f"{value:.4g}"
        return labels.get(match[1], f"(no label {match[1]})")

    return _PLACEHOLDER.sub(word, text)
