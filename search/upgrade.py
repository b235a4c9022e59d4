"""Bringing a database of an older program up to date: all of it, or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from shutil import copymode
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    DateTime,
    Engine,
    bindparam,
    event,
    func,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError

from ..errors import BadValue
from . import migrations
from .databases import (
    FIRST,
    REVISION,
    VERSIONS,
    alone,
    connections,
    reading,
    revision_of,
    said,
    shown,
    unlike,
    url_of,
)
from .records import now

__all__ = ["Older", "older", "upgrade"]

FOLDER = Path(migrations.__path__[0])
BEAT = timedelta(seconds=30)  # a driver that gave no sign of life for so long is gone


@dataclass(frozen=True, slots=True)
class Older:
    """A database whose tables are older than this program's."""

    version: str
    studies: int
    trials: int
    is_file: bool  # that is copied before; a server's is not

    def __str__(self) -> str:
        return f"{self.studies} studies, {self.trials:,} trials, tables of version {self.version}"


def older(storage: str) -> Older | None:
    """What there is to bring up to date; ``None`` if nothing is.

    Raises
        UserError  if there is no database of ours, or one of a newer program
    """
    engine = connections(storage, read_only=True)
    with reading(storage), _opened(engine), engine.connect() as connection:
        found = revision_of(connection)
        if found is None or found >= REVISION:
            if error := unlike(storage, found):
                raise error
            return None

        def count(name: str) -> int:
            connection.rollback()  # and so holds no table that another upgrade changes
            return connection.scalar(select(func.count()).select_from(table(name))) or 0

        studies, trials = count("foveate_study"), count("foveate_trial")
        return Older(found, studies, trials, engine.dialect.name == "sqlite")


def upgrade(storage: str) -> Path | None:
    """Bring the tables of ``storage`` up to date; the copy of the file that was made before.

    In one transaction, where the database has such: what fails in the middle, or is killed, leaves
    the tables as they were.

    Raises
        UserError  if there are no tables of ours or newer ones, a driver is at work, or they cannot
                   be brought up to date: they are as before
    """
    if older(storage) is None:
        return None
    engine = connections(storage)
    is_file = engine.dialect.name == "sqlite"
    if is_file:
        event.listen(engine, "connect", _let_tables_be_replaced)
    copy = None
    try:
        with _opened(engine), alone(engine) as connection:
            found = revision_of(connection)
            if found is None or found >= REVISION:  # somebody was quicker
                return None
            _nobody_searches(connection, found)
            if is_file:
                copy = _copy(Path(url_of(storage).database or ""), found)
            _migrate(connection)
            _nothing_dangles(connection)
    except DatabaseError as error:
        raise BadValue(f"{shown(storage)} stays as it was: {said(error)}") from error
    except BadValue as error:
        raise BadValue(f"{shown(storage)} stays as it was: {error}") from None
    return copy


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if not inspect(connection).has_table(VERSIONS.name):  # the first two had another way to say it
        VERSIONS.create(connection)
        version = f"{connection.scalar(select(FIRST.c.version)):04}"
        connection.execute(insert(VERSIONS).values(version_num=version))
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, REVISION)


def _nobody_searches(connection: Connection, found: str) -> None:
    if found < "0003":
        alive = "SELECT name, driver_host, driver_pid FROM foveate_study"
        alive += " WHERE driver IS NOT NULL AND driver_beat > :lately"
    else:
        alive = "SELECT name, host, pid FROM foveate_study AS study"
        alive += " JOIN foveate_driver AS driver ON driver.study_id = study.id"
        alive += " WHERE ended IS NULL AND beat > :lately"
    lately = bindparam("lately", now() - BEAT, DateTime)
    for name, host, pid in connection.execute(text(alive).bindparams(lately)):
        raise BadValue(
            f"study {name!r} is being searched by process {pid} on {host}: stop it first; if it "
            f"died, wait {BEAT.seconds} seconds"
        )


def _copy(path: Path, found: str) -> Path:
    """A copy of the file beside it, of another name than all that are there."""
    copy, number = path.with_name(f"{path.name}.{found}.bak"), 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.{found}-{number}.bak")
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        copymode(path, copy)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise BadValue(f"it could not be copied to {str(copy)!r}: {error}") from None
    return copy


def _nothing_dangles(connection: Connection) -> None:
    """SQLite was told to let tables be replaced: every row must still have what it refers to."""
    if connection.dialect.name == "sqlite":
        left = connection.execute(text("PRAGMA foreign_key_check")).all()
        names = sorted({row[0] for row in left if row[0].startswith("foveate_")})
        if names:
            raise BadValue(f"rows of {', '.join(names)} refer to rows that there are not")


def _let_tables_be_replaced(connection: Any, _: Any) -> None:
    # else what refers to a table goes when it is made anew
    connection.execute("PRAGMA foreign_keys = OFF")


@contextmanager
def _opened(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()
