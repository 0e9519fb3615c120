"""The utilisation post: tok/min, the share of capacity, and where it goes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from opsbot.capacity.text import percent, quantity
from opsbot.chart.picture import Picture
from opsbot.utilisation.moment import moment, zone_name
from opsbot.utilisation.report import Report, Row, key_of
from opsbot.utilisation.trend import Pace, trend
from opsbot.vitals.day import FleetDay, Load, Peak
from opsbot.vitals.text import lease_text
from opsbot.vitals.vitals import Fleet

MOST_ROWS = 12
MOST_NAMED = 4
MOST_LEASES = 6


def utilisation_post(
    day: FleetDay,
    slot: float,
    zone: ZoneInfo,
    notes: Sequence[str] = (),
    picture: Picture | None = None,
    pace: Pace | None = None,
) -> Report:
    """The post of one slot."""
    title = f"{quantity(day.tokens_now)} tokens a minute"
    title += f", {percent(day.used_now)} of capacity" if day.used_now is not None else ""
    lines = [trend(day, zone, pace)]
    if day.peak is not None:
        lines.append(f"Peak of the last {day.span}: {peak_words(day.peak, day.at, zone)}.")
    facts = {"tokens_per_min": day.tokens_now or 0.0}
    return Report(
        key=key_of("post", slot),
        kind="post",
        slot=slot,
        made_at=day.at,
        title=title,
        lines=tuple(lines),
        rows=load_rows(day.loads) if len(day.loads) > 1 else (),
        columns=("tok/min", "full"),
        notes=(*missing_words(day), *notes, zone_words(zone, day.at)),
        facts=facts,
        picture=picture,
    )


def peak_words(peak: Peak, now: float, zone: ZoneInfo) -> str:
    """`1.2M tok/min at Thu 14:00, 87% of capacity, most on eu-1`."""
    share = "" if peak.used_ratio is None else f", {percent(peak.used_ratio)} of capacity"
    return f"{quantity(peak.tokens_per_min)} tok/min at {moment(peak.at, now, zone)}{share}, most on {peak.cluster}"


def load_rows(loads: Sequence[Load]) -> tuple[Row, ...]:
    """What each cluster carries, the fullest first; the rest together."""
    shown = loads if len(loads) <= MOST_ROWS else loads[: MOST_ROWS - 1]
    rows = [
        Row(one.cluster, quantity(one.tokens_per_min) if one.tokens_per_min is not None else "no reading",
            "" if one.used_ratio is None else percent(one.used_ratio))
        for one in shown
    ]  # fmt: skip
    rest = loads[len(shown) :]
    if rest:
        rows.append(Row(f"{len(rest)} others", quantity(sum(one.tokens_per_min or 0.0 for one in rest))))
    return tuple(rows)


def missing_words(day: FleetDay) -> tuple[str, ...]:
    """Which clusters give no numbers now; nothing if all do."""
    if not day.missing:
        return ()
    named = ", ".join(day.missing[:MOST_NAMED])
    more = f" and {len(day.missing) - MOST_NAMED} more" if len(day.missing) > MOST_NAMED else ""
    return (f"No numbers now from {named}{more}, so the sum is too small.",)


def lease_words(fleet: Fleet | None) -> str:
    """What is in force now, one sentence."""
    if fleet is None:
        return "What is in force is not known."
    found = [
        f"{name}: {lease_text(lease, fleet.at)}" for name, one in fleet.clusters.items() for lease in one.leases or ()
    ]
    found += [f"the fleet: {lease_text(lease, fleet.at)}" for lease in fleet.leases or ()]
    if found:
        more = f"; {len(found) - MOST_LEASES} more" if len(found) > MOST_LEASES else ""
        return f"In force now: {'; '.join(found[:MOST_LEASES])}{more}."
    unknown = [name for name, one in fleet.clusters.items() if one.leases is None]
    if unknown:
        return f"What is in force is not known of {', '.join(unknown[:MOST_NAMED])}."
    return "No emergency setting is in force now."


def zone_words(zone: ZoneInfo, at: float) -> str:
    """In which zone times are meant; the charts have their own."""
    name = zone_name(zone, at)
    return "Times are UTC." if name == "UTC" else f"Times are {name} ({zone.key}); those in the chart are UTC."
