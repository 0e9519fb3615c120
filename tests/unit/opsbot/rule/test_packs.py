"""The shipped rules: each fires when it should, is quiet when it should be, and can be asked of a real vLLM."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from opsbot.promql.evaluate import Instant
from opsbot.promql.samples import SampleStore
from opsbot.rule.template import fill
from opsbot.source.exposition import Exposition
from opsbot.watch.recorder import Recorder
from tests.support.rule_packs import Curve, book, evaluated

VLLM = Path(__file__).parents[3] / "data/vllm-0.32.0-metrics-under-load.txt"
TARGET = 'cluster="eu",instance="eu:1",job="serving"'
ENGINE = f'{TARGET},engine="0",model_name="m"'
BOT = 'cluster="opsbot",instance="bot:1",job="opsbot"'
RUN_S = 900

NEEDS_MORE_THAN_VLLM = {
    "BatchSaturated",
    "BatchStarved",
    "BotMessagesWait",
    "BotNotHeard",
    "BotNotReady",
    "BotRoundsLate",
    "BotRulesFailing",
    "BotRoleDown",
    "BotSamplesRefused",
    "BotTargetsNotRead",
    "CountryCrossOver",
    "LeaseOutlivesIncident",
    "MetricsFrozen",
    "RequestsTurnedAway",
    "RunNeedsPerson",
    "RunbookFilesBad",
}
"""Silent on this vLLM: asks for the door's, the bot's or the process's own metrics, or for its MFU counters, which were
off."""

NEEDS_HOURS = {
    f"{budget}BudgetSpentIn{span}" for budget in ("FirstToken", "TokenGap") for span in ("AnHour", "SixHours")
}
"""Silent on a quarter of an hour: they judge hours only once they saw them."""


def level(value: float) -> Curve:
    """Always the same."""
    return lambda passed: value


def grows(per_s: float) -> Curve:
    """A counter."""
    return lambda passed: per_s * passed


def turns(at_s: float, before: float, after: float) -> Curve:
    """A gauge that changes."""
    return lambda passed: before if passed < at_s else after


def bends(at_s: float, before_per_s: float, after_per_s: float) -> Curve:
    """A counter whose rate changes."""
    return lambda passed: before_per_s * min(passed, at_s) + after_per_s * max(passed - at_s, 0)


def peak(begin_s: float, end_s: float, usual_per_s: float, per_s: float) -> Curve:
    """A counter with another rate for a while."""
    return lambda passed: usual_per_s * passed + (per_s - usual_per_s) * max(0, min(passed, end_s) - begin_s)


def finished(reason: str) -> str:
    """The counter of requests that ended so."""
    return f'vllm:request_success_total{{{ENGINE},finished_reason="{reason}"}}'


TTFT, ITL, QUEUE = (
    "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:request_queue_time_seconds",
)  # fmt: skip
RUNNING, WAITING = f"vllm:num_requests_running{{{ENGINE}}}", f"vllm:num_requests_waiting{{{ENGINE}}}"
KV, PREEMPTED = f"vllm:kv_cache_usage_perc{{{ENGINE}}}", f"vllm:num_preemptions_total{{{ENGINE}}}"
GENERATED, PROMPTED = f"vllm:generation_tokens_total{{{ENGINE}}}", f"vllm:prompt_tokens_total{{{ENGINE}}}"
HITS, QUERIES = f"vllm:prefix_cache_hits_total{{{ENGINE}}}", f"vllm:prefix_cache_queries_total{{{ENGINE}}}"
FLOPS = f"vllm:estimated_flops_per_gpu_total{{{ENGINE}}}"
READ, WRITTEN = (f"vllm:estimated_{way}_bytes_per_gpu_total{{{ENGINE}}}" for way in ("read", "write"))
DOOR, SHED = (
    f'frontdoor_requests_total{{{TARGET},class="paid"}}',
    f'frontdoor_requests_shed_total{{{TARGET},class="paid"}}',
)
LEASES, PROCESS = f'serving_open_leases{{{TARGET},knob="batch"}}', f"process_cpu_seconds_total{{{TARGET}}}"
UP, BOT_UP = f"up{{{TARGET}}}", f"up{{{BOT}}}"
OPEN, RECEIVED = f'opsbot_incidents{{{BOT},state="open"}}', f"opsbot_alerts_received_total{{{BOT}}}"
STUCK_RUNS, BAD_FILES = f'opsbot_runs{{{BOT},state="needs_person"}}', f"opsbot_runbook_files_bad{{{BOT}}}"
READY, OLDEST = f"opsbot_ready{{{BOT}}}", f"opsbot_outbox_oldest_age_seconds{{{BOT}}}"
FAILING, LATE = f"opsbot_watch_rules_failing{{{BOT}}}", f"opsbot_watch_rounds_late_total{{{BOT}}}"
LIST = f'opsbot_watch_source_up{{{BOT},kind="targets_file",source="targets.yaml"}}'
REFUSED, UNHEARD = f"opsbot_watch_samples_refused_total{{{BOT}}}", f"opsbot_watch_door_failures_total{{{BOT}}}"


def from_country(code: str) -> str:
    """The counter of a country's requests."""
    return f'frontdoor_requests_by_country_total{{{TARGET},country="{code}"}}'


