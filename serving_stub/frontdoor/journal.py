"""The lease journal: append-only JSON lines, on the disk before anybody is answered.

Only the last line can be torn, since each is flushed before the next is written; replay drops a torn last line and
nothing else. At start the journal is replayed, what is over is ended, and the rest is written anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, ValidationError

from serving_stub.errors import JournalError
from serving_stub.frontdoor.lease import Granted, Knob, LeaseBook, LeaseEvent

_EVENT: TypeAdapter[LeaseEvent] = TypeAdapter(Annotated[LeaseEvent, Field(discriminator="event")])
_ONLY_OWNER = 0o600


def encode(event: LeaseEvent) -> bytes:
    """One journal line, with its newline."""
    return _EVENT.dump_json(event) + b"\n"


def decode(content: bytes, name: str) -> list[LeaseEvent]:
    """The events of a journal's *content*; a last line that is torn is left out.

    Raises: JournalError naming *name* and the line, when an earlier line is damaged.
    """
    lines = content.split(b"\n")
    complete, torn = lines[:-1], lines[-1]
    events: list[LeaseEvent] = []
    for number, line in enumerate(complete, start=1):
        try:
            events.append(_EVENT.validate_json(line))
        except ValidationError as error:
            if number == len(complete) and not torn:
                break
            raise JournalError(
                f"{name}:{number}: not a lease event; leases after it cannot be trusted. "
                "Move the file away to start without any lease"
            ) from error
    return events


class LeaseJournal:
    """An open journal that belongs to this process alone."""

    def __init__(self, path: Path, fd: int, lock_fd: int) -> None:
        self._path = path
        self._fd = fd
        self._lock_fd = lock_fd
        self._size = os.fstat(fd).st_size
        self._is_damaged = False

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
            book = LeaseBook({knob.name: knob for knob in knobs}, {})
            if path.exists():
                book = book.apply_all(decode(path.read_bytes(), str(path)))
            book = book.apply_all(book.due(now)).forget(now)
            fd = _rewrite(path, b"".join(encode(Granted(lease)) for lease in book.leases.values()))
        except OSError as error:
            os.close(lock_fd)
            raise JournalError(f"{path}: the lease journal cannot be written: {error.strerror}") from error
        except JournalError:
            os.close(lock_fd)
            raise
        return cls(path, fd, lock_fd), book

    def append(self, events: Iterable[LeaseEvent]) -> None:
        """Write *events* and return when they are on the disk; blocks for as long as the disk takes.

        Raises: JournalError; then none of them counts, now or after a restart.
        """
        if self._is_damaged:
            raise JournalError(f"{self._path}: an earlier write could not be taken back; restart the server")
        content = b"".join(map(encode, events))
        try:
            written = 0
            while written < len(content):
                written += os.write(self._fd, content[written:])
            os.fsync(self._fd)
        except OSError as error:
            self._take_back()
            raise JournalError(
                f"{self._path}: the lease journal cannot be written: {error.strerror}; "
                "make room on the disk and repeat the request"
            ) from error
        self._size += len(content)

    def _take_back(self) -> None:
        """Cut off half a line: glued to the next one it would make both unreadable."""
        try:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
        except OSError:
            self._is_damaged = True

    def close(self) -> None:
        """Let another server have the journal."""
        os.close(self._fd)
        os.close(self._lock_fd)


def _lock(path: Path) -> int:
    lock_fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, _ONLY_OWNER)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock_fd)
        raise JournalError(f"{path}: another server uses this lease journal; give each its own --journal") from error
    return lock_fd


def _rewrite(path: Path, content: bytes) -> int:
    """Replace the file at once and return it open for appending."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _ONLY_OWNER)
    try:
        written = 0
        while written < len(content):
            written += os.write(fd, content[written:])
        os.fsync(fd)
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError:
        os.close(fd)
        raise
    return fd


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
