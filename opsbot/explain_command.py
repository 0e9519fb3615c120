"""`opsbot explain`: why somebody was paged, or was not. Core says what was decided, watch what the rule sees now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from opsbot.clock import to_rfc3339
from opsbot.config import Settings
from opsbot.incident.explanation import words_of

TIMEOUT_S = 5.0

Json = Mapping[str, Any]


def watched_rules(settings: Settings) -> list[Json] | str:
    """Every alert rule that watch evaluates, with its alerts; or why it does not say."""
    url = f"http://{settings.watch.host}:{settings.watch.port}/api/v1/rules"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False).raise_for_status()
        groups = answer.json()["data"]["groups"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"watch does not answer at {url} ({error})"
    return [
        {**rule, "file": group["file"]} for group in groups for rule in group["rules"] if rule["type"] == "alerting"
    ]


def explanation(about: str, core: Json, rules: Sequence[Json] | str) -> str:
    """What is known about *about*, as text.

    Args:
        core: its answer to `/api/v1/explain`.
        rules: watch's, or why they are not known.
    """
    names = _names(about, core)
    lines = [*_rule_lines(names, rules), *_incident_lines(core["incidents"]), *_decision_lines(core["decisions"])]
    if not core["decisions"]:
        lines.append(
            f"Nothing was decided about {about!r} in the last 30 days: no alert of that name, fingerprint or incident "
            "reached core."
        )
        lines += _near(about, core, rules)
    return "\n".join(lines)


def _names(about: str, core: Json) -> list[str]:
    named = [decision["alertname"] for decision in core["decisions"] if decision["alertname"]]
    labelled = [incident["labels"].get("alertname") for incident in core["incidents"]]
    return list(dict.fromkeys(name for name in (*named, *labelled, about) if name))


def _rule_lines(names: Sequence[str], rules: Sequence[Json] | str) -> Iterator[str]:
    if isinstance(rules, str):
        yield f"What the rule sees now is not known: {rules}."
        return
    for rule in rules:
        if rule["name"] not in names:
            continue
        yield f"{rule['name']} ({rule['file']}) is {rule['state']}: {rule['query']}"
        if rule["lastError"]:
            yield f"  it cannot be evaluated: {rule['lastError']}"
        for alert in rule["alerts"]:
            labels = ", ".join(f"{name}={value}" for name, value in alert["labels"].items() if name != "alertname")
            blind = ", blind: its data is missing and its state is held" if alert.get("blind") else ""
            yield f"  {alert['state']} since {alert['activeAt']} at {alert['value'] or 'no value'}: {labels}{blind}"
        if rule["state"] == "pending":
            yield f"  it fires, and pages, once it has held for {rule['duration']:g} s"
        elif rule["state"] == "inactive" and not rule["lastError"]:
            yield "  its expression does not hold now, so nobody is paged"


def _incident_lines(incidents: Sequence[Json]) -> Iterator[str]:
    for incident in incidents:
        until = f", resolved {to_rfc3339(incident['resolved_at'])}" if incident["resolved_at"] else ""
        who = f", taken by {incident['acknowledged_by']}" if incident["acknowledged_by"] else ""
        yield (
            f"{incident['incident_id']} {incident['state']}: {incident['title']} "
            f"(opened {to_rfc3339(incident['opened_at'])}{until}{who})"
        )


def _decision_lines(decisions: Sequence[Json]) -> Iterator[str]:
    for decision in decisions:
        what = words_of(decision["kind"])
        yield f"{to_rfc3339(decision['at'])}  {what}: {decision['text']}"


def _near(about: str, core: Json, rules: Sequence[Json] | str) -> Iterator[str]:
    if isinstance(rules, str):
        return
    known = [rule["name"] for rule in rules]
    if about not in known:
        near = difflib.get_close_matches(about, known, n=1)
        told = f", did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known)) or 'none'}"
        yield f"No rule of that name is in force{told}"
