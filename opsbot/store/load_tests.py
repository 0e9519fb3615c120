"""Load tests: one open one a cluster, kept after they are closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, cast, desc, exists, insert, literal, select, update

from opsbot.errors import InvalidTransition, NotFoundError
from opsbot.incident.timeline import TimelineEntry
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.notices import write_notice
from opsbot.store.rows import incident_id, wish, write_entry
from opsbot.utilisation.load_test import REMARK_KIND, LoadTest, from_body

MOST_DRAWN = 20

_table = schema.load_test
_test = schema.load_test.c


class LoadTestRepository:
    """Implements opsbot.utilisation.load_tests.LoadTestStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, test: LoadTest) -> LoadTest:
        """Announce *test*; the one of the same request again where it is there already.

        Raises: InvalidTransition if its cluster has an open one.
        """
        with self._database.write() as connection:
            same = connection.execute(select(_table).where(_test.request_id == test.request_id)).first()
            if same is not None:
                return _to_test(same)
            row = connection.execute(select(_table).where(_test.cluster == test.cluster, _test.state == "open")).first()
            if row is not None:
                other = _to_test(row)
                raise InvalidTransition(
                    f"{test.cluster} has load test {other.number} by {other.by} already, and one at a time is enough; "
                    f"`loadtest close {test.cluster}` closes it, `loadtest stop {test.cluster}` stops it"
                )
            done = connection.execute(insert(_table).values(**_values(test)))
            key = done.inserted_primary_key
            assert key is not None
            number = int(key[0])
            _wish(connection, number)
        return replace(test, number=number)

    def test(self, number: int) -> LoadTest:
        """One load test.

        Raises: NotFoundError.
        """
        with self._database.read() as connection:
            return _get(connection, number)

    def open_tests(self) -> tuple[LoadTest, ...]:
        """Those that are under way, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(_test.state == "open").order_by(_test.number)).all()
        return tuple(_to_test(row) for row in rows)

    def newest(self, limit: int) -> tuple[LoadTest, ...]:
        """The newest, open or not, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).order_by(desc(_test.number)).limit(limit)).all()
        return tuple(_to_test(row) for row in rows)

    def change(self, number: int, change: Callable[[LoadTest], LoadTest], *, is_shown: bool = True) -> LoadTest:
        """Replace an open test by what *change* makes of it, and show that; a closed one stays as it is.

        Raises: NotFoundError.
        """
        with self._database.write() as connection:
            test = _get(connection, number)
            if not test.is_open:
                return test
            test = change(test)
            connection.execute(update(_table).where(_test.number == number).values(**_values(test)))
            if is_shown:
                _wish(connection, number)
        return test

    def warn(self, test: LoadTest, text: str, at: float) -> None:
        """Say *text* once in the incidents channel; whoever asked for the test is mentioned by name."""
        with self._database.write() as connection:
            write_notice(connection, f"load_test:{test.number}:{test.how}", text, test.by, at)

    def remark(self, test: LoadTest, text: str, at: float) -> int:
        """Say *text* once in every open incident of the test's cluster that alerts opened since; in how many anew."""
        incident, timeline = schema.incident.c, schema.timeline.c
        with self._database.read() as connection:
            rows = connection.execute(
                select(incident.number, incident.labels).where(
                    incident.state != "resolved",
                    incident.merged_into.is_(None),
                    incident.num_alerts > 0,
                    incident.opened_at >= test.announced_at,
                    ~exists().where(timeline.key == _remark_key(test, incident.number)),
                )
            ).all()
        numbers = [row.number for row in rows if row.labels.get("cluster") == test.cluster]
        if numbers:
            with self._database.write() as connection:
                for number in numbers:
                    key = f"load_test:{test.number}:{number}"
                    write_entry(connection, TimelineEntry(key, incident_id(number), at, test.by, REMARK_KIND, text))
        return len(numbers)

    def png(self, number: int) -> bytes | None:
        """The chart that is still to be shown."""
        with self._database.read() as connection:
            found: bytes | None = connection.execute(select(_test.png).where(_test.number == number)).scalar()
        return found

    def undrawn(self) -> tuple[LoadTest, ...]:
        """Of the newest closed tests those that have no chart yet."""
        query = select(_table).where(_test.state == "closed", _test.png.is_(None), _test.file_id.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(desc(_test.number)).limit(MOST_DRAWN)).all()
        return tuple(test for test in map(_to_test, rows) if not test.is_drawn)

    def unshown(self) -> tuple[LoadTest, ...]:
        """Closed tests whose chart is drawn and not shown yet."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(_test.png.is_not(None)).order_by(_test.number)).all()
        return tuple(_to_test(row) for row in rows)

    def draw(self, number: int, png: bytes | None, alt_text: str = "") -> None:
        """Keep the chart of a closed test until it is shown; None if it has none."""
        with self._database.write() as connection:
            test = replace(_get(connection, number), alt_text=alt_text, is_drawn=True)
            values = {"png": png, "body": test.body()}
            connection.execute(update(_table).where(_test.number == number).values(**values))

    def show(self, number: int, file_id: str | None) -> None:
        """Show the chart, or none."""
        with self._database.write() as connection:
            connection.execute(update(_table).where(_test.number == number).values(file_id=file_id, png=None))
            _wish(connection, number)


def _remark_key(test: LoadTest, number: ColumnElement[int]) -> ColumnElement[str]:
    return literal(f"load_test:{test.number}:").concat(cast(number, String))


def _wish(connection: Connection, number: int) -> None:
    wish(connection, f"load_test:{number}", "load_test", str(number), None)


def _get(connection: Connection, number: int) -> LoadTest:
    row = connection.execute(select(_table).where(_test.number == number)).first()
    if row is None:
        raise NotFoundError(f"there is no load test {number}")
    return _to_test(row)


def _values(test: LoadTest) -> dict[str, Any]:
    return {
        "request_id": test.request_id,
        "cluster": test.cluster,
        "run_id": test.run_id,
        "announced_at": test.announced_at,
        "ends_at": test.ends_at,
        "state": test.state,
        "file_id": test.file_id,
        "body": test.body(),
    }


def _to_test(row: Row[Any]) -> LoadTest:
    names = ("number", "request_id", "cluster", "run_id", "announced_at", "ends_at", "state", "file_id")
    return from_body(row.body, {name: getattr(row, name) for name in names})
