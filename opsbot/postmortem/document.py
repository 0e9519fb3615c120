"""A postmortem in Markdown: what the bot knows is filled in, what only people know is asked for.

Pure: core's JSON goes in, text comes out. The order is that of Google's SRE book, appendix D, "Example Postmortem".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opsbot.incident.explanation import words_of

Json = Mapping[str, Any]

MOST_ALERTS = 30
FOR_PEOPLE = (
    ("Root cause", "What made this possible? Not who: what."),
    ("What went well", "What would you keep?"),
    ("What went wrong", "Where were we late, blind or wrong?"),
    ("Where we got lucky", "What would have made it worse, and was only chance?"),
)


def document(view: Json, decisions: Sequence[Json], charts: Sequence[tuple[str, str]], now: float) -> str:
    """The whole document.

    Args:
        view: an incident as core's `/api/v1/incidents/{id}` answers it.
        decisions: of core's `/api/v1/explain`.
        charts: (caption, file name) of each picture beside the document.
        now: seconds since the epoch; an incident that is open lasts until then.
    """
    incident = view["incident"]
    lines = [
        f"# {incident['incident_id']}: {incident['title']}",
        "",
        *_summary(view, now),
        "",
        *_pictures(charts),
        "## Timeline",
        "",
        "All times are UTC.",
        "",
        "| time | who | what |",
        "| --- | --- | --- |",
        *(f"| {_time(entry['at'])} | {_who(entry)} | {_cell(entry['text'])} |" for entry in view["timeline"]),
        "",
        *_alerts(view),
        *_runs(view["runs"]),
        *_related(view),
        *_decisions(decisions),
        *_reviews(view["timeline"]),
    ]
    for title, question in FOR_PEOPLE:
        lines += [f"## {title}", "", f"_{question}_", ""]
    lines += [
        "## Action items",
        "",
        "| what | who | until | ticket |",
        "| --- | --- | --- | --- |",
        "|  |  |  |  |",
        "",
    ]
    return "\n".join(lines)


def _summary(view: Json, now: float) -> Iterator[str]:
    incident = view["incident"]
    opened_at, resolved_at = incident["opened_at"], incident["resolved_at"]
    ended = now if resolved_at is None else resolved_at
    yield "| | |"
    yield "| --- | --- |"
    yield f"| Severity | {incident['severity']} |"
    yield f"| State | {incident['state']} |"
    yield f"| Where | {_cell(incident['labels'].get('cluster', 'several places'))} |"
    yield f"| Began | {_moment(opened_at)} |"
    yield f"| Ended | {'not yet' if resolved_at is None else _moment(resolved_at)} |"
    yield f"| Lasted | {_length(ended - opened_at)}{' so far' if resolved_at is None else ''} |"
    for kind, words in (("incident.acknowledged", "Somebody took it after"), ("step.acted", "First change after")):
        at = next((entry["at"] for entry in view["timeline"] if entry["kind"] == kind), None)
        yield f"| {words} | {'never' if at is None else _length(at - opened_at)} |"
    if incident["description"]:
        yield ""
        yield _cell(incident["description"])


def _pictures(charts: Sequence[tuple[str, str]]) -> Iterator[str]:
    for caption, name in charts:
        yield f"![{_cell(caption)}]({name})"
        yield ""


def _alerts(view: Json) -> Iterator[str]:
    alerts = view["alerts"]
    if not alerts:
        return
    yield "## What fired"
    yield ""
    yield "| alert | labels | from | until |"
    yield "| --- | --- | --- | --- |"
    for alert in alerts[:MOST_ALERTS]:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(alert["labels"].items()) if name != "alertname")
        until = "fires" if alert["ends_at"] is None else _time(alert["ends_at"])
        yield f"| {_cell(alert['name'])} | {_cell(labels)} | {_time(alert['starts_at'])} | {until} |"
    left_out = view["incident"]["num_alerts"] - len(alerts[:MOST_ALERTS])
    if left_out > 0:
        yield ""
        yield f"And {left_out} more."
    yield ""


def _runs(runs: Sequence[Json]) -> Iterator[str]:
    if not runs:
        return
    yield "## What the bot did"
    yield ""
    for run in runs:
        yield f"**{_cell(run['runbook_name'])}** ({run['state']}) {_cell(run['detail'])}".rstrip()
        yield ""
        for step in run["steps"]:
            yield f"- {_cell(step['name'])}: {step['state']}. {_cell(step['detail'])}".rstrip(". ")
        yield ""


def _related(view: Json) -> Iterator[str]:
    found = [(one, "dealt with here too") for one in view["merged"]]
    found += [(one, one["reason"]) for one in view["links"]]
    if not found:
        return
    yield "## Related incidents"
    yield ""
    for one, reason in found:
        yield f"- {one['incident_id']} {_cell(one['title'])}: {_cell(reason)}"
    yield ""


def _decisions(decisions: Sequence[Json]) -> Iterator[str]:
    if not decisions:
        return
    yield "## Why people were, or were not, told"
    yield ""
    for decision in decisions:
        name = decision["alertname"] or decision["fingerprint"]
        yield f"- {_time(decision['at'])} {_cell(name)} {words_of(decision['kind'])}: {_cell(decision['text'])}"
    yield ""


def _reviews(timeline: Sequence[Json]) -> Iterator[str]:
    found = [entry for entry in timeline if entry["kind"] == "review.opened"]
    if not found:
        return
    yield "## To review"
    yield ""
    for entry in found:
        yield f"- [ ] {_cell(entry['text'].removeprefix('DRILL: ').removeprefix('To review: '))}"
    yield ""


def _who(entry: Json) -> str:
    return _cell(f"{entry['actor']} ({entry['via']})" if entry["via"] else entry["actor"])


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")


def _length(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _cell(text: str) -> str:
    """Text of others on one line, in which nothing ends a table's cell or begins markup of its own."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;").replace("[", "\\[").replace("`", "\\`")
