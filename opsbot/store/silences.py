"""Silences as rows: who set which, why, until when, and what each has hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, desc, func, insert, select, update

from opsbot.alert.matching import LabelMatch, label_match
from opsbot.alert.record import Hiding
from opsbot.alert.silence import Silence
from opsbot.errors import InvalidTransition, NotFoundError
from opsbot.store import schema
from opsbot.store.alerts import FIRING
from opsbot.store.database import Database
from opsbot.store.notices import write_notice

PREFIX = "SIL-"


class SilenceRepository:
    """Reads and writes silences; every method commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, match: LabelMatch, reason: str, user_id: str, now: float, ends_at: float, request_id: str | None = None
    ) -> Silence:
        """Set a silence; the same *request_id* again answers the one that is there."""
        table = schema.silence
        with self._database.write() as connection:
            if request_id is not None:
                there = connection.execute(select(table).where(table.c.request_id == request_id)).first()
                if there is not None:
                    return _to_silence(connection, there)
            done = connection.execute(
                insert(table).values(
                    matchers=list(match.texts),
                    reason=reason,
                    created_by=user_id,
                    created_at=now,
                    ends_at=ends_at,
                    num_hidden=0,
                    request_id=request_id,
                )
            )
            assert done.inserted_primary_key is not None
            return _get(connection, int(done.inserted_primary_key[0]))

    def by_request(self, request_id: str) -> Silence | None:
        """The silence that was set under that id; None if there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(schema.silence).where(schema.silence.c.request_id == request_id)).first()
            return None if row is None else _to_silence(connection, row)

    def end(self, silence_id: str, user_id: str, now: float) -> Silence:
        """End a silence before its time.

        Raises: NotFoundError, InvalidTransition if it is over.
        """
        with self._database.write() as connection:
            silence = _get(connection, _number(silence_id))
            if not silence.is_live(now):
                raise InvalidTransition(f"{silence.silence_id} is over already")
            table = schema.silence
            number = _number(silence_id)
            connection.execute(update(table).where(table.c.number == number).values(ends_at=now, ended_by=user_id))
            return _get(connection, number)

    def silences(self, now: float, *, include_ended: bool = False, limit: int = 100) -> tuple[Silence, ...]:
        """Live silences, or the newest ones, newest first."""
        table = schema.silence
        query = select(table).order_by(desc(table.c.number)).limit(limit)
        if not include_ended:
            query = query.where(table.c.ends_at > now)
        with self._database.read() as connection:
            return tuple(_to_silence(connection, row) for row in connection.execute(query).all())

    def silence(self, silence_id: str) -> Silence:
        """One silence; raises NotFoundError."""
        with self._database.read() as connection:
            return _get(connection, _number(silence_id))

    def warn(self, now: float, ahead_s: float) -> tuple[Silence, ...]:
        """Call out silences that end within *ahead_s* while they hide something, each once; answers those."""
        table = schema.silence
        with self._database.write() as connection:
            rows = connection.execute(
                select(table).where(
                    table.c.ends_at > now, table.c.ends_at <= now + ahead_s, table.c.warned_at.is_(None)
                )
            ).all()
            found = [silence for row in rows if (silence := _to_silence(connection, row)).num_hiding]
            for silence in found:
                number = _number(silence.silence_id)
                connection.execute(update(table).where(table.c.number == number).values(warned_at=now))
                key = f"silence.ends:{silence.silence_id}"
                write_notice(connection, key, _ends_soon(silence, now), silence.created_by, now)
            return tuple(found)


def live_silences(connection: Connection, now: float) -> Sequence[Silence]:
    """Those that hide alerts now, oldest first."""
    table = schema.silence
    rows = connection.execute(select(table).where(table.c.ends_at > now).order_by(table.c.number)).all()
    return [_plain(row) for row in rows]


def count_hidden(connection: Connection, silence_id: str) -> None:
    """One more alert has been hidden by a silence."""
    table = schema.silence
    connection.execute(
        update(table).where(table.c.number == _number(silence_id)).values(num_hidden=table.c.num_hidden + 1)
    )


def _ends_soon(silence: Silence, now: float) -> str:
    minutes = max(1, round((silence.ends_at - now) / 60))
    hides = "1 alert that still fires" if silence.num_hiding == 1 else f"{silence.num_hiding} alerts that still fire"
    return (
        f"{silence.silence_id} of {silence.created_by} ends in {minutes} min and hides {hides} ({silence.match}); they "
        "open incidents then. `/ops silence …` sets it anew"
    )


def _get(connection: Connection, number: int) -> Silence:
    row = connection.execute(select(schema.silence).where(schema.silence.c.number == number)).first()
    if row is None:
        raise NotFoundError(f"there is no silence {PREFIX}{number}")
    return _to_silence(connection, row)


def _to_silence(connection: Connection, row: Row[Any]) -> Silence:
    table = schema.alert
    query = select(func.count()).where(
        table.c.state == FIRING, table.c.hiding == Hiding.SILENCE.value, table.c.hidden_by == f"{PREFIX}{row.number}"
    )
    return _plain(row, num_hiding=int(connection.execute(query).scalar_one()))


def _plain(row: Row[Any], num_hiding: int = 0) -> Silence:
    return Silence(
        silence_id=f"{PREFIX}{row.number}",
        match=label_match(row.matchers),
        reason=row.reason,
        created_by=row.created_by,
        created_at=row.created_at,
        ends_at=row.ends_at,
        ended_by=row.ended_by,
        num_hidden=row.num_hidden,
        num_hiding=num_hiding,
    )


def _number(text: str) -> int:
    digits = text.upper().removeprefix(PREFIX)
    if not digits.isdigit():
        raise NotFoundError(f"{text!r} is no silence; they are called {PREFIX}1, {PREFIX}2 …")
    return int(digits)
