"""The fleet and its day as text that a phone shows whole: a narrow table in fixed width, and sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from opsbot.capacity.text import percent, quantity
from opsbot.slack.text import date, escape, literal
from opsbot.vitals import text
from opsbot.vitals.day import FleetDay
from opsbot.vitals.reading import ARROWS
from opsbot.vitals.vitals import Fleet, Vitals

MOST_CLUSTERS = 24
ROW_CHARS = 34
"""Of a row: so much stands in one line of a phone."""
LEAST_NAME = 8
HEAD = ("", "batch", "KV", "wait", "TTFT")
FIXED = "```"
_ADDRESS = re.compile(r" ?(?:at )?\bhttps?://[^\s`;,)]+(?<![.:])")
"""Of a source or a server: whoever reads on a phone can open none; `opsbot status` at a terminal names it."""


def fleet_lines(fleet: Fleet, before: Fleet, only: str | None = None) -> Iterator[str]:
    """A row for each cluster, what needs eyes first on top; below it what cannot be seen, leases, and gaps."""
    shown = [one for one in fleet.clusters.values() if only in (None, one.cluster)]
    shown = text.worst_first(shown)
    rows = [_cells(one, before.clusters.get(one.cluster)) for one in shown[:MOST_CLUSTERS]]
    if any(cell != text.NOT_KNOWN for row in rows for cell in row[1:]):
        # Backticks would end the table.
        yield FIXED + escape("\n".join(_table(rows)).replace("`", "'")) + FIXED
    if len(shown) > MOST_CLUSTERS:
        yield f"… and {len(shown) - MOST_CLUSTERS} more; `/ops status CLUSTER` shows one, `opsbot status` all"
    for one in shown[:MOST_CLUSTERS]:
        if one.sight != "up":
            yield f"*{literal(one.cluster)}* is {escape(text.sight_text(one))}"
    if only is not None and shown:
        one = shown[0]
        yield f"Held by: {escape(text.held_text(one))} · {text.tokens_text(one)} tok/min, {text.used_text(one)}"
    for one in shown:
        for lease in one.leases or ():
            yield f"• {literal(one.cluster)}: {literal(text.lease_text(lease, fleet.at))}"
    for lease in fleet.leases or ():
        yield f"• the fleet: {literal(text.lease_text(lease, fleet.at))}"
    if fleet.missing:
        yield f"Not known: {literal('; '.join(_ADDRESS.sub('', why) for why in fleet.missing))}"


def _cells(one: Vitals, before: Vitals | None) -> tuple[str, ...]:
    trend = text.kv_trend(one, before)
    kv = f"{text.kv_text(one)}{ARROWS[trend]}" if trend else text.kv_text(one)
    first = text.ttft_text(one).replace("mean ", "~").replace(" ", "")
    return one.cluster, text.batch_text(one).replace(" of ", "/"), kv, text.waiting_text(one), first


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of at most ROW_CHARS: the numbers whole, and as much of the names as there is room for."""
    widths = [max(len(row[at]) for row in (HEAD, *rows)) for at in range(1, len(HEAD))]
    room = max(LEAST_NAME, ROW_CHARS - sum(widths) - len(widths))
    room = min(room, max(len(row[0]) for row in rows))
    for row in (HEAD, *rows):
        name = row[0] if len(row[0]) <= room else f"{row[0][: room - 1]}…"
        numbers = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True))
        yield " ".join((f"{name:<{room}}", *numbers))


def day_lines(day: FleetDay, only: str | None = None) -> Iterator[str]:
    """What is carried now, the peaks, where it goes, and each cluster."""
    if only is None:
        now = "no reading" if day.tokens_now is None else f"*{quantity(day.tokens_now)} tok/min*"
        used = "" if day.used_now is None else f", *{percent(day.used_now)}* of capacity"
        yield f"The fleet carries {now}{used}."
        for name, peak in (("today's", day.peak), ("yesterday's", day.yesterdays_peak)):
            if peak is not None:
                share = "" if peak.used_ratio is None else f" ({percent(peak.used_ratio)})"
                yield (
                    f"• {name} peak: {quantity(peak.tokens_per_min)} tok/min{share}, {date(peak.at)}, "
                    f"most on {literal(peak.cluster)}"
                )
        yield escape(day.sentence)
    for load in day.loads[:MOST_CLUSTERS]:
        if only not in (None, load.cluster):
            continue
        tokens = "no reading" if load.tokens_per_min is None else f"{quantity(load.tokens_per_min)} tok/min"
        share = "" if load.used_ratio is None else f", {percent(load.used_ratio)} {load.bound}"
        able = "" if load.capacity is None else f", it can do about {quantity(load.capacity)}"
        yield f"• *{literal(load.cluster)}* {literal(load.model)}: {tokens}{share}{able}"
    if len(day.loads) > MOST_CLUSTERS and only is None:
        yield f"… and {len(day.loads) - MOST_CLUSTERS} more; `opsbot capacity` lists them"
    yield "`opsbot capacity plan` says how many GPUs a demand needs."
