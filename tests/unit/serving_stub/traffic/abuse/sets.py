"""Evaluation sets for the tests: one shape's events, alone or within the background."""

from __future__ import annotations

from collections.abc import Sequence

from serving_stub.frontdoor.simhash import simhash
from serving_stub.traffic.abuse.evaluation import START, events
from serving_stub.traffic.abuse.event import EventRow, Row, SignupRow
from serving_stub.traffic.abuse.shapes import plan_of
from tests.unit.serving_stub.traffic.abuse.signals import requests


def whole_set(shape_id: str, *, seed: int = 1, strength: float = 1.0, background: float = 0.0) -> list[Row]:
    """All events of a set."""
    return list(events([plan_of(shape_id, seed, strength)], seed, background, START, simhash))


def first_hour(shape_id: str, *, length_s: float = 3600.0) -> list[EventRow]:
    """The requests of a shape's first hour, without its history."""
    return [row for row in requests(whole_set(shape_id)) if 0 <= row.ts - START < length_s]


def sign_ups(shape_id: str) -> list[SignupRow]:
    """A shape's sign-ups."""
    return [row for row in whole_set(shape_id) if isinstance(row, SignupRow)]


def without_known(shape_id: str, rows: Sequence[Row]) -> list[Row]:
    """The events outside announced windows and exemptions, which policies leave alone."""
    known = plan_of(shape_id, 1).known
    return [
        row
        for row in rows
        if not any(
            all(getattr(row, field) == value for field, value in one.entity.items())
            and one.start_s <= row.ts - START < one.end_s
            for one in known
        )
    ]
