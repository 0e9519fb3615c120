"""Events as lines: the door's own fields, labels beside them, windows and exemptions before them."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from typing import Any

from click.testing import CliRunner

from serving_stub.frontdoor.event import RequestEvent, SignupEvent
from serving_stub.traffic.abuse.event import EventRow, SignupRow
from serving_stub.traffic.command import traffic


def lines(*arguments: str) -> list[dict[str, Any]]:
    """What `traffic events` writes."""
    result = CliRunner().invoke(traffic, ["events", *arguments])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_fields_are_those_of_the_doors_log() -> None:
    """An event has no field that the door's has not, but for its label."""
    own = {field.name for field in fields(EventRow)} - {"label"}
    assert own <= {field.name for field in fields(RequestEvent)}
    assert {field.name for field in fields(SignupRow)} - {"label"} <= {field.name for field in fields(SignupEvent)}


def test_a_seed_repeats_the_set() -> None:
    """The same arguments write the same lines, another seed others; every event has an id of its own."""
    written = lines("--shape", "A8", "--seed", "1")
    assert written == lines("--shape", "a8", "--seed", "1")
    assert written != lines("--shape", "A8", "--seed", "2")
    assert len({line["event_id"] for line in written}) == len(written) > 100


def test_events_come_in_order_of_time_with_labels() -> None:
    """Shape and background are mixed; a label names shape, strength and entity, the background has none."""
    written = lines("--shape", "A2", "--seed", "1", "--strength", "0.5")
    assert all(earlier["ts"] <= later["ts"] for earlier, later in pairwise(written))
    labels = [line["label"] for line in written if line["label"] is not None]
    assert 0 < len(labels) < len(written)
    assert {(label["shape"], label["is_abuse"], label["strength"]) for label in labels} == {("A2", True, 0.5)}
    assert {tuple(label["entity"]) for label in labels} == {("client_fp", "ip_prefix")}


def test_history_is_labelled_as_such() -> None:
    """What a leaked key's owner did before is of the shape's entity and no abuse yet."""
    written = lines("--shape", "A3", "--background", "0", "--start", "1000000")
    assert {(line["ts"] < 1_000_000) == line["label"]["is_history"] for line in written} == {True}
    assert sum(line["label"]["is_history"] for line in written) > 500


def test_an_announced_window_comes_first() -> None:
    """A load test's window stands before its events, with the entity that it excuses."""
    window, *written = lines("--shape", "B8", "--background", "0", "--start", "1000")
    assert (window["kind"], window["start"], window["end"]) == ("loadtest", 1000.0, 1900.0)
    assert {line["org"] for line in written} == {window["entity"]["org"]}


def test_several_shapes_mix() -> None:
    """Each keeps its labels."""
    written = lines("--shape", "A1", "--shape", "B10", "--background", "0")
    assert {line["label"]["shape"] for line in written} == {"A1", "B10"}


def test_no_event_says_what_was_asked() -> None:
    """Neither text nor key nor address is in a line."""
    written = json.dumps(lines("--shape", "A2", "--shape", "A10", "--background", "0"))
    assert "sk-" not in written
    assert "You are" not in written
    assert '"address"' not in written


def test_an_unknown_shape_is_answered_with_the_nearest() -> None:
    """The message names what there is."""
    result = CliRunner().invoke(traffic, ["events", "--shape", "conferense"])
    assert result.exit_code == 2
    assert "no shape 'conferense', did you mean 'CONFERENCE'?" in result.output
