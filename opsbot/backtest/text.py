"""A backtest as lines for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from opsbot.backtest.finding import Backtest, Episode, Gap, RuleTotal, Start, totals
from opsbot.yamlfile import format_duration

MOST_ROWS = 200
MOST_GAPS = 20
MOST_LABELS = 60
"""Characters of an alert's labels."""


def lines(found: Backtest) -> list[str]:
    """All of it."""
    return [*_head(found), "", *_episodes(found), "", *_totals(found), *_sights(found)]


def short_labels(labels: Mapping[str, str], without: Collection[str] = ()) -> str:
    """What tells an alert from others of its rule; the cluster first."""
    names = [name for name in labels if name not in ("alertname", "severity") and name not in without]
    names.sort(key=lambda name: (name != "cluster", name))
    text = " ".join(f"{name}={labels[name]}" for name in names)
    return text if len(text) <= MOST_LABELS else f"{text[: MOST_LABELS - 1]}…"


def starts_text(starts: Sequence[Start]) -> str:
    """What its runbooks would have done."""
    said = [
        f"{start.runbook_id} held back: {start.held_back}" if start.held_back else f"{start.runbook_id} starts"
        for start in starts
    ]
    return "; ".join(said)


def _head(found: Backtest) -> list[str]:
    span_s = found.until_s - found.since_s
    said = [
        f"{counted(len(found.severities), 'rule')} over {found.source}, {_at(found.since_s)} to {_at(found.until_s)} "
        f"UTC ({_length(span_s)})"
    ]
    for part in found.stretches:
        apart = f"samples are {format_duration(part.resolution_s)} apart, " if found.is_sampled else ""
        said.append(f"  until {_at(part.ends_at)} {apart}evaluated every {format_duration(part.step_s)}")
    said += [f"  {_gap(gap)}" for gap in found.gaps[:MOST_GAPS]]
    if len(found.gaps) > MOST_GAPS:
        left = sum(gap.ends_at - gap.begins_at for gap in found.gaps[MOST_GAPS:])
        said.append(f"  and {len(found.gaps) - MOST_GAPS} more such times, {_length(left)} in all")
    said += [f"  note: {note}" for note in found.notes]
    return said


def _gap(gap: Gap) -> str:
    who = f"{gap.source} did not run" if gap.source else "nobody watched"
    length = _length(gap.ends_at - gap.begins_at)
    return f"{who} from {_at(gap.begins_at)} to {_at(gap.ends_at)} ({length}): nothing is known, that is not quiet"


def _episodes(found: Backtest) -> list[str]:
    if not found.episodes:
        return ["nothing would have fired"]
    shown = found.episodes[:MOST_ROWS]
    rows: list[Sequence[str]] = [("begins", "alert", "labels", "fired", "severity", "", "incident", "runbooks")]
    rows += [_row(episode, found.until_s) for episode in shown]
    said = _table(rows)
    if len(found.episodes) > MOST_ROWS:
        said.append(f"… and {len(found.episodes) - MOST_ROWS} more; --json has all of them")
    return said


def _row(one: Episode, until_s: float) -> tuple[str, ...]:
    fired = _length(one.length_s(until_s)) + ("…" if one.ends_at is None else "")
    if one.blind_s:
        fired += f" ({_length(one.blind_s)} blind)"
    incident = f"#{one.incident}" if one.incident is not None else one.hidden
    paged = "PAGES" if one.paged_at is not None else ""
    labels = short_labels(one.labels)
    return _at(one.begins_at), one.name, labels, fired, one.severity, paged, incident, starts_text(one.starts)


def _totals(found: Backtest) -> list[str]:
    rows: list[Sequence[str]] = [("rule", "severity", "episodes", "pages", "runs", "held back", "firing", "no data")]
    rows += [_total(row, found) for row in totals(found)]
    num_starts = sum(row.num_starts for row in totals(found))
    return [
        *_table(rows),
        "",
        f"{counted(len(found.episodes), 'episode')}, {counted(found.num_incidents, 'incident')}, "
        f"{counted(found.num_pages, 'page')}, {counted(num_starts, 'run')}",
    ]


def _total(row: RuleTotal, found: Backtest) -> tuple[str, ...]:
    sight = found.sights.get(row.name)
    if sight is None or sight.num_steps == 0:
        no_data = "not evaluated"
    elif sight.num_blind:
        no_data = _share(sight.num_blind, sight.num_steps)
    else:
        no_data = "-"
    counts = (row.num_episodes, row.num_pages, row.num_starts, row.num_held_back)
    firing = _length(row.firing_s) if row.num_episodes else "-"
    return row.name, row.severity, *(str(count) if count else "-" for count in counts), firing, no_data


def _sights(found: Backtest) -> list[str]:
    said = []
    for name, sight in sorted(found.sights.items()):
        if sight.error:
            said.append(f"  {name} could not be evaluated: {sight.error}")
        if sight.unseen:
            how_much = "only in part" if sight.num_steps else "not at all"
            said.append(f"  {name} was evaluated {how_much}: {sight.unseen}")
    return ["", "not fully seen; that they did not fire says nothing there", *said] if said else []


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _at(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _length(seconds: float) -> str:
    return format_duration(round(seconds)) if seconds else "0s"


def _share(part: int, whole: int) -> str:
    percent = 100 * part / whole
    return f"{percent:.0f}%" if percent >= 1 or not percent else "<1%"


def counted(count: int, thing: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
