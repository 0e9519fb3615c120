"""Rules to alerts: inactive → pending → firing → resolved. Pure: vectors and a time in, alerts out.

A firing alert with a `clear_expr` ends only when that holds for its labels for `clear_for`. Missing data is not
recovery: when the data behind an alert is missing, `no_data` decides; by default its state is held, and said to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import InvalidTransition
from opsbot.promql.labelset import EMPTY, NAME, Labels, LabelSet, freeze
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Value
from opsbot.rule.model import Rule
from opsbot.rule.template import fill

BLIND_ANNOTATION = "opsbot_blind"
"""Set to "true" on an alert whose data is missing and whose state is therefore only held."""
VALUE_ANNOTATION = "opsbot_value"
RULE_ANNOTATION = "opsbot_rule"
"""The revision of the rule that an alert comes from: after a restart it tells our alerts from others'."""
END_ANNOTATION = "opsbot_end"
"""Of an alert that ended for another reason than that its rule says so: which one."""
PENDING_HELD_S = 300.0
"""A pending alert without data is forgotten after that; it has told nobody anything yet."""

TRANSITIONS: Mapping[AlertState | None, frozenset[AlertState | None]] = {
    None: frozenset({AlertState.PENDING}),
    AlertState.PENDING: frozenset({AlertState.FIRING, None}),
    AlertState.FIRING: frozenset({AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
}
"""None is inactive: nothing is kept of it."""


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """A pending or firing alert of one rule.

    Args:
        labels: the alert's own: the element's without the metric name, and the rule's.
        element_labels: those of the element that caused it.
        revision: the rule's when the alert began; empty when that is not known.
        active_since: since when `expr` holds, seconds since the epoch.
        last_true_at: when `expr` held last.
        clear_since: since when `clear_expr` holds, or None.
        is_blind: there is no data to say whether it goes on.
        is_for_no_data: missing data is what it is about.
    """

    labels: Mapping[str, str]
    element_labels: Mapping[str, str]
    revision: str
    state: AlertState
    active_since: float
    fired_at: float | None
    last_true_at: float
    clear_since: float | None
    value: float | None
    is_blind: bool = False
    is_for_no_data: bool = False

    def moved(self, to: AlertState | None, now: float) -> ActiveAlert | None:
        """This alert in its next state; None when it becomes inactive.

        Raises: InvalidTransition if it cannot go there.
        """
        if to not in TRANSITIONS[self.state]:
            wanted = to.value if to is not None else "inactive"
            raise InvalidTransition(f"the alert {self.labels.get('alertname')} is {self.state.value}, not {wanted}")
        if to is None:
            return None
        return replace(self, state=to, fired_at=now if to is AlertState.FIRING else self.fired_at)

    def later(self, seconds: float) -> ActiveAlert:
        """This alert with its timers moved; when it fired is what was told, and stays."""
        return replace(
            self,
            active_since=self.active_since + seconds,
            last_true_at=self.last_true_at + seconds,
            clear_since=self.clear_since + seconds if self.clear_since is not None else None,
        )


RuleState = Mapping[Labels, ActiveAlert]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one evaluation of a rule's expressions yielded.

    Args:
        expr: elements of `expr`; a number counts as no element.
        clear: elements of `clear_expr`; empty without one.
        answerable: label sets, without names, for which there is data to say whether `expr` holds.
        clear_answerable: likewise for `clear_expr`.
    """

    expr: Value
    clear: Value
    answerable: frozenset[LabelSet]
    clear_answerable: frozenset[LabelSet]


def evaluate(
    rule: Rule, state: RuleState, reading: Reading, now: float
) -> tuple[dict[Labels, ActiveAlert], list[Alert]]:
    """The rule's next state, and every alert that fires now or has just resolved.

    Raises: QueryError if two elements would be the same alert, or there are more than the rule's limit.
    """
    if not state and not reading.expr and reading.answerable:
        return {}, []
    if rule.limit and (num_elements := sum(1 for _ in _vector(reading.expr))) > rule.limit:
        raise QueryError(f"{num_elements} alerts are more than the group's limit of {rule.limit}")
    own = freeze({**rule.labels, "alertname": rule.name})
    holding = _holding(rule, reading, own)
    is_without_data = not holding and not reading.answerable
    if is_without_data and rule.no_data == "fire":
        holding[own] = Element(EMPTY, math.nan)
    answerable = {labels.overlaid(own).pairs for labels in reading.answerable}
    next_state: dict[Labels, ActiveAlert] = {}
    alerts: list[Alert] = []
    for key in sorted(state.keys() | holding.keys()):
        known, element = state.get(key), holding.get(key)
        if known is None:
            assert element is not None
            known = _pending(rule, element, now, is_for_no_data=is_without_data)
        if element is None and _is_of_older_rule(rule, known, key in answerable, reading):
            active = _ended(known, now)
        elif element is not None and known.is_for_no_data == is_without_data:
            active = _held_true(rule, known, element, now)
        else:
            active = _held_untrue(rule, known, key in answerable, reading, now)
        if active is None:
            continue
        if active.state is not AlertState.RESOLVED:
            next_state[key] = active
        if active.state is not AlertState.PENDING:
            alerts.append(to_alert(rule, active, now))
    return next_state, alerts


def alert_labels(rule: Rule, element_labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels of the alert that an element causes."""
    return {**_without_name(element_labels), **rule.labels, "alertname": rule.name}


def restored(rule: Rule, alert: Alert, now: float) -> tuple[Labels, ActiveAlert]:
    """A firing alert that core remembers, as this rule's state, so that a restart neither forgets nor ends it."""
    own = {"alertname", *rule.labels}
    element_labels = {name: value for name, value in alert.labels.items() if name not in own}
    active = ActiveAlert(
        labels=alert.labels,
        element_labels=element_labels,
        revision=alert.annotations.get(RULE_ANNOTATION, ""),
        state=AlertState.FIRING,
        active_since=alert.starts_at,
        fired_at=alert.starts_at,
        last_true_at=now,
        clear_since=None,
        value=alert.value,
        is_for_no_data=rule.no_data == "fire" and not element_labels,
    )
    return freeze(alert.labels), active


def to_alert(rule: Rule, active: ActiveAlert, now: float) -> Alert:
    """The alert as it is told, firing or resolved."""
    is_over = active.state is AlertState.RESOLVED
    annotations = {name: fill(text, active.labels, active.value) for name, text in rule.annotations.items()}
    annotations[RULE_ANNOTATION] = rule.revision
    if active.value is not None:
        annotations[VALUE_ANNOTATION] = repr(active.value)
    if active.is_blind and not is_over:
        annotations[BLIND_ANNOTATION] = "true"
    assert active.fired_at is not None
    return Alert(
        labels=active.labels,
        annotations=annotations,
        state=active.state,
        starts_at=active.fired_at,
        ends_at=now if is_over else None,
        value=active.value,
    )


def _holding(rule: Rule, reading: Reading, own: Labels) -> dict[Labels, Element]:
    """The elements of `expr` by their alerts' labels, of which *own* are the rule's."""
    found: dict[Labels, Element] = {}
    for element in _vector(reading.expr):
        key = element.labels.without_name().overlaid(own).pairs
        if key in found:
            raise QueryError(f"the alert {rule.name} would fire twice with the labels {dict(key)}")
        found[key] = element
    return found


def _pending(rule: Rule, element: Element, now: float, *, is_for_no_data: bool) -> ActiveAlert:
    return ActiveAlert(
        labels=alert_labels(rule, element.labels),
        element_labels=element.labels.without_name(),
        revision=rule.revision,
        state=AlertState.PENDING,
        active_since=now,
        fired_at=None,
        last_true_at=now,
        clear_since=None,
        value=None,
        is_for_no_data=is_for_no_data,
    )


def _held_true(rule: Rule, known: ActiveAlert, element: Element, now: float) -> ActiveAlert | None:
    known = replace(
        known,
        revision=rule.revision,
        last_true_at=now,
        clear_since=None,
        value=None if known.is_for_no_data else element.value,
        is_blind=False,
    )
    if known.state is AlertState.PENDING and now - known.active_since >= rule.for_s:
        return known.moved(AlertState.FIRING, now)
    return known


def _held_untrue(
    rule: Rule, known: ActiveAlert, is_answerable: bool, reading: Reading, now: float
) -> ActiveAlert | None:
    """The alert when `expr` does not yield it: it does not hold, or there is no data to say."""
    if known.is_for_no_data:
        return _ended(known, now)
    if known.state is AlertState.PENDING:
        is_kept = not is_answerable and rule.no_data != "resolve" and now - known.last_true_at < PENDING_HELD_S
        return replace(known, is_blind=True) if is_kept else known.moved(None, now)
    can_clear = rule.clear_expr is None or _agrees(known, reading.clear_answerable)
    if not is_answerable or not can_clear:
        return _ended(known, now) if rule.no_data == "resolve" else replace(known, is_blind=True, clear_since=None)
    known = replace(known, is_blind=False, revision=rule.revision)
    is_past = now - known.last_true_at >= rule.keep_firing_for_s
    if rule.clear_expr is None:
        return known.moved(AlertState.RESOLVED, now) if is_past else known
    if not _agrees(known, (element.labels for element in _vector(reading.clear))):
        return replace(known, clear_since=None)
    clear_since = known.clear_since if known.clear_since is not None else now
    if is_past and now - clear_since >= rule.clear_for_s:
        return known.moved(AlertState.RESOLVED, now)
    return replace(known, clear_since=clear_since)


def _ended(known: ActiveAlert, now: float) -> ActiveAlert | None:
    return known.moved(AlertState.RESOLVED if known.state is AlertState.FIRING else None, now)


def _is_of_older_rule(rule: Rule, known: ActiveAlert, is_answerable: bool, reading: Reading) -> bool:
    """Whether the rule was edited so that it can no longer yield this alert, while there is data to say so."""
    is_edited = known.revision not in ("", rule.revision)
    return is_edited and not is_answerable and bool(reading.answerable)


def _agrees(known: ActiveAlert, candidates: Iterable[Mapping[str, str]]) -> bool:
    """Whether any label set is the alert's, or is a coarser one that the alert belongs to."""
    own = {**known.labels, **known.element_labels}
    return any(
        all(own.get(name) == value for name, value in _without_name(candidate).items()) for candidate in candidates
    )


def _without_name(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in labels.items() if name != NAME}


def _vector(value: Value) -> Iterable[Element]:
    return [] if isinstance(value, float) else value
