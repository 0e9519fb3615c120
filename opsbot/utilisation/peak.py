"""The daily peak: the most that the fleet carried in 24 hours, against the day before and the week before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from opsbot.capacity.text import percent, quantity
from opsbot.chart.picture import Picture
from opsbot.utilisation.moment import day_of, moment
from opsbot.utilisation.post import missing_words, zone_words
from opsbot.utilisation.report import Report, key_of
from opsbot.vitals.day import FleetDay

ALIKE = 0.02
"""A difference below that is none."""


def daily_peak(
    day: FleetDay,
    last_week: float | None,
    leases: Sequence[str],
    slot: float,
    zone: ZoneInfo,
    notes: Sequence[str] = (),
    picture: Picture | None = None,
) -> Report:
    """The post of one slot about a day that has a peak.

    Args:
        last_week: the peak a week before, tokens a minute; None where nobody knows it.
        leases: what was in force at the peak, or is now, in sentences.
    """
    peak = day.peak
    assert peak is not None
    share = "" if peak.used_ratio is None else f", {percent(peak.used_ratio)} of capacity"
    before = None if day.yesterdays_peak is None else day.yesterdays_peak.tokens_per_min
    return Report(
        key=key_of("peak", slot),
        kind="peak",
        slot=slot,
        made_at=day.at,
        title=f"Peak on {day_of(peak.at, zone)}: {quantity(peak.tokens_per_min)} tokens a minute{share}",
        lines=(
            f"At {moment(peak.at, day.at, zone)}, the most of the last {day.span}; {peak.cluster} carried most of it.",
            _compared(peak.tokens_per_min, before, last_week),
            *leases,
        ),
        notes=(*missing_words(day), *notes, zone_words(zone, day.at)),
        facts={"peak_tokens_per_min": peak.tokens_per_min, "peak_at": peak.at},
        picture=picture,
    )


def _compared(now: float, before: float | None, last_week: float | None) -> str:
    if not before and not last_week:
        return "Neither the day before nor a week before is known."
    return f"{_against(now, before, 'the day before')} {_against(now, last_week, 'a week before')}"


def _against(now: float, before: float | None, when: str) -> str:
    if not before:
        return f"What {when} had is not known."
    change = now / before - 1
    if abs(change) < ALIKE:
        return f"As much as {when}."
    return f"{abs(change):.0%} {'more' if change > 0 else 'less'} than {when} ({quantity(before)})."
