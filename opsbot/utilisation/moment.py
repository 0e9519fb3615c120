"""Moments as people of one time zone say them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

NEAR = timedelta(days=6)


def clock(at: float, zone: ZoneInfo) -> str:
    """`14:00`."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")


def moment(at: float, now: float, zone: ZoneInfo) -> str:
    """`14:00` today, `Thu 14:00` within six days, else `2026-11-28 14:00`."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if then.date() == today.date():
        return then.strftime("%H:%M")
    return then.strftime("%a %H:%M" if abs(then - today) < NEAR else "%Y-%m-%d %H:%M")


def about(at: float, now: float, zone: ZoneInfo) -> str:
    """When something is expected, to the half hour: `today about 14:00`, `on Thursday about 09:30`."""
    rounded = round(at / 1800) * 1800.0
    then, today = datetime.fromtimestamp(rounded, zone), datetime.fromtimestamp(now, zone)
    days = (then.date() - today.date()).days
    name = {0: "today", 1: "tomorrow"}.get(days, f"on {then:%A}")
    return f"{name} about {then:%H:%M}"


def day_of(at: float, zone: ZoneInfo) -> str:
    """`Sat 28 Nov`."""
    then = datetime.fromtimestamp(at, zone)
    return f"{then:%a} {then.day} {then:%b}"


def zone_name(zone: ZoneInfo, at: float) -> str:
    """`UTC`, `CET`; the zone's own name where its abbreviation is a number."""
    short = datetime.fromtimestamp(at, zone).strftime("%Z")
    return zone.key if not short or short[0] in "+-" else short
