"""The stated signals of every shape of abuse, counted the plain way: what a policy engine has to find by other means.

Each function takes the events of one set in order of time and returns whom its signals name. Windows begin every sixth
of their length.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from serving_stub.traffic.abuse.event import EventRow, Row, SignupRow

HOUR_S = 3600.0
DAY_S = 86_400.0
NEAR = 6
"""Bits in which copies of one template differ at most."""

FLAGGED = 0.5
"""Score of moderation."""

Found = set[Hashable]
R = TypeVar("R", EventRow, SignupRow)


def requests(rows: Iterable[Row]) -> list[EventRow]:
    """The requests among *rows*."""
    return [row for row in rows if isinstance(row, EventRow)]


def groups_of(rows: Iterable[EventRow], key: Callable[[EventRow], Hashable]) -> Mapping[Hashable, list[EventRow]]:
    """Requests by what they share."""
    groups: dict[Hashable, list[EventRow]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def windows(rows: Sequence[R], length_s: float) -> Iterator[Sequence[R]]:
    """The events of every window that has any."""
    times = [row.ts for row in rows]
    start = times[0] if times else 0.0
    while times and start <= times[-1]:
        begin = bisect_left(times, start)
        end = bisect_left(times, start + length_s)
        if begin == end:
            start = times[begin]
            continue
        yield rows[begin:end]
        start += length_s / 6


def found(
    groups: Mapping[Hashable, list[EventRow]], length_s: float, holds: Callable[[Sequence[EventRow]], bool]
) -> Found:
    """The groups that have a window in which the signals hold."""
    return {key for key, rows in groups.items() if any(holds(window) for window in windows(rows, length_s))}


def distinct(rows: Iterable[EventRow], field: str) -> int:
    """How many values a field has; unknown is none."""
    return len({getattr(row, field) for row in rows} - {None})


def share(rows: Sequence[R], holds: Callable[[R], bool]) -> float:
    """Of the events for which something holds."""
    return sum(map(holds, rows)) / len(rows)


def is_hosting(row: EventRow | SignupRow) -> bool:
    """Whether the event comes from a server."""
    return row.asn_type == "hosting"


def templates(rows: Sequence[EventRow]) -> Mapping[Hashable, list[EventRow]]:
    """Requests by near-duplicate prompts: each joins the first earlier one that is near enough."""
    leaders = np.zeros(len(rows), np.uint64)
    num_leaders = 0
    groups: dict[Hashable, list[EventRow]] = defaultdict(list)
    known: dict[str, int] = {}
    for row in rows:
        leader = known.get(row.simhash)
        if leader is None:
            own = np.uint64(int(row.simhash, 16))
            near = np.flatnonzero(np.bitwise_count(leaders[:num_leaders] ^ own) <= NEAR)
            leader = int(near[0]) if len(near) else num_leaders
            if leader == num_leaders:
                leaders[num_leaders] = own
                num_leaders += 1
            known[row.simhash] = leader
        groups[leader].append(row)
    return groups


def num_hand_offs(rows: Sequence[EventRow]) -> int:
    """A 429, then the same body under another owner's key within thirty seconds."""
    return sum(
        any(later.org != first.org for later in same[index + 1 :] if later.ts <= first.ts + 30)
        for same in groups_of(rows, lambda row: row.request_hash).values()
        for index, first in enumerate(same)
        if first.status == 429
    )


def num_near_after_refusal(rows: Sequence[EventRow]) -> int:
    """Prompts within two minutes of a refused one that are nearly, and not quite, the same."""
    return sum(
        any(
            refused.refused
            and 0 < row.ts - refused.ts <= 120
            and row.request_hash != refused.request_hash
            and distance(row, refused) <= 2 * NEAR
            for refused in rows[:index]
        )
        for index, row in enumerate(rows)
    )


def distance(one: EventRow, other: EventRow) -> int:
    """Bits in which two prompts' hashes differ."""
    return (int(one.simhash, 16) ^ int(other.simhash, 16)).bit_count()


