"""Trace files: what is written is read again, and rubbish drops nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving_stub.errors import FileError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.trace import LONGEST_LINE, Trace, read_trace, write_trace

FIRST = Arrival(0.5, "JP", "tenant-001", "llama-3.1-70b", 100, 20)
SECOND = Arrival(1.25, "US", "tenant-002", "llama-3.1-8b", 7, 1)


def test_written_and_read_again(tmp_path: Path) -> None:
    """Every field, to the last digit."""
    path = tmp_path / "trace.jsonl"
    assert write_trace(path, iter((FIRST, SECOND))) == 2
    assert read_trace(path) == Trace((FIRST, SECOND), (), 0)


def test_rubbish_is_told_and_counted(tmp_path: Path) -> None:
    """With file and line; the good lines are all there, by time."""
    path = tmp_path / "trace.jsonl"
    write_trace(path, (SECOND,))
    good = path.read_bytes()
    write_trace(path, (FIRST,))
    rubbish = [
        b"what?",
        b"\xff\xfe",
        b"[1]",
        b"x" * (3 * LONGEST_LINE),
        good.strip().replace(b"1.25", b"NaN"),
        good.strip().replace(b"1.25", b"-1"),
        good.strip().replace(b'"US"', b'"USA"'),
        good.strip().replace(b": 7", b': "7"'),
        b'{"at_s": 1}',
        b"",
    ]
    path.write_bytes(good + b"\n".join(rubbish) + b"\n" + path.read_bytes().strip())
    trace = read_trace(path)
    assert trace.arrivals == (FIRST, SECOND)
    assert trace.num_problems == 9
    assert [line.removeprefix(f"{path}:") for line in trace.problems] == [
        "2: the line is not JSON",
        "3: the line is not JSON",
        "4: the line is not a JSON object",
        "5: the line is longer than 65536 bytes",
        "6: at_s: input should be a finite number",
        "7: at_s: input should be greater than or equal to 0",
        "8: country: string should match pattern '^[A-Z]{2}$'",
        "9: prompt_tokens: input should be a valid integer",
        "10: country: field required",
    ]


def test_more_rubbish_than_is_told(tmp_path: Path) -> None:
    """Twenty lines are told, all are counted."""
    path = tmp_path / "trace.jsonl"
    path.write_text("?\n" * 1000)
    trace = read_trace(path)
    assert (len(trace.problems), trace.num_problems) == (20, 1000)


def test_no_file(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(FileError, match=r"none.jsonl: cannot be read: No such file"):
        read_trace(tmp_path / "none.jsonl")
    with pytest.raises(FileError, match=r"none/x: cannot be written: No such file"):
        write_trace(tmp_path / "none/x", ())
