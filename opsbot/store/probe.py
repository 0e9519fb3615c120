"""Writes to a database without changing it: the only proof that it can be written."""

from __future__ import annotations

from sqlalchemy import Engine, text


def write_nothing(engine: Engine) -> None:
    """Commit a change that leaves everything as it is.

    Raises: sqlalchemy.exc.SQLAlchemyError if the database is locked, read-only, full or gone.
    """
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            if connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
                raise OSError("the server is read-only")
            return
        # SQLite writes the header's page even where the number stays the same.
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
        connection.commit()