def tokens(rows: Iterable[EventRow]) -> int:
    """Of prompts and answers."""
    return sum((row.prompt_tokens or 0) + (row.completion_tokens or 0) for row in rows)


def gap_cv(rows: Sequence[EventRow]) -> float:
    """How uneven the gaps between requests are: standard deviation over mean."""
    gaps = [later.ts - earlier.ts for earlier, later in pairwise(rows)]
    return statistics.pstdev(gaps) / statistics.mean(gaps)


def a1(rows: Sequence[Row]) -> Found:
    """Reverse proxy: by account, an hour."""
    unknown = [row for row in requests(rows) if row.client_known == "unknown"]
    return found(
        groups_of(unknown, lambda row: row.account),
        HOUR_S,
        lambda window: (
            distinct(window, "conversation") >= 40
            and distinct(window, "system_prompt_hash") >= 20
            and share(window, is_hosting) >= 0.5
        ),
    )


def a1b(rows: Sequence[Row]) -> Found:
    """Reverse proxy from homes with an imitated client: by account, an hour."""
    spoofed = [row for row in requests(rows) if row.client_known == "spoofed"]
    return found(
        groups_of(spoofed, lambda row: row.account),
        HOUR_S,
        lambda window: (
            distinct(window, "conversation") >= 40
            and distinct(window, "system_prompt_hash") >= 20
            and distinct(window, "ip_prefix") >= 10
        ),
    )


def a2(rows: Sequence[Row]) -> Found:
    """Key-pool proxy: by client and prefix, an hour."""
    return found(
        groups_of(requests(rows), lambda row: (row.client_fp, row.ip_prefix)),
        HOUR_S,
        lambda window: (
            distinct(window, "org") >= 5
            and distinct(window, "system_prompt_hash") >= 20
            and num_hand_offs(window) >= 10
        ),
    )


def a3(rows: Sequence[Row]) -> Found:
    """Leaked key: by key, an hour, against its own seven days before."""

    def holds(key_rows: Sequence[EventRow]) -> Callable[[Sequence[EventRow]], bool]:
        def in_window(window: Sequence[EventRow]) -> bool:
            return (
                distinct(window, "ip_prefix") >= 15
                and distinct(window, "asn") >= 6
                and distinct(window, "country") >= 4
                and distinct(window, "client_fp") >= 4
                and len(window) >= 5 * p95_of_hours(key_rows, window[0].ts)
            )

        return in_window

    groups = groups_of(requests(rows), lambda row: row.key_hash)
    return {key for key, own in groups.items() if any(map(holds(own), windows(own, HOUR_S)))}


