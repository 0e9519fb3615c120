"""A labelled evaluation set: one or more shapes mixed into the background, as request events in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from serving_stub.traffic.abuse.background import background
from serving_stub.traffic.abuse.cast import DAY_S
from serving_stub.traffic.abuse.event import Label, Row, rows_of
from serving_stub.traffic.abuse.move import Known
from serving_stub.traffic.abuse.shapes import ShapePlan

START = datetime(2026, 1, 5, 18, tzinfo=UTC).timestamp()
"""When shapes begin: a Monday, ten in the morning in San Francisco."""


def events(
    plans: Sequence[ShapePlan], seed: int, background_rate: float, start: float, simhash: Callable[[str], int]
) -> Iterator[Row]:
    """All events by the time at which their requests came.

    Args:
        background_rate: requests per second when the world is busiest; as long as the longest shape lasts.
        simhash: the near-duplicate hash of a prompt, as the door computes it.
    """
    streams = [_labelled(plan, start, simhash) for plan in plans]
    if background_rate > 0:
        length_s = max((plan.shape.length_s for plan in plans), default=DAY_S)
        moves = background(seed, background_rate, length_s)
        streams.append(row for move in moves for row in rows_of(move, start, None, simhash))
    return heapq.merge(*streams, key=lambda row: row.ts)


def _labelled(plan: ShapePlan, start: float, simhash: Callable[[str], int]) -> Iterator[Row]:
    label = Label(plan.shape.id, plan.shape.is_abuse, plan.strength, plan.entity)
    history = Label(plan.shape.id, plan.shape.is_abuse, plan.strength, plan.entity, is_history=True)
    rows = [row for move in plan.moves for row in rows_of(move, start, label if move.at_s >= 0 else history, simhash)]
    return iter(sorted(rows, key=lambda row: row.ts))


def known_line(known: Known, start: float) -> dict[str, object]:
    """An announced window or an exemption, as a line beside the events."""
    return {
        "kind": known.kind,
        "entity": dict(known.entity),
        "start": start + known.start_s,
        "end": start + known.end_s,
        "reason": known.reason,
    }
