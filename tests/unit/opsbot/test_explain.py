"""`opsbot explain` says what was decided and what the rule sees, or what is missing to know it."""

from __future__ import annotations

from typing import Any

from opsbot.explain_command import explanation

RULE: dict[str, Any] = {
    "name": "KVCachePressure",
    "file": "policies/alerts/serving.yaml",
    "query": "vllm:kv_cache_usage_perc > 0.85",
    "state": "inactive",
    "duration": 30.0,
    "lastError": "",
    "alerts": [],
}
OPENED: dict[str, Any] = {
    "at": 1_700_000_000.0,
    "fingerprint": "f",
    "alertname": "KVCachePressure",
    "kind": "incident.opened",
    "text": "KVCachePressure fires: KV cache pressure on eu-1",
}
INCIDENT: dict[str, Any] = {
    "incident_id": "INC-3",
    "state": "resolved",
    "title": "KV cache pressure on eu-1",
    "labels": {"alertname": "KVCachePressure"},
    "opened_at": 1_700_000_000.0,
    "resolved_at": 1_700_000_060.0,
    "acknowledged_by": "U1",
}


def test_who_was_paged_reads_why() -> None:
    """The rule now, the incident, and each decision in order; asked by the incident's id, the rule is found too."""
    dropped = {**OPENED, "at": 1_700_000_090.0, "kind": "alert.dropped", "text": "a late duplicate of episode 1"}
    text = explanation("INC-3", {"incidents": [INCIDENT], "decisions": [OPENED, dropped]}, [RULE])
    assert text.splitlines() == [
        "KVCachePressure (policies/alerts/serving.yaml) is inactive: vllm:kv_cache_usage_perc > 0.85",
        "  its expression does not hold now, so nobody is paged",
        "INC-3 resolved: KV cache pressure on eu-1 "
        "(opened 2023-11-14T22:13:20Z, resolved 2023-11-14T22:14:20Z, taken by U1)",
        "2023-11-14T22:13:20Z  opened an incident: KVCachePressure fires: KV cache pressure on eu-1",
        "2023-11-14T22:14:50Z  dropped, nobody was paged: a late duplicate of episode 1",
    ]


def test_who_was_not_paged_reads_what_the_rule_sees() -> None:
    """Pending for how long, blind, or not evaluable at all."""
    alert = {
        "state": "pending",
        "labels": {"alertname": "KVCachePressure", "cluster": "eu-1"},
        "activeAt": "2023-11-14T22:13:20Z",
        "value": "0.9",
        "blind": True,
    }
    rule = {**RULE, "state": "pending", "alerts": [alert]}
    text = explanation("KVCachePressure", {"incidents": [], "decisions": []}, [rule])
    assert "  pending since 2023-11-14T22:13:20Z at 0.9: cluster=eu-1, blind: its data is missing" in text
    assert "  it fires, and pages, once it has held for 30 s" in text
    assert "Nothing was decided about 'KVCachePressure' in the last 30 days" in text
    broken = explanation("KVCachePressure", {"incidents": [], "decisions": []}, [{**RULE, "lastError": "many-to-many"}])
    assert "  it cannot be evaluated: many-to-many" in broken
    assert "does not hold" not in broken


def test_a_misspelt_name_is_told_the_nearest() -> None:
    """And where watch does not answer, that is said instead of a guess."""
    nothing: dict[str, Any] = {"incidents": [], "decisions": []}
    assert "did you mean 'KVCachePressure'?" in explanation("KVCachePresure", nothing, [RULE])
    silent = explanation("KVCachePressure", nothing, "watch does not answer at http://127.0.0.1:8071")
    assert "What the rule sees now is not known: watch does not answer" in silent
    assert "No rule of that name" not in silent
