"""Traffic by country: requests as the front door counts them; never whose. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsbot.capacity.text import percent, quantity
from opsbot.chart.picture import Picture
from opsbot.utilisation.report import Report, Row, key_of

MOST_ROWS = 15
UNKNOWN, OTHER = "unknown", "other"
NONE_KNOWN = (
    "No request has a country. The front door takes it from a local file (`databases`) or from the header of a trusted "
    "proxy (`trusted_proxies`, `country_header`): see “Enrichment” in docs/request-log.md."
)
NO_DOOR = (
    "Nothing counts requests by country here: the front door does (`frontdoor_requests_by_country_total`), and its "
    "`databases` or `country_header` say where requests come from: see “Enrichment” in docs/request-log.md."
)


def has_countries(counts: Mapping[str, float]) -> bool:
    """Whether any request has one."""
    return any(value > 0 for name, value in counts.items() if name != UNKNOWN)


def why_none(counts: Mapping[str, float]) -> str:
    """What to set where no request has a country."""
    return NONE_KNOWN if any(counts.values()) else NO_DOOR


def rows_of(counts: Mapping[str, float]) -> tuple[Row, ...]:
    """The largest first; the small ones together, and then those whose country nobody knows."""
    whole = sum(counts.values())
    named = sorted(
        ((name, value) for name, value in counts.items() if name not in (UNKNOWN, OTHER) and value > 0),
        key=lambda one: (-one[1], one[0]),
    )
    shown = named[:MOST_ROWS]
    rest = sum(value for _, value in named[MOST_ROWS:]) + counts.get(OTHER, 0.0)
    tail = [(name, value) for name, value in (("others", rest), (UNKNOWN, counts.get(UNKNOWN, 0.0))) if value > 0]
    return tuple(Row(name, quantity(value), percent(value / whole)) for name, value in (*shown, *tail))


def by_country(
    counts: Mapping[str, float],
    span: str,
    slot: float,
    now: float,
    notes: Sequence[str] = (),
    picture: Picture | None = None,
) -> Report:
    """The post of one slot; of requests without any country it says what to set.

    Args:
        counts: requests a minute by country.
        span: over which time, such as `7 days`.
    """
    rows = rows_of(counts) if has_countries(counts) else ()
    if rows:
        first = next((row for row in rows if row.name not in ("others", UNKNOWN)), rows[0])
        title = f"Traffic by country: {first.name} {first.share}"
        lines = [f"{quantity(sum(counts.values()))} requests a minute on average over the last {span}."]
    else:
        title, lines = "Traffic by country: not known", [why_none(counts)]
    return Report(
        key=key_of("traffic", slot),
        kind="traffic",
        slot=slot,
        made_at=now,
        title=title,
        lines=tuple(lines),
        rows=rows,
        columns=("req/min", "share"),
        notes=tuple(notes),
        facts=dict(list(counts.items())[:80]),
        picture=picture if rows else None,
    )
