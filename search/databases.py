"""Opening the database of the studies: SQLite on one machine, PostgreSQL or MySQL for a cluster.

A driver has at most 3 connections, a dashboard 5.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import (
    Engine,
    MetaData,
    String,
    column,
    create_engine,
    event,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import Column, Table

from ..errors import BadValue, UnknownName, UserError, listed
from .records import Base

__all__ = [
    "FIRST",
    "MYSQL",
    "REVISION",
    "VERSIONS",
    "alone",
    "connections",
    "open_database",
    "reading",
    "revision_of",
    "said",
    "shown",
    "unlike",
    "url_of",
]

REVISION = "0004"  # of our tables: the last one in migrations/versions
VERSIONS = Table(
    "foveate_version", MetaData(), Column("version_num", String(32), primary_key=True)
)  # what the database holds; Optuna's tables have one of their own
FIRST = table("foveate_schema", column("version"))  # which said so before there were migrations
DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mariadb+pymysql": "mariadb+pymysql",
}
PACKAGES = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
MYSQL = ("mysql", "mariadb")
BUDGET = {"driver": 3, "dashboard": 5}  # connections at most
BUSY = 30.0  # seconds for which a connection to SQLite waits for another's lock
READS = "foveate_reads"  # option of an engine: it only reads, and SQLite need not lock
SECRETS = {"password", "passwd", "sslpassword", "ssl_key_password"}  # of an address's query
PASSWORD_FILE = "FOVEATE_PASSWORD_FILE"  # names a file that holds the password of the database


# ------------------------------------------------------------------------------------ addresses


def url_of(storage: str) -> URL:
    """``storage`` as a URL that SQLAlchemy and Optuna take.

    A server's password may be left out of it and stand in the file that ``FOVEATE_PASSWORD_FILE``
    names; what the server's own client reads (``PGPASSFILE``, for one) is read, too.

    Raises
        BadValue  if it is the address of no database that we take, or that file cannot be read
    """
    kinds = listed(["sqlite", "postgresql", "mysql"], last="or") + ", such as sqlite:///foveate.db"
    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):
        scheme, slashes, _ = storage.partition("://")  # behind them may be a password
        got = f"{scheme}://…" if slashes else storage
        raise BadValue(f"storage must be a database URL of {kinds}, got {got!r}") from None
    if "@" in (url.host or ""):  # it would be taken for a part of the host's name, and shown
        raise BadValue("a user's name and password have %40 for @ in a database URL")
    if url.drivername not in DRIVERS:
        raise BadValue(f"storage must be a database URL of {kinds}, got {shown(url)!r}")
    url = url.set(drivername=DRIVERS[url.drivername])
    if url.get_backend_name() == "sqlite":
        return url
    for name in {"password", "passwd"} & set(url.query):  # where every log hides it
        url = url.set(password=str(url.query[name])).difference_update_query([name])
    if url.get_backend_name() in MYSQL:
        url = url.update_query_dict({"charset": "utf8mb4"})  # names in any script
    path = os.environ.get(PASSWORD_FILE)
    if path and url.password is None:
        try:
            url = url.set(password=Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise BadValue(f"cannot read the password file {path!r}: {why}") from None
    return url


def shown(storage: str | URL) -> str:
    """An address for people and logs: without its password."""
    url = storage if isinstance(storage, URL) else url_of(storage)
    url = url.update_query_dict(dict.fromkeys(SECRETS & set(url.query), "***"))
    return url.render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


# ------------------------------------------------------------------------------------- opening


def open_database(
    storage: str,
    *,
    create: bool = False,
    read_only: bool = False,
    of: Literal["driver", "dashboard"] = "driver",
) -> Engine:
    """An engine for ``storage``, with as many connections as ``of`` may have.

    With ``create``, our tables are made where there are none; without, a database that lacks them
    is a ``UserError``, and nothing is written. SQLite is put in write-ahead mode, so that readers
    never wait for the search.
    """
    engine = connections(storage, create=create, read_only=read_only, most=BUDGET[of])
    try:
        with reading(storage):
            _check_revision(engine, storage, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connections(
    storage: str, *, create: bool = False, read_only: bool = False, most: int = 3
) -> Engine:
    """An engine for ``storage`` whose tables nobody has looked at yet."""
    url = url_of(storage)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, create=create, read_only=read_only, most=most)
    try:
        __import__(PACKAGES[backend])
    except ImportError:
        name = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}[backend]
        extra = "postgresql" if backend == "postgresql" else "mysql"
        raise BadValue(f"{name} needs its driver: pip install 'foveate[{extra}]'") from None
    options: dict[str, Any] = {"connect_args": {"connect_timeout": 10}}
    if read_only and backend == "postgresql":
        options["execution_options"] = {"postgresql_readonly": True}
    if backend in MYSQL:
        options["isolation_level"] = "READ COMMITTED"
        if url.password is not None:  # which the driver would write as Latin-1
            options["connect_args"]["password"] = str(url.password).encode()
        if read_only:
            options["connect_args"]["init_command"] = "SET SESSION TRANSACTION READ ONLY"
    return create_engine(
        url, pool_size=most - 1, max_overflow=1, pool_pre_ping=True, pool_recycle=1800, **options
    )


@contextmanager
def reading(storage: str) -> Iterator[None]:
    """What a database answers in place of its tables is a ``BadValue`` of one sentence."""
    try:
        yield
    except OperationalError as error:
        raise BadValue(f"cannot open {shown(storage)}: {said(error)}") from None
    except DatabaseError as error:
        raise BadValue(f"{shown(storage)} is no database of ours: {said(error)}") from None


def said(error: DatabaseError) -> str:
    """What the database had to say, without the statement."""
    words = error.orig.args[-1:] if error.orig else ()  # MySQL puts a number before
    return str(words[0] if words else error.orig).strip()


def _sqlite(url: URL, *, create: bool, read_only: bool, most: int) -> Engine:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise BadValue("storage must be a file: a database in memory ends with the search")
    if not path.exists() and not create:
        raise UnknownName(f"there is no database {str(path)!r}; `foveate search` makes one")
    if not path.parent.is_dir():
        raise BadValue(f"the folder of the database {str(path)!r} does not exist")
    path = path.absolute()
    if create and not path.exists():
        path.touch()
    # an existing file only: one that was taken away is not made anew, empty
    mode = {"mode": "ro" if read_only else "rw", "uri": "true"}
    engine = create_engine(
        url.set(database=f"file:{quote(str(path))}", query=mode),
        connect_args={"timeout": BUSY, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=most - 1,
        max_overflow=1,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute("PRAGMA foreign_keys = ON")
        if create:
            connection.execute("PRAGMA journal_mode = WAL")  # stays so for all who open it
        if not read_only:
            connection.execute("PRAGMA synchronous = NORMAL")
        record.info["file"] = _file(path)

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _: Any) -> None:
        if record.info["file"] != _file(path):  # it would write into a file that has no name
            raise DisconnectionError("the file of the database is another one now")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # taking the write lock at once avoids a failed upgrade from a read lock
        reads = read_only or connection.get_execution_options().get(READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# ------------------------------------------------------------------------------------ revisions


def revision_of(connection: Connection) -> str | None:
    """Which revision of our tables the database holds; ``None`` if it holds none of them."""
    there = inspect(connection)
    if there.has_table(VERSIONS.name):
        return connection.scalar(select(VERSIONS.c.version_num))
    if there.has_table(FIRST.name):
        version = connection.scalar(select(FIRST.c.version))
        return None if version is None else f"{version:04}"
    return None


def _check_revision(engine: Engine, storage: str, *, create: bool) -> None:
    with engine.connect().execution_options(**{READS: True}) as connection:
        found = revision_of(connection)
    if found is None and create:
        with alone(engine) as connection:
            Base.metadata.create_all(connection)
            VERSIONS.create(connection, checkfirst=True)
            if connection.scalar(select(VERSIONS.c.version_num)) is None:  # nobody was quicker
                connection.execute(insert(VERSIONS).values(version_num=REVISION))
            found = connection.scalar(select(VERSIONS.c.version_num))
    if error := unlike(storage, found):
        raise error


def unlike(storage: str, found: str | None) -> UserError | None:
    """What is to be said of tables of version ``found``, unless they are of this program's."""
    where = shown(storage)
    if found is None:
        return UnknownName(f"{where} holds no study of ours; `foveate search` starts one")
    if found < REVISION:
        return BadValue(
            f"{where} holds tables of version {found}, and this program writes {REVISION}: "
            "`foveate db upgrade` brings them there"
        )
    if found > REVISION:
        return BadValue(
            f"{where} holds tables of version {found}, of a newer program than this one, "
            f"which knows {REVISION}: install that version of foveate"
        )
    return None


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A transaction during which nobody else makes or changes tables.

    SQLite takes its lock at BEGIN. MySQL ends a transaction at each change of a table, so the lock
    is held by another connection.
    """
    if engine.dialect.name not in MYSQL:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(7204)"))
            yield connection
        return
    with engine.connect() as holder:
        if holder.scalar(text("SELECT GET_LOCK('foveate', 60)")) != 1:
            raise BadValue("others have been changing the tables of the database for a minute")
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            holder.execute(text("SELECT RELEASE_LOCK('foveate')"))