def sister(series: str, value: float) -> dict[str, Curve]:
    """The same of another cluster that serves the model."""
    return {series.replace('cluster="eu"', 'cluster="us"').replace('"eu:1"', '"us:1"'): level(value)}


def histogram(name: str, limit: str, fast: Curve, all_of_them: Curve) -> dict[str, Curve]:
    """A histogram with one bucket that counts."""
    return {
        f'{name}_bucket{{{ENGINE},le="{limit}"}}': fast,
        f'{name}_bucket{{{ENGINE},le="+Inf"}}': all_of_them,
        f"{name}_count{{{ENGINE}}}": all_of_them,
    }


CALM: Mapping[str, Curve] = {
    UP: level(1), BOT_UP: level(1), RUNNING: level(16), WAITING: level(0), KV: level(0.5), PREEMPTED: grows(0),
    GENERATED: grows(400), PROMPTED: grows(800), HITS: grows(500), QUERIES: grows(800),
    FLOPS: grows(5e13), READ: grows(1e12), WRITTEN: grows(0),
    **histogram(TTFT, "2.5", grows(1.998), grows(2)),
    **histogram(ITL, "0.2", grows(399), grows(400)),
    **histogram(QUEUE, "5.0", grows(2), grows(2)),
    finished("stop"): grows(1.9), finished("abort"): grows(0.08), finished("error"): grows(0.02),
    DOOR: grows(2), SHED: grows(0.02), LEASES: level(0), PROCESS: grows(0.7),
    from_country("DE"): grows(1.2), from_country("FR"): grows(0.8), from_country("unknown"): grows(5),
    OPEN: level(0), RECEIVED: level(0), STUCK_RUNS: level(0), BAD_FILES: level(0),
    FAILING: level(0), LATE: grows(0), REFUSED: grows(0), UNHEARD: grows(0), LIST: level(1),
    READY: level(1), OLDEST: level(0),
}  # fmt: skip
"""Everything is well: 2 requests a second."""

