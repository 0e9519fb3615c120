"""The lease journal: append-only JSON lines, on the disk before anybody is answered.

Each line is a change and, beside it, what the audit remembers of it. Only the last line can be torn, since each is
flushed before the next is written; replay drops a torn last line and nothing else. At start, and when it has grown
large, it is written anew: what is over is ended, the oldest notes are let go.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from serving_stub.errors import JournalError
from serving_stub.frontdoor.audit import MAX_NUM_NOTES, SERVER, Note, note_of
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import Commanded
from serving_stub.frontdoor.knob import Knob
from serving_stub.frontdoor.lease import Counted, Granted, LeaseEvent, Noted
from serving_stub.frontdoor.startup import at_start, moved

_LOG = logging.getLogger(__name__)
_EVENT: TypeAdapter[LeaseEvent] = TypeAdapter(Annotated[LeaseEvent, Field(discriminator="event")])
_NOTE: TypeAdapter[Note] = TypeAdapter(Note)
_ONLY_OWNER = 0o600
LARGE_BYTES = 16 << 20
"""From when on a journal may be written anew without a restart."""


class _Remembered(BaseModel):
    audit: Note | None = None


def encode(event: LeaseEvent, note: Note | None = None) -> bytes:
    """One journal line, with its newline."""
    line = _EVENT.dump_json(event)
    return line + b"\n" if note is None else line[:-1] + b',"audit":' + _NOTE.dump_json(note) + b"}\n"


def decode(content: bytes, name: str) -> tuple[list[LeaseEvent], list[Note]]:
    """The events of a journal's *content* and the notes beside them; a last line that is torn is left out.

    Raises: JournalError naming *name* and the line, when an earlier line is damaged.
    """
    lines = content.split(b"\n")
    complete, torn = lines[:-1], lines[-1]
    events: list[LeaseEvent] = []
    notes: list[Note] = []
    for number, line in enumerate(complete, start=1):
        try:
            events.append(_EVENT.validate_json(line))
            note = _Remembered.model_validate_json(line).audit
        except ValidationError as error:
            if number == len(complete) and not torn:
                break
            raise JournalError(
                f"{name}:{number}: not a lease event; leases after it cannot be trusted. "
                "Move the file away to start without any lease"
            ) from error
        if note is not None:
            notes.append(note)
    return events, notes


class LeaseJournal:
    """An open journal that belongs to this process alone.

    Args:
        notes: what the audit remembers from before.
    """

    def __init__(self, path: Path, fd: int, lock_fd: int, notes: Sequence[Note]) -> None:
        self._path = path
        self._fd = fd
        self._lock_fd = lock_fd
        self._size = self._compact_size = os.fstat(fd).st_size
        self._is_damaged = False
        self.notes = notes

    @classmethod
    def open(cls, path: Path, knobs: Iterable[Knob], now: float) -> tuple[Self, LeaseBook]:
        """Replay and compact the journal at *path*, which need not exist, and lock it.

        Returns: the journal, and the book as of *now*.
        Raises: JournalError when it is damaged, cannot be written, or another server holds it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock_fd = _lock(path)
        except OSError as error:
            raise JournalError(f"{path}: the lease journal cannot be opened: {error.strerror}") from error
        try:
            book, notes = _replayed(path, LeaseBook({knob.name: knob for knob in knobs}), now)
            fd = _rewrite(path, _compact(book, notes))
        except OSError as error:
            os.close(lock_fd)
            raise JournalError(f"{path}: the lease journal cannot be written: {error.strerror}") from error
        except JournalError:
            os.close(lock_fd)
            raise
        return cls(path, fd, lock_fd, notes), book

    @property
    def is_large(self) -> bool:
        """Whether it is time to write it anew: it is large, and half of it is history."""
        return self._size > max(LARGE_BYTES, 2 * self._compact_size)

    def append(self, events: Sequence[LeaseEvent], notes: Sequence[Note] = ()) -> None:
        """Write *events*, each with its note where there are notes, and return when they are on the disk.

        Raises: JournalError; then none of them counts, now or after a restart.
        """
        if self._is_damaged:
            raise JournalError(f"{self._path}: an earlier write could not be taken back; restart the server")
        content = b"".join(map(encode, events, notes)) if notes else b"".join(map(encode, events))
        try:
            _write(self._fd, content)
            os.fsync(self._fd)
        except OSError as error:
            self._take_back()
            raise JournalError(
                f"{self._path}: the lease journal cannot be written: {error.strerror}; "
                "make room on the disk and repeat the request"
            ) from error
        self._size += len(content)

    def compact(self, book: LeaseBook, notes: Sequence[Note]) -> None:
        """Write the journal anew with what *book* knows and *notes*; where the disk refuses, go on with the old one."""
        try:
            fd = _rewrite(self._path, _compact(book, notes))
        except OSError as error:
            _LOG.error("%s: the lease journal cannot be written anew: %s", self._path, error.strerror)
            return
        os.close(self._fd)
        self._fd = fd
        self._size = self._compact_size = os.fstat(fd).st_size

    def close(self) -> None:
        """Let another server have the journal."""
        os.close(self._fd)
        os.close(self._lock_fd)

    def _take_back(self) -> None:
        """Cut off half a line: glued to the next one it would make both unreadable."""
        try:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
        except OSError:
            self._is_damaged = True


def _replayed(path: Path, book: LeaseBook, now: float) -> tuple[LeaseBook, list[Note]]:
    events, notes = decode(path.read_bytes(), str(path)) if path.exists() else ([], [])
    book = moved(book.apply_all(events), now)
    for event in at_start(book, now):
        after = book.apply(event)
        notes.append(note_of(event, book, after, by=SERVER, now=now))
        book = after
    return book.forget(now), notes


def _compact(book: LeaseBook, notes: Sequence[Note]) -> bytes:
    return b"".join(
        [
            *(encode(Noted(), note) for note in notes[-MAX_NUM_NOTES:]),
            *(encode(Granted(lease)) for lease in book.leases.values()),
            *(encode(Commanded(command)) for command in book.commands.values()),
            encode(Counted(book.revisions)),
        ]
    )


def _lock(path: Path) -> int:
    lock_fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, _ONLY_OWNER)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock_fd)
        raise JournalError(f"{path}: another server uses this lease journal; give each one of its own") from error
    return lock_fd


def _rewrite(path: Path, content: bytes) -> int:
    """Replace the file at once and return it open for appending."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _ONLY_OWNER)
    try:
        _write(fd, content)
        os.fsync(fd)
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError:
        os.close(fd)
        raise
    return fd


def _write(fd: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.write(fd, content[written:])


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
