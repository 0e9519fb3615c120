"""Reports as they were made, until they are told and for a while after, since later ones compare with them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row as DbRow
from sqlalchemy import and_, delete, exists, func, select, update

from opsbot.chart.picture import Picture
from opsbot.errors import NotFoundError
from opsbot.notify.outbox import OutboxState
from opsbot.notify.overdue import NEVER_SENT
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import insert_new, wish
from opsbot.utilisation.report import Report, ReportKind, Row

_report, _outbox = schema.report.c, schema.outbox.c


class ReportRepository:
    """Implements opsbot.utilisation.reporter.ReportStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_slot(self, kind: ReportKind) -> float | None:
        """The newest slot of that kind that was made, or knowingly left out; None before the first."""
        with self._database.read() as connection:
            found: float | None = connection.execute(
                select(func.max(_report.slot)).where(_report.kind == kind)
            ).scalar()
        return found

    def begin_at(self, kind: ReportKind, slot: float, now: float) -> None:
        """Slots up to *slot* are no matter: nobody was to tell them."""
        key = f"{kind}:from:{round(slot)}"
        body: dict[str, Any] = {"title": "", "lines": [], "rows": [], "columns": ["", ""], "notes": [], "facts": {}}
        values = {"key": key, "kind": kind, "slot": slot, "made_at": now, "body": body, "is_told": True}
        with self._database.write() as connection:
            insert_new(connection, schema.report, values)

    def add(self, report: Report) -> bool:
        """Keep *report*, before it is told; False if one of its slot is there."""
        picture = report.picture
        body = {
            "title": report.title,
            "lines": list(report.lines),
            "rows": [[row.name, row.amount, row.share] for row in report.rows],
            "columns": list(report.columns),
            "notes": list(report.notes),
            "facts": report.facts,
            "picture": None if picture is None else [picture.alt_text, picture.title],
        }
        values = {
            "key": report.key,
            "kind": report.kind,
            "slot": report.slot,
            "made_at": report.made_at,
            "body": body,
            "png": None if picture is None else picture.png,
            "is_told": False,
        }
        with self._database.write() as connection:
            return insert_new(connection, schema.report, values)

    def report(self, key: str) -> Report:
        """One report.

        Raises: NotFoundError.
        """
        with self._database.read() as connection:
            row = connection.execute(select(schema.report).where(_report.key == key)).first()
        if row is None:
            raise NotFoundError(f"there is no report {key}")
        return _to_report(row)

    def untold(self) -> tuple[Report, ...]:
        """Those that were made and not yet handed to the outbox, oldest first: a process died in between."""
        with self._database.read() as connection:
            rows = connection.execute(select(schema.report).where(~_report.is_told).order_by(_report.slot)).all()
        return tuple(_to_report(row) for row in rows)

    def tell(self, key: str, file_id: str | None) -> None:
        """Hand it to the outbox, with the file that it shows; the bytes are not needed any more."""
        with self._database.write() as connection:
            connection.execute(
                update(schema.report).where(_report.key == key).values(is_told=True, file_id=file_id, png=None)
            )
            wish(connection, f"report:{key}", "report", key, None)

    def pass_over(self, kind: ReportKind, before: float) -> int:
        """Reports of *kind* older than *before* that still wait are told no more; how many those are."""
        is_old = exists().where(_report.key == _outbox.ref, _report.kind == kind, _report.slot < before)
        with self._database.write() as connection:
            return int(
                connection.execute(
                    update(schema.outbox)
                    .where(
                        and_(
                            _outbox.kind == "report",
                            _outbox.ts.is_(None),
                            _outbox.state == OutboxState.PENDING.value,
                            _outbox.revision > _outbox.delivered_revision,
                            is_old,
                        )
                    )
                    .values(state=OutboxState.DELIVERED.value, delivered_revision=_outbox.revision, ts=NEVER_SENT)
                ).rowcount
            )

    def facts_near(self, kind: ReportKind, at: float, within_s: float) -> dict[str, float] | None:
        """The facts of the report of *kind* whose slot is nearest to *at*; None if none is within *within_s*."""
        with self._database.read() as connection:
            row = connection.execute(
                select(_report.body)
                .where(_report.kind == kind, _report.slot.between(at - within_s, at + within_s))
                .where(~_report.key.contains(":from:"))
                .order_by(func.abs(_report.slot - at))
            ).first()
        return None if row is None else dict(row.body["facts"])

    def forget(self, before: float) -> int:
        """Drop what is older than *before* and has been told; how many."""
        newest = select(func.max(schema.report.c.slot)).group_by(schema.report.c.kind)
        with self._database.write() as connection:
            old = list(
                connection.execute(
                    select(_report.key).where(_report.slot < before, _report.is_told, _report.slot.not_in(newest))
                ).scalars()
            )
            connection.execute(delete(schema.report).where(_report.key.in_(old)))
            connection.execute(
                delete(schema.outbox).where(
                    _outbox.kind == "report", _outbox.ref.in_(old), _outbox.revision <= _outbox.delivered_revision
                )
            )
        return len(old)


def _to_report(row: DbRow[Any]) -> Report:
    body = row.body
    words = body.get("picture")
    picture = None
    if words is not None:
        picture = Picture(row.png or b"", *words)
    return Report(
        key=row.key,
        kind=row.kind,
        slot=row.slot,
        made_at=row.made_at,
        title=body["title"],
        lines=tuple(body["lines"]),
        rows=tuple(Row(*one) for one in body["rows"]),
        columns=tuple(body["columns"]),
        notes=tuple(body["notes"]),
        facts=body["facts"],
        picture=picture,
        file_id=row.file_id,
    )
