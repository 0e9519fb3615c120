"""What a load test is expected to do to a cluster, by capacity's arithmetic. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.capacity.text import percent, quantity
from opsbot.utilisation.load_test import Expected, Size
from opsbot.vitals.day import Load


def expected_of(size: Size, load: Load | None, words: str = "") -> Expected:
    """The arithmetic for one cluster; *load* is None where nothing is known of it."""
    before = None if load is None else load.tokens_per_min
    capacity = None if load is None else load.capacity
    most = None
    if before is not None and capacity is not None and size.tokens_per_request:
        most = max(0.0, capacity - before) / 60 / size.tokens_per_request
    return Expected(before, size.tokens_per_min, capacity, most, words)


def expected_lines(expected: Expected, cluster: str) -> Sequence[str]:
    """In sentences: what it will carry, how full that is, and when that is too much."""
    lines = [_carried(expected, cluster)]
    breach = _breach(expected, cluster)
    if breach:
        lines.append(breach)
    if expected.words:
        lines.append(f"Who asked for it expects: {expected.words.rstrip('.')}.")
    return lines


def _carried(expected: Expected, cluster: str) -> str:
    if expected.added is None:
        return "What it adds is not known: nobody said how many tokens a request has."
    if expected.before is None:
        return f"It adds up to {quantity(expected.added)} tok/min; what {cluster} carries now is not known."
    to = f"{cluster} goes from {quantity(expected.before)} to at most {quantity(expected.total)} tok/min"
    if expected.used_ratio is None:
        return f"{to}; how full that is, is not known."
    return f"{to}, {percent(expected.used_ratio)} of what it can."


def _breach(expected: Expected, cluster: str) -> str:
    if expected.used_ratio is None or expected.most_requests_per_s is None:
        return ""
    if expected.most_requests_per_s <= 0:
        return f"{cluster} is full already: callers will wait longer from the first minute on."
    most = f"{expected.most_requests_per_s:.3g} such requests a second"
    if expected.used_ratio >= 1:
        return f"That is more than it can from the first minute on, and callers will wait: {most} fill it."
    return f"It would be full at {most}."