CASES: Mapping[str, tuple[Mapping[str, Curve], set[str]]] = {
    "nothing is wrong": ({}, set()),
    "nobody asks": (
        {text: level(0) for text in CALM if "_total" in text or "_bucket" in text or "_count" in text}
        | {PROCESS: grows(0.1), RUNNING: level(0)},
        set(),
    ),
    "a fifth of the first tokens is late": (
        histogram(TTFT, "2.5", bends(300, 2, 1.6), grows(2)),
        {"FirstTokenBudgetBurnsFast", "FirstTokenBudgetBurnsSlowly"},
    ),
    "a twelfth of the first tokens is late for long": (
        histogram(TTFT, "2.5", grows(1.84), grows(2)), {"FirstTokenBudgetBurnsSlowly"},
    ),
    "first tokens were late for half a minute": (histogram(TTFT, "2.5", peak(300, 330, 2, 1.4), grows(2)), set()),
    "a fifth of the gaps is long": (
        histogram(ITL, "0.2", bends(300, 400, 320), grows(400)),
        {"TokenGapBudgetBurnsFast", "TokenGapBudgetBurnsSlowly"},
    ),
    "a twelfth of the gaps is long": (histogram(ITL, "0.2", grows(368), grows(400)), {"TokenGapBudgetBurnsSlowly"}),
    "one in five waits long": (
        {f'{QUEUE}_bucket{{{ENGINE},le="10.0"}}': grows(2)} | histogram(QUEUE, "5.0", bends(300, 2, 1.6), grows(2)),
        {"QueueTimeHigh"},
    ),
    "one in twenty waits long": (
        {f'{QUEUE}_bucket{{{ENGINE},le="10.0"}}': grows(2)} | histogram(QUEUE, "5.0", grows(1.9), grows(2)), set(),
    ),
    "the queue grows": ({WAITING: lambda passed: max(0.0, (passed - 200) / 5)}, {"QueueGrows"}),
    "the queue is long but shrinks": ({WAITING: lambda passed: 200 - passed / 5}, set()),
    "more is asked than can be given": ({WAITING: level(200)}, {"CapacityExhausted"}),
    "a cluster is overloaded, its sister has room": (
        {WAITING: level(40), **sister(RUNNING, 8), **sister(WAITING, 0)}, {"ClusterOverloaded"},
    ),
    "a cluster is overloaded, and so is its sister": (
        {WAITING: level(40), **sister(RUNNING, 16), **sister(WAITING, 40)}, set(),
    ),
    "the cache is nearly full": ({KV: level(0.97)}, {"KVCacheNearlyFull"}),
    "the cache is full now and then": ({KV: lambda passed: 0.97 if passed % 60 else 0.8}, set()),
    "a storm of preemptions": ({PREEMPTED: bends(300, 0, 4)}, {"PreemptionStorm"}),
    "a preemption now and then": ({PREEMPTED: grows(0.5)}, set()),
    "pressure": (
        {KV: turns(300, 0.5, 0.9), PREEMPTED: bends(300, 0, 1)}, {"KVCachePressure"},
    ),
    "the prefix cache stops helping": ({HITS: bends(660, 500, 100)}, {"PrefixCacheCollapse"}),
    "the prefix cache never helped": ({HITS: grows(80)}, set()),
    "the engine stands still": (
        {GENERATED: bends(300, 400, 0), PROMPTED: bends(300, 800, 0)}, {"HealthyButNotServing"},
    ),
    "the batch is starved": ({FLOPS: grows(2e12), WAITING: level(4)}, {"BatchStarved"}),
    "the batch is small because few ask": ({FLOPS: grows(2e12)}, set()),
    "the batch is saturated": ({FLOPS: grows(2.6e14), WAITING: level(4)}, {"BatchSaturated"}),
    "our own ridge is another one": (
        {
            FLOPS: grows(2.6e14), WAITING: level(4),
            f"serving_ridge_point_ops_per_byte{{{ENGINE}}}": level(1000),
        },
        set(),
    ),
    "the engine does not count its operations": ({FLOPS: grows(0), READ: grows(0), WAITING: level(4)}, set()),
    "requests fail": ({finished("error"): bends(300, 0, 0.4)}, {"RequestsFail"}),
    "callers give up": ({finished("abort"): bends(300, 0, 1.5)}, {"RequestsAborted"}),
    "the door refuses": ({SHED: bends(300, 0, 0.5)}, {"RequestsTurnedAway"}),
    "a surge": ({DOOR: bends(700, 2, 9)}, {"TrafficSurge"}),
    "a surge is small": ({DOOR: bends(700, 2, 4)}, set()),
    "another country leads": ({from_country("FR"): bends(700, 0.8, 3)}, {"CountryCrossOver"}),
    "another country grows but does not lead": ({from_country("FR"): bends(700, 0.8, 1.15)}, set()),
    "a lease without an incident": ({LEASES: level(1)}, {"LeaseOutlivesIncident"}),
    "a lease in an incident": ({LEASES: level(1), OPEN: level(1)}, set()),
    "the metrics stand still": ({PROCESS: bends(300, 0.7, 0)}, {"MetricsFrozen"}),
    "rules cannot be evaluated": ({FAILING: turns(300, 0, 2)}, {"BotRulesFailing"}),
    "a role of the bot is gone": ({BOT_UP: turns(300, 1, 0)}, {"BotRoleDown"}),
    "rounds are late": ({LATE: grows(0.5)}, {"BotRoundsLate"}),
    "a round is late now and then": ({LATE: grows(0.02)}, set()),
    "a list of targets is gone": ({LIST: turns(300, 1, 0)}, {"BotTargetsNotRead"}),
    "a list of targets is read again": ({LIST: lambda passed: float(not 300 <= passed < 340)}, set()),
    "series are refused": ({REFUSED: grows(1)}, {"BotSamplesRefused"}),
    "core is away": ({UNHEARD: bends(300, 0, 1)}, {"BotNotHeard"}),
    "a role is not ready": ({READY: turns(300, 1, 0)}, {"BotNotReady"}),
    "messages do not arrive": ({OLDEST: grows(0.8)}, {"BotMessagesWait"}),
    "messages wait for a while": ({OLDEST: level(200)}, set()),
    "a run needs a person": ({STUCK_RUNS: level(1)}, {"RunNeedsPerson"}),
    "a runbook is bad": ({BAD_FILES: level(1)}, {"RunbookFilesBad"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_fires_and_what_does_not(name: str) -> None:
    """In a quarter of an hour of each story exactly the alerts that it is about fire."""
    changes, expected = CASES[name]
    assert evaluated({**CALM, **changes}, RUN_S).fired == expected


def test_an_engine_without_its_metrics_is_noticed() -> None:
    """It answers the scraper, but what it answers is not vLLM's."""
    assert evaluated({UP: level(1)}, 120).fired == {"EngineMetricsMissing"}


HOURS_S, LONG_STEP_S = 6.5 * 3600, 30
LONG_CASES: Mapping[str, tuple[Mapping[str, Curve], set[str]]] = {
    "first tokens are late for two and a half hours": (
        histogram(TTFT, "2.5", bends(4 * 3600, 1.998, 1.6), grows(2)),
        {
            "FirstTokenBudgetBurnsFast", "FirstTokenBudgetBurnsSlowly", "FirstTokenBudgetSpentInAnHour",
            "FirstTokenBudgetSpentInSixHours",
        },
    ),
    "a twelfth of the first tokens is late all day": (
        histogram(TTFT, "2.5", grows(1.84), grows(2)),
        {"FirstTokenBudgetBurnsSlowly", "FirstTokenBudgetSpentInSixHours"},
    ),
    "first tokens were late for a quarter of an hour": (
        histogram(TTFT, "2.5", peak(6000, 6900, 1.998, 1.6), grows(2)),
        {"FirstTokenBudgetBurnsFast", "FirstTokenBudgetBurnsSlowly"},
    ),
    "gaps are long for two and a half hours": (
        histogram(ITL, "0.2", bends(4 * 3600, 399, 320), grows(400)),
        {
            "TokenGapBudgetBurnsFast", "TokenGapBudgetBurnsSlowly", "TokenGapBudgetSpentInAnHour",
            "TokenGapBudgetSpentInSixHours",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG_CASES)
def test_what_fires_over_hours(name: str) -> None:
    """Long windows see the samples that were thinned; a quarter of an hour is no hour."""
    changes, expected = LONG_CASES[name]
    series = {text: curve for text, curve in CALM.items() if UP in text or "vllm" in text} | dict(changes)
    assert evaluated(series, HOURS_S, LONG_STEP_S).fired == expected


def test_every_shipped_alert_has_a_story() -> None:
    """Which fires it."""
    stories = [*CASES.values(), *LONG_CASES.values()]
    told = set().union(*(expected for _, expected in stories)) | {"EngineMetricsMissing"}
    assert told == {rule.name for rule in book().rules}


def test_alerts_end_with_their_cause() -> None:
    """A peak of late first tokens is over some time after it is."""
    told = evaluated({**CALM, **histogram(TTFT, "2.5", peak(200, 400, 2, 1.4), grows(2))}, 1200)
    assert "FirstTokenBudgetBurnsFast" in told.fired
    assert told.is_over("FirstTokenBudgetBurnsFast")


def test_a_lease_left_behind_is_not_over_because_its_own_incident_opened() -> None:
    """It is when the lease is gone."""
    told = evaluated({**CALM, LEASES: level(1), OPEN: turns(630, 0, 1)}, RUN_S)
    assert "LeaseOutlivesIncident" in told.fired
    assert not told.is_over("LeaseOutlivesIncident")
    assert evaluated({**CALM, LEASES: turns(700, 1, 0), OPEN: turns(630, 0, 1)}, RUN_S).is_over("LeaseOutlivesIncident")


def test_every_alert_tells_people_what_it_means() -> None:
    """A summary of one line and a description, both without anything left to fill in."""
    labels = dict.fromkeys(("cluster", "model_name", "instance", "country", "source"), "x")
    for rule in book().rules:
        for key in ("summary", "description"):
            text = fill(rule.annotations[key], labels, 0.5)
            assert "{{" not in text
            assert "(no label" not in text, rule.name
        assert len(rule.annotations["summary"]) < 100
        assert rule.labels["service"] in ("serving", "opsbot")


def test_every_rule_can_be_asked_of_a_real_vllm() -> None:
    """On an exposition of vLLM 0.32 under load every expression has a value, and all but some have data to judge by."""
    rules, store, now = book(), SampleStore(), 2_000_000.0
    reader = Exposition({"cluster": "eu", "instance": "eu:1", "job": "serving"}, {})
    values = reader.read(VLLM.read_text())
    recorder = Recorder(store)
    ups = Exposition({"cluster": "eu", "instance": "eu:1", "job": "serving"}, {})
    ups.read("up 1\n")
    for step in range(180):
        at = now + 5 * step
        # Counters as if they had grown evenly; gauges are then wrong, which no expression minds.
        store.sheet("vllm").append(at, reader.labels, [value * step / 179 for value in values])
        store.sheet("up").append(at, ups.labels, [1.0])
        recorder.record(rules.recordings, Instant(store, at), at)
    assert recorder.num_failing == 0
    silent = set()
    for rule in rules.rules:
        instant = Instant(store, at)
        value = instant.value(rule.expr)
        assert not isinstance(value, float)
        if not instant.answerable(rule.expr):
            silent.add(rule.name)
    assert silent == NEEDS_MORE_THAN_VLLM | NEEDS_HOURS
    recorded = {rule.name: Instant(store, at).value(rule.expr) for rule in rules.recordings}
    p90 = recorded["serving:queue_time:p90_2m"]
    assert not isinstance(p90, float)
    assert [math.isfinite(value) for _, value in p90] == [True]