def p95_of_hours(rows: Sequence[EventRow], until: float) -> float:
    """What 95 of 100 hours with requests, of the seven days before, do not exceed; at least 1."""
    hours = Counter(int(row.ts // HOUR_S) for row in rows if until - 7 * DAY_S <= row.ts < until)
    counts = sorted(hours.values())
    return max(1.0, counts[int(0.95 * (len(counts) - 1))]) if counts else 1.0


def a4(rows: Sequence[Row]) -> Found:
    """Key checker: by client and prefix, ten minutes."""
    return found(
        groups_of(requests(rows), lambda row: (row.client_fp, row.ip_prefix)),
        600.0,
        lambda window: (
            distinct(window, "key_hash") >= 15
            and share(window, lambda row: row.status == 401) >= 0.6
            and statistics.median([row.prompt_tokens for row in window if row.prompt_tokens is not None] or [99]) <= 20
        ),
    )


def a5(rows: Sequence[Row]) -> Found:
    """Token flood: by organisation, five minutes, against its usual or, if new, the median organisation."""
    everything = requests(rows)
    groups = groups_of(everything, lambda row: row.org)
    times = [row.ts for row in everything]
    usual = {org: usual_tokens(own) for org, own in groups.items()}
    known = [amount for amount in usual.values() if amount > 0] or [1.0]
    tier = statistics.median(known)

    def holds(org: Hashable, window: Sequence[EventRow]) -> bool:
        spent = tokens(window)
        if spent < 300_000:
            return False
        begin, end = bisect_left(times, window[0].ts), bisect_left(times, window[0].ts + 300)
        prompts = sum(row.prompt_tokens or 0 for row in window)
        cached = sum(row.cached_tokens or 0 for row in window)
        return (
            spent >= 10 * (usual[org] or tier)
            and cached <= 0.1 * prompts
            and spent >= 0.03 * tokens(everything[begin:end])
        )

    return {org for org, own in groups.items() if any(holds(org, window) for window in windows(own, 300.0))}


def usual_tokens(rows: Sequence[EventRow]) -> float:
    """The largest five minutes of the days before the last; 0 for who is new."""
    last_day = rows[-1].ts - 0.9 * DAY_S
    return max((tokens(window) for window in windows([row for row in rows if row.ts < last_day], 300.0)), default=0.0)


def a6(rows: Sequence[Row]) -> Found:
    """Content farm: by template, an hour."""
    return {
        "template"
        for own in templates(requests(rows)).values()
        if any(
            len(window) >= 200
            and distinct(window, "org") >= 5
            and len(window) / distinct(window, "account") >= 10
            and share(window, is_hosting) >= 0.5
            and statistics.median(row.account_age for row in window) <= 14 * DAY_S
            for window in windows(own, HOUR_S)
        )
    }


def a7(rows: Sequence[Row]) -> Found:
    """Hydra: by template, six hours."""

    def holds(window: Sequence[EventRow]) -> bool:
        busy = [own for own in groups_of(window, lambda row: row.account).values() if len(own) >= 10]
        if len(busy) < 30:
            return False
        cards = Counter(own[0].signup.payment_fp for own in busy if own[0].signup is not None)
        sharing = sum(count for card, count in cards.items() if card is not None and count >= 5)
        return sharing >= 30 and statistics.median(map(gap_cv, busy)) <= 0.8

    return {"template" for own in templates(requests(rows)).values() if any(map(holds, windows(own, 6 * HOUR_S)))}


def a8(rows: Sequence[Row]) -> Found:
    """Jailbreak iteration: by account, a quarter of an hour."""
    return found(
        groups_of(requests(rows), lambda row: row.account),
        900.0,
        lambda window: sum(row.refused for row in window) >= 6 and num_near_after_refusal(window) >= 4,
    )


def a9(rows: Sequence[Row]) -> Found:
    """Jailbreak campaign: by template, an hour."""
    return {
        "template"
        for own in templates(requests(rows)).values()
        if any(
            distinct(window, "account") >= 10
            and share(window, lambda row: row.refused or max(row.moderation.values(), default=0.0) >= FLAGGED) >= 0.3
            for window in windows(own, HOUR_S)
        )
    }


def a10(rows: Sequence[Row]) -> Found:
    """Sign-up farm: an hour."""
    joined = [row for row in rows if isinstance(row, SignupRow)]
    pairs: Found = set()
    for window in windows(joined, HOUR_S):
        groups: dict[Hashable, list[SignupRow]] = defaultdict(list)
        for row in window:
            traits = row.signup
            named = (("card", traits.payment_fp), ("device", traits.device_fp), ("mail", traits.mail_pattern))
            for index, one in enumerate(named):
                for other in named[index + 1 :]:
                    if one[1] is not None and other[1] is not None:
                        groups[one, other].append(row)
        pairs |= {key for key, own in groups.items() if len(own) >= 10 and share(own, is_hosting) >= 0.5}
    return pairs


RULES: Mapping[str, Callable[[Sequence[Row]], Found]] = {
    "A1": a1, "A1b": a1b, "A2": a2, "A3": a3, "A4": a4, "A5": a5, "A6": a6, "A7": a7, "A8": a8, "A9": a9, "A10": a10,
}  # fmt: skip
