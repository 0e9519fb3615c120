"""Which figures an alert is told by: a table, looked through from its top; the first row that fits holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.vitals.figure import FIGURES, Figure


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about.

    Args:
        figures: keys of the figures, the most telling first.
        alerts: names of alerts; `labels`: what they carry instead; `words`: what occurs in the rule, where it is known,
            or in the alert's name, whoever wrote it.
    """

    name: str
    figures: tuple[str, ...]
    alerts: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TABLE = (
    Subject("KV cache", ("kv", "waiting", "preemptions"), _names("KVCachePressure KVCacheNearlyFull PreemptionStorm"),
            words="kv.?cache|preempt"),
    Subject("prefix cache", ("prefix_hits", "ttft", "kv"), _names("PrefixCacheCollapse"), words="prefix.?cache"),
    Subject("queue", ("waiting", "ttft", "running"),
            _names("QueueTimeHigh QueueGrows CapacityExhausted ClusterOverloaded"), words="queue|num_requests_waiting"),
    Subject("first token", ("ttft", "waiting", "kv"), labels={"slo": "first_token"},
            words="first.?token|ttft"),
    Subject("token gap", ("itl", "running", "kv"), labels={"slo": "token_gap"},
            words="inter.?token|token.?gap|per_output_token|tpot|(?<![a-z])itl(?![a-z])"),
    Subject("callers who give up", ("aborted", "ttft", "waiting"), _names("RequestsAborted"), words="abort"),
    Subject("turned away", ("turned_away", "requests", "waiting"), _names("RequestsTurnedAway"),
            words="turned.?away|(?<![a-z])shed|failwhale"),
    Subject("errors", ("failed", "requests"), _names("RequestsFail"), words="error|fail|5xx"),
    Subject("stall", ("tokens", "running", "waiting"), _names("HealthyButNotServing"),
            words="(?<!in)stall|not.?serving"),
    Subject("batch", ("running", "waiting", "tokens"), _names("BatchStarved BatchSaturated"),
            words="batch|intensity"),
    Subject("traffic", ("requests", "waiting", "kv"), _names("TrafficSurge CountryCrossOver"),
            words="traffic|surge|arrivals"),
    Subject("sight", ("tokens", "running", "waiting"), _names("EngineMetricsMissing MetricsFrozen MetricsSourceDown")),
    Subject("leases", ("running", "waiting", "tokens"), _names("LeaseOutlivesIncident")),
)  # fmt: skip
DEFAULT = Subject("the cluster", ("kv", "waiting", "ttft"))
"""Of whatever no row fits."""


def subject_of(alertname: str, labels: Mapping[str, str], expr: str = "") -> Subject:
    """The subject of an alert; *expr* is its rule, where that is known.

    Its name decides first, then what it carries, then what words occur in its rule or name.
    """
    for subject in _TABLE:
        if alertname in subject.alerts:
            return subject
    for subject in _TABLE:
        if subject.labels and subject.labels.items() <= labels.items():
            return subject
    for text in (expr, alertname):
        for subject in _TABLE:
            if text and subject.words and re.search(subject.words, text, re.IGNORECASE):
                return subject
    return DEFAULT


def figures_of(subject: Subject) -> tuple[Figure, ...]:
    """The figures themselves."""
    return tuple(FIGURES[key] for key in subject.figures)
