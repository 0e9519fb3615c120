"""A load test in plain sentences: announced, under way, over. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from opsbot.capacity.text import ahead, percent, quantity
from opsbot.utilisation.expected import expected_lines
from opsbot.utilisation.load_test import LoadTest, Size
from opsbot.utilisation.moment import moment, zone_name

ARRIVED = 0.05
"""Of what a test adds at most, so much must be seen of it."""
TOLERANCE = 1.1
"""What was expected is an upper limit; what is a tenth above it is still called within it."""


def size_words(size: Size) -> str:
    """`40 requests a second, up to 192k tok/min`."""
    tokens = "" if size.tokens_per_min is None else f", up to {quantity(size.tokens_per_min)} tok/min"
    return f"{size.requests_per_s:g} requests a second{tokens}"


def title(test: LoadTest) -> str:
    """One line: what, where, and how it stands."""
    what = f"Load test {test.number} on {test.cluster}: {test.size.requests_per_s:g} requests a second"
    match test.how:
        case None:
            return what
        case "finished":
            return f"{what}, over"
        case "stopped":
            return f"{what}, stopped"
        case "failed":
            return f"{what}, failed"
        case _:
            return f"{what}, nobody closed it"


def standing(test: LoadTest, now: float, zone: ZoneInfo) -> str:
    """Whether it is under way, and until when; or when it ended. Who did so is the channel's to say."""
    name = zone_name(zone, test.ends_at)
    if test.closed_at is not None:
        number, unit = ahead(max(0.0, test.closed_at - test.announced_at))
        since, until = (moment(at, test.closed_at, zone) for at in (test.announced_at, test.closed_at))
        return f"From {since} to {until} {name}, {number:.0f} {unit}."
    if now <= test.ends_at:
        since, until = moment(test.announced_at, now, zone), moment(test.ends_at, now, zone)
        return f"Under way since {since}, until {until} {name}."
    closes = moment(test.ends_at + test.grace_s, now, zone)
    ends = moment(test.ends_at, now, zone)
    return f"It should have ended at {ends} {name}. If nobody closes it, it is closed at {closes}."


def ending(test: LoadTest) -> str:
    """What else is to be known of how it ended; empty for nothing."""
    if test.how == "forgotten":
        told = (
            "The load generator was told to stop."
            if test.run_id
            else "It ran elsewhere, where the bot cannot stop it: see that its load generator has ended."
        )
        return f"Nobody closed this, so it was closed by itself. {told}"
    if test.how == "stopped" and test.run_id is None:
        return "It ran elsewhere, where the bot cannot stop it: whoever runs it must end it now."
    if test.how == "failed":
        return "Its run ended before it was made whole."
    return ""


def count_words(test: LoadTest) -> str:
    """What the load generator counts, in one sentence; empty where it runs elsewhere."""
    counts = test.counts
    if counts is None:
        return ""
    said = f"{counts.sent} sent, {counts.ok} answered, {counts.shed} turned away, {counts.failed} failed"
    said += f", {counts.skipped} not sent" if counts.skipped else ""
    if counts.ttft_p95_s is not None:
        said += f"; first token: median {_seconds(counts.ttft_p50_s)}, 95 of 100 within {_seconds(counts.ttft_p95_s)}"
    return f"{said}."


def measured_words(test: LoadTest) -> str:
    """The most that the cluster showed, in one sentence; empty where nothing was read."""
    seen = test.measured
    if seen.tokens_per_min is None:
        return ""
    parts = [f"{quantity(seen.tokens_per_min)} tok/min"]
    if seen.used_ratio is not None:
        parts.append(f"{percent(seen.used_ratio)} of capacity")
    if seen.ttft_s is not None:
        parts.append(f"first token {_seconds(seen.ttft_s)} for 95 of 100")
    if seen.turned_away_ratio is not None:
        parts.append(f"{percent(seen.turned_away_ratio)} turned away")
    return f"At most {test.cluster} showed: {', '.join(parts)}."


def verdict(test: LoadTest) -> str:
    """Whether it stayed within what was expected, and if not, why."""
    seen, expected, counts = test.measured, test.expected, test.counts
    beyond: list[str] = []
    if (seen.tokens_per_min or 0.0) > TOLERANCE * (expected.total or float("inf")):
        beyond.append(f"{quantity(seen.tokens_per_min)} tok/min, not {quantity(expected.total)}")
    if counts is not None and counts.shed:
        beyond.append(f"{counts.shed} requests were turned away")
    if counts is not None and counts.failed:
        beyond.append(f"{counts.failed} requests failed")
    if counts is not None and counts.skipped:
        beyond.append(f"{counts.skipped} requests were not sent, since answers came too slowly")
    if beyond:
        return f"It did not stay within what was expected: {'; '.join(beyond)}."
    if expected.total is None or seen.tokens_per_min is None:
        return "Whether that is within what was expected cannot be told: too little is known."
    if expected.before is not None and seen.tokens_per_min < expected.before + ARRIVED * (expected.added or 0.0):
        before = quantity(expected.before)
        return f"{test.cluster} carried no more than before ({before} tok/min): the load did not arrive there."
    return f"It stayed within what was expected ({quantity(expected.total)} tok/min at most)."


def lines(test: LoadTest, now: float, zone: ZoneInfo) -> Sequence[str]:
    """Everything but the title and who, what matters most first."""
    found = [ending(test)] if test.how not in (None, "finished") else []
    if test.is_open:
        found += [standing(test, now, zone), *expected_lines(test.expected, test.cluster)]
        found += [count_words(test), measured_words(test)]
    else:
        found += [verdict(test), count_words(test), measured_words(test)]
        found += [f"Said of it: {test.said.rstrip('.')}." if test.said else ""]
        found.append(standing(test, now, zone))
        found += [f"Expected: {line}" for line in expected_lines(test.expected, test.cluster)[:1]]
        found += [f"Hoped for: {test.expected.words.rstrip('.')}." if test.expected.words else ""]
    if test.reason:
        found.append(f"Why: {test.reason.rstrip('.')}.")
    return [line for line in found if line]


def remark(test: LoadTest, zone: ZoneInfo) -> str:
    """For incidents of its cluster while it is open."""
    return (
        f"A load test of {size_words(test.size)} is under way on {test.cluster}, by {test.by}, "
        f"until {moment(test.ends_at, test.announced_at, zone)} {zone_name(zone, test.ends_at)}"
    )


def warning(test: LoadTest) -> str:
    """For whoever runs a test elsewhere that is closed while its load may go on."""
    how = f"was stopped by {test.closed_by}" if test.how == "stopped" else "was closed by nobody"
    return (
        f"{test.by}: load test {test.number} on {test.cluster} ({test.size.requests_per_s:g} requests a second) {how}. "
        "It runs elsewhere, where the bot cannot stop it: see that its load generator ends now"
    )


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g} s"
