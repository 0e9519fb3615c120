"""The tables of the history's file.

A span is some time of one sheet at one level, a chunk its samples of one metric name. What comes in is written at once
as a tail: a short span with one chunk of all names. When its hour is over, tails become chunks by name.
"""

from __future__ import annotations

from opsbot.sqlite_file import Schema

VERSION = 1
ALL_NAMES = ""
"""The name of a tail's only chunk."""

STATEMENTS = """
CREATE TABLE sheet (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sheet INTEGER NOT NULL,
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    UNIQUE (sheet, name, labels)
);
CREATE INDEX series_by_name ON series (name);
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    sheet INTEGER NOT NULL,
    is_tail INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    num_times INTEGER NOT NULL,
    times BLOB NOT NULL
);
CREATE INDEX span_by_time ON span (level, sheet, start_ms);
CREATE INDEX span_by_end ON span (level, end_ms);
CREATE INDEX tail_by_time ON span (level, sheet, start_ms) WHERE is_tail;
CREATE TABLE chunk (
    span INTEGER NOT NULL,
    name TEXT NOT NULL,
    num_series INTEGER NOT NULL,
    ids BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (span, name)
);
"""


def schema(max_bytes: int) -> Schema:
    """Of a file that may become so large."""
    return Schema(VERSION, STATEMENTS, max_bytes)
