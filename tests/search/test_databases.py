"""Addresses, opening, and what becomes of connections; how passwords stay secret."""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, inspect, select, text, update
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, CreateTable
from starlette.testclient import TestClient

from foveate.dashboards.app import create_app
from foveate.errors import BadValue, UnknownName, UserError
from foveate.search import databases, store
from foveate.search.check import findings
from foveate.search.databases import REVISION, VERSIONS, open_database, shown, url_of
from foveate.search.records import Base, Study, Trial

KINDS = "storage must be a database URL of sqlite, postgresql or mysql, such as "
KINDS += "sqlite:///foveate.db, got "
IN_MEMORY = "storage must be a file: a database in memory ends with the search"


def add_study(engine: Engine, name: str = "tiny") -> None:
    columns = {"spec": {}, "sites": [], "classes": [], "versions": {}, "space_size": "1"}
    costs = {"bare_gflops": 1.0, "reference_gflops": 1.2}
    with Session(engine) as session, session.begin():
        store.add_study(session, name=name, optuna_id=1, **columns, **costs)


def names(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [study.name for study in store.studies(session)]


# ------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("foveate.db", f"{KINDS}'foveate.db'"),
        ("", f"{KINDS}''"),
        ("oracle://me:secret@host/db", f"{KINDS}'oracle://me:***@host/db'"),
        ("oracle://me@host/db?password=secret", f"{KINDS}'oracle://me@host/db?password=***'"),
        ("postgresql://me:secret@host:port/db", f"{KINDS}'postgresql://…'"),
        ("postgresql://me:secret", f"{KINDS}'postgresql://…'"),
        (
            "postgresql://me:sec@ret@host/db",
            "a user's name and password have %40 for @ in a database URL",
        ),
        ("sqlite://", IN_MEMORY),
        ("sqlite:///:memory:", IN_MEMORY),
        (
            "sqlite:////no/where/x.db",
            "the folder of the database '/no/where/x.db' does not exist",
        ),
    ],
)
def test_an_address_that_is_none_of_ours_is_refused(address: str, sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        open_database(address, create=True)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "address",
    ["postgresql://host:port/db", "postgresql+psycopg2://h/db", "sqlite+pysqlcipher:///x"],
)
def test_an_address_that_nothing_can_open_is_a_users_mistake(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        open_database(address, create=True)


@pytest.mark.parametrize(
    ("address", "driver"),
    [
        ("postgresql://h/db", "postgresql+psycopg"),
        ("postgresql+psycopg://h/db", "postgresql+psycopg"),
        ("mysql://h/db", "mysql+pymysql"),
        ("mariadb://h/db", "mariadb+pymysql"),
    ],
)
def test_each_server_has_its_driver(address: str, driver: str) -> None:
    assert url_of(address).drivername == driver


@pytest.mark.parametrize(
    ("package", "address", "extra"),
    [
        ("psycopg", "postgresql://h/db", "PostgreSQL needs its driver: pip install 'foveate[postg"),
        ("pymysql", "mysql://h/db", "MySQL needs its driver: pip install 'foveate[mysql]'"),
        ("pymysql", "mariadb://h/db", "MariaDB needs its driver: pip install 'foveate[mysql]'"),
    ],
)
def test_without_the_driver_of_a_server_its_name_is_told(
    package: str, address: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadValue, match=f"^{re.escape(extra)}"):
        open_database(address)


# -------------------------------------------------------------------------------------- opening


def test_a_database_that_is_not_there_is_not_made_by_looking(storage: str, tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(UnknownName) as caught:
            open_database(storage, read_only=read_only)
        path = str(tmp_path / "foveate.db")
        assert str(caught.value) == f"there is no database {path!r}; `foveate search` makes one"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"^cannot open sqlite:.*: unable to open database file$"):
        open_database(f"sqlite:///{tmp_path}", create=True)


@pytest.mark.parametrize("options", [{}, {"create": True}, {"read_only": True}])
def test_a_file_that_is_no_database_stays_as_it_is(
    options: dict[str, bool], storage: str, tmp_path: Path
) -> None:
    (tmp_path / "foveate.db").write_bytes(b"all my notes\n" * 500)
    with pytest.raises(BadValue, match=r" is no database of ours: file is not a database$"):
        open_database(storage, **options)
    assert (tmp_path / "foveate.db").read_bytes() == b"all my notes\n" * 500


@pytest.mark.parametrize("read_only", [False, True])
def test_looking_into_the_database_of_another_program_writes_nothing(
    read_only: bool, storage: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "foveate.db")) as database:
        database.execute("CREATE TABLE theirs (x)")
    before = hashlib.sha256((tmp_path / "foveate.db").read_bytes()).digest()
    with pytest.raises(UnknownName, match=r" holds no study of ours; `foveate search` starts one$"):
        open_database(storage, read_only=read_only)
    assert [path.name for path in tmp_path.iterdir()] == ["foveate.db"]
    assert hashlib.sha256((tmp_path / "foveate.db").read_bytes()).digest() == before


def test_our_tables_may_join_those_of_another_program(storage: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "foveate.db")) as database:
        database.execute("CREATE TABLE theirs AS SELECT 42 AS x")
        database.commit()
    assert names(open_database(storage, create=True)) == []
    with closing(sqlite3.connect(tmp_path / "foveate.db")) as database:
        assert database.execute("SELECT x FROM theirs").fetchall() == [(42,)]


def test_tables_of_a_newer_version_are_refused(storage: str) -> None:
    engine = open_database(storage, create=True)
    with engine.begin() as connection:
        connection.execute(update(VERSIONS).values(version_num="0099"))
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(BadValue) as caught:
            open_database(storage, **options)
        assert str(caught.value) == (
            f"{storage} holds tables of version 0099, of a newer program than this one, which "
            f"knows {REVISION}: install that version of foveate"
        )


def test_tables_of_an_older_version_are_refused_with_the_way_out(storage: str) -> None:
    with closing(sqlite3.connect(storage.removeprefix("sqlite:///"))) as database:
        database.executescript(
            "CREATE TABLE foveate_schema (version INTEGER NOT NULL PRIMARY KEY);"
            "INSERT INTO foveate_schema VALUES (2)"
        )
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(BadValue) as caught:
            open_database(storage, **options)
        assert str(caught.value) == (
            f"{storage} holds tables of version 0002, and this program writes {REVISION}: "
            "`foveate db upgrade` brings them there"
        )


def test_opening_again_keeps_what_is_there(storage: str) -> None:
    add_study(open_database(storage, create=True))
    engine = open_database(storage, create=True)
    assert names(engine) == ["tiny"]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(VERSIONS)) == 1


def test_two_may_make_the_same_database_at_once(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at_once(storage, monkeypatch)


def made_at_once(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that there are no tables before either makes them."""
    both, found = Barrier(2), databases.revision_of

    def looked(connection: Any) -> str | None:
        there = found(connection)
        both.wait(timeout=30)
        return there

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(databases, "revision_of", looked)
        engines = list(pool.map(lambda _: open_database(storage, create=True), range(2)))
    for engine in engines:
        with engine.connect() as connection:
            assert connection.scalars(select(VERSIONS.c.version_num)).all() == [REVISION]
        engine.dispose()


def test_a_reader_cannot_write(storage: str) -> None:
    add_study(open_database(storage, create=True))
    with pytest.raises(DatabaseError, match="readonly"):
        add_study(open_database(storage, read_only=True), "other")


def test_a_reader_does_not_wait_for_a_writer(storage: str) -> None:
    engine = open_database(storage, create=True)
    add_study(engine)
    with engine.begin() as connection:  # the database is locked for other writers
        connection.execute(update(Study).values(name="changed"))
        assert names(open_database(storage, read_only=True)) == ["tiny"]


def test_opening_does_not_wait_for_a_writer(storage: str) -> None:
    engine = open_database(storage, create=True)
    with engine.begin() as connection:
        connection.execute(update(Study).values(name="changed"))
        open_database(storage)  # would time out


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    folder = tmp_path / "50% off #1"
    folder.mkdir()
    storage = f"sqlite:///{folder}/a b.db"
    open_database(storage, create=True).dispose()
    assert names(open_database(storage, read_only=True)) == []
    assert "a b.db" in {path.name for path in folder.iterdir()}


# ------------------------------------------------------------------- files that come and go


def moved(path: Path, to: Path) -> None:
    for end in ("", "-wal", "-shm"):
        if (file := path.with_name(path.name + end)).exists():
            file.rename(to.with_name(to.name + end))


def test_a_file_that_was_taken_away_is_not_made_anew(storage: str, tmp_path: Path) -> None:
    path, away = tmp_path / "foveate.db", tmp_path / "away.db"
    engine = open_database(storage, create=True)
    reader = open_database(storage, read_only=True, of="dashboard")
    add_study(engine)
    assert names(reader) == ["tiny"]
    moved(path, away)
    for one in (engine, reader, engine):
        with pytest.raises(OperationalError, match="unable to open database file"):
            names(one)
    assert not path.exists()
    moved(away, path)
    assert names(engine) == names(reader) == ["tiny"]
    add_study(engine, "again")
    assert sorted(names(reader)) == ["again", "tiny"]


def test_a_file_that_was_replaced_is_the_one_that_is_read(storage: str, tmp_path: Path) -> None:
    engine, path = open_database(storage, create=True), tmp_path / "foveate.db"
    add_study(engine)
    other = open_database(f"sqlite:///{tmp_path}/other.db", create=True)
    add_study(other, "other")
    other.dispose()  # and its write-ahead log is in the file
    moved(path, tmp_path / "away.db")
    moved(tmp_path / "other.db", path)
    assert names(engine) == ["other"]
    add_study(engine, "new")
    assert names(open_database(f"sqlite:///{tmp_path}/away.db")) == ["tiny"]


# -------------------------------------------------------------------------------------- servers


@pytest.fixture
def on_postgresql(postgres: str) -> Iterator[str]:
    """The address of a database of its own."""
    import psycopg

    name = f"db_{uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def on_mysql() -> Iterator[str]:
    """The address of a database of its own on the server of FOVEATE_TEST_MYSQL_URL."""
    address = os.environ.get("FOVEATE_TEST_MYSQL_URL")
    if not address:
        pytest.skip("FOVEATE_TEST_MYSQL_URL names no server of MySQL or MariaDB")
    engine, name = databases.connections(address), f"db_{uuid4().hex[:12]}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url_of(address).set(database=name).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"on_{request.param}"))


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(BadValue) as caught:
        open_database("postgresql://me:secret@127.0.0.1:1/db", create=True)
    sentence = str(caught.value)
    assert sentence.startswith("cannot open postgresql+psycopg://me:***@127.0.0.1:1/db: ")
    assert "Connection refused" in sentence and "secret" not in sentence


def test_a_server_without_our_tables_is_not_written_by_looking(server: str) -> None:
    for read_only in (False, True):
        with pytest.raises(UnknownName, match=r"holds no study of ours; `foveate search`"):
            open_database(server, read_only=read_only)
    engine = databases.connections(server)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_two_may_make_our_tables_on_a_server_at_once(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at_once(server, monkeypatch)


def test_a_database_that_a_server_has_not_is_named(postgres: str) -> None:
    address = postgres.replace("/postgres?", "/nowhere?")
    with pytest.raises(BadValue, match='database "nowhere" does not exist'):
        open_database(address, create=True)


def test_a_reader_of_a_server_cannot_write(server: str) -> None:
    open_database(server, create=True).dispose()
    engine = open_database(server, read_only=True)
    with pytest.raises(DatabaseError, match=r"(?i)read.only transaction"):
        add_study(engine)
    engine.dispose()


def test_a_server_keeps_any_script_and_large_numbers(server: str) -> None:
    engine = open_database(server, create=True)
    add_study(engine, "naïve 日本語 🔑")
    with Session(engine) as session, session.begin():
        study = store.find_study(session, "naïve 日本語 🔑")
        study.note, study.classes = "🔑" * 30_000, ["ü"]
        columns = {"parameters": 2**40, "macs": 1e18, "gflops": 1.0, "key": "k", "placement": "{}"}
        columns |= {"number": 0, "optuna_id": 1, "seq": 1, "origin": "user", "seed": 2**32 - 1}
        study.trials.append(Trial(**columns, reason="“\0”", accuracy=0.1 + 0.2, state="infeasible"))
    with Session(engine) as session:
        study = store.studies(session)[0]
        (trial,) = study.trials
        assert study.note == "🔑" * 19_999 + "…" and study.classes == ["ü"]
        assert (trial.parameters, trial.seed, trial.accuracy) == (2**40, 2**32 - 1, 0.1 + 0.2)
        assert trial.reason == "“␀”" and trial.created.microsecond + study.created.microsecond > 0
        assert trial.chosen is None and trial.violations is None
    with engine.connect() as connection:
        empty = select(func.count()).where(Trial.chosen.is_(None), Trial.driver_id.is_(None))
        assert connection.scalar(empty) == 1  # the database's own null
    engine.dispose()
    found = [line for line in findings(server) if "tables are not those" in line]
    assert found == []


def test_a_connection_that_the_server_closed_is_made_anew(on_postgresql: str) -> None:
    engine = open_database(on_postgresql, create=True)
    assert names(engine) == []
    other = databases.connections(on_postgresql)
    with other.connect() as connection:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        closed = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {mine}"
        assert connection.scalar(text(closed)) == 1
    assert names(engine) == []
    engine.dispose()
    other.dispose()


@pytest.mark.parametrize(("of", "most"), [("driver", 3), ("dashboard", 5)])
def test_no_more_connections_than_are_allowed(on_postgresql: str, of: Any, most: int) -> None:
    engine = open_database(on_postgresql, create=True, of=of)
    watching, over, seen = databases.connections(on_postgresql), Event(), []

    def watch() -> None:
        there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        alone = watching.execution_options(isolation_level="AUTOCOMMIT")  # each look is new
        with alone.connect() as connection:
            while not over.wait(0.005):
                seen.append(connection.scalar(text(there)) - 1)  # without the one that looks

    def use(_: int) -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.02)"))

    with ThreadPoolExecutor(1) as watcher, ThreadPoolExecutor(24) as users:
        watched = watcher.submit(watch)
        list(users.map(use, range(100)))
        over.set()
        watched.result()
    assert len(seen) > 5 and max(seen) == most
    engine.dispose()
    watching.dispose()


# ---------------------------------------------------------------- MySQL, as far as can be written


def test_our_tables_can_be_written_for_mysql() -> None:
    dialect = mysql.dialect()
    made = {
        name: str(CreateTable(table).compile(dialect=dialect))
        for name, table in Base.metadata.tables.items()
    }
    for name, table in Base.metadata.tables.items():
        assert "CHARSET=utf8mb4" in made[name]
        keys = [index.columns for index in table.indexes]
        keys += [c.columns for c in table.constraints if hasattr(c, "columns")]
        for columns in keys:  # InnoDB's longest key has 3,072 bytes, a character up to 4
            lengths = [getattr(column.type, "length", None) for column in columns]
            assert sum(4 * length for length in lengths if length) <= 3072
            assert not any(re.search(r"TEXT|JSON", str(column.type)) for column in columns)
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect)).startswith("CREATE INDEX")
    assert "created DATETIME(6) NOT NULL" in made["foveate_trial"]
    assert "parameters BIGINT NOT NULL" in made["foveate_trial"]
    assert "reason TEXT(20000)" in made["foveate_trial"]  # of characters, not of bytes
    assert "`key` VARCHAR(16)" in made["foveate_trial"]
    every = [check for sql in made.values() for check in re.findall(r"CONSTRAINT (\w+) CHECK", sql)]
    assert len(every) == len(set(every)) == 3  # MySQL knows them by database, not by table


def test_nothing_we_execute_on_mysql_returns_rows_of_an_insert() -> None:
    from sqlalchemy import insert

    written = str(insert(Trial).compile(dialect=mysql.dialect()))
    assert "RETURNING" not in written


# ------------------------------------------------------------------------------------ passwords

SECRET = "pa ss'\"%/:@#?\\🔑é"


def hidden(what: str) -> bool:
    spellings = [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
    ]
    parts = [part for one in spellings for part in (one, one[3:])]
    return not any(part in what for part in [*parts, repr(SECRET)[1:-1]])


def test_a_leak_would_be_seen() -> None:
    assert hidden("postgresql+psycopg://guarded:***@host/db")
    for written in (SECRET, quote(SECRET, safe=""), f"a{SECRET[3:]}b", json.dumps({"x": SECRET})):
        assert not hidden(f"cannot open {written}")


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{quote(SECRET, safe='')}@host/db",
        f"postgresql://me@host/db?password={quote(SECRET, safe='')}",
        f"mysql://me@host/db?passwd={quote(SECRET, safe='')}",
        f"postgresql://me@host/db?sslpassword={quote(SECRET, safe='')}",
        f"postgresql://me:{quote(SECRET, safe='')}@host:port/db",
        f"oracle://me:{quote(SECRET, safe='')}@host/db",
        f"oracle://me@host/db?password={quote(SECRET, safe='')}",
    ],
)
def test_a_password_is_not_shown(address: str) -> None:
    try:
        said = shown(address)
        assert "***" in said
    except BadValue as error:
        said = str(error)
    assert hidden(said)


@pytest.mark.parametrize("name", ["password", "passwd"])
def test_a_password_is_where_every_log_hides_it(name: str) -> None:
    url = url_of(f"postgresql://me@host/db?{name}={quote(SECRET, safe='')}&sslmode=require")
    assert url.password == SECRET and hidden(repr(url)) and dict(url.query)["sslmode"] == "require"


@pytest.mark.parametrize("secret", [SECRET, "100%", "%41", "a+b", " "])
def test_a_password_is_understood_as_it_was_meant(secret: str) -> None:
    assert url_of(f"postgresql://me:{quote(secret, safe='')}@host/db").password == secret


def test_a_password_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("FOVEATE_PASSWORD_FILE", str(tmp_path / "secret"))
    assert url_of("postgresql://me@host/db").password == SECRET
    assert url_of("mysql://me@host/db").password == SECRET
    assert url_of("postgresql://me:other@host/db").password == "other"
    assert url_of("postgresql://me@host/db?password=other").password == "other"
    assert url_of("sqlite:///x.db").password is None
    monkeypatch.setenv("FOVEATE_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(BadValue) as caught:
        url_of("postgresql://me@host/db")
    path = str(tmp_path / "none")
    assert str(caught.value) == f"cannot read the password file {path!r}: No such file or directory"
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(BadValue, match=r"none': it is no text$"):
        url_of("postgresql://me@host/db")


@pytest.fixture(scope="module")
def guarded(postgres: str) -> Iterator[str]:
    """The address, without its password, of a database whose user has to show one."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(postgres, autocommit=True) as connection:
        password = sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format(sql.Literal(SECRET))
        connection.execute(password)
        connection.execute("CREATE DATABASE guarded OWNER guarded")
        (path,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        before = Path(path).read_text(encoding="utf-8")
        Path(path).write_text(f"local all guarded scram-sha-256\n{before}", encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
    yield postgres.replace("postgres:@/postgres?", "guarded@/guarded?")
    Path(path).write_text(before, encoding="utf-8")


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder of its own; what it said and left there is searched."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "at work"
        folder.mkdir(exist_ok=True)
        ran = subprocess.run(
            [sys.executable, "-m", "foveate.cli", *words],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        left = [path for path in folder.rglob("*") if path.is_file()]
        files = [path.read_bytes().decode("utf-8", "replace") for path in left]
        assert all(map(hidden, [ran.stdout, ran.stderr, *files]))
        return ran

    return run


def test_who_knows_the_password_gets_in_and_nobody_else_learns_it(
    guarded: str, run: Run, tmp_path: Path
) -> None:
    written = guarded.replace("guarded@", f"guarded:{quote(SECRET, safe='')}@")
    asked = f"{guarded}&password={quote(SECRET, safe='')}"
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
    (tmp_path / "pgpass").write_text(f"*:*:*:guarded:{escaped}\n", encoding="utf-8")
    (tmp_path / "pgpass").chmod(0o600)
    engine = open_database(written, create=True)
    add_study(engine)
    engine.dispose()
    ways: list[dict[str, str]] = [
        {"FOVEATE_STORAGE": written},
        {"FOVEATE_STORAGE": asked},
        {"FOVEATE_STORAGE": guarded, "FOVEATE_PASSWORD_FILE": str(tmp_path / "secret")},
        {"FOVEATE_STORAGE": guarded, "PGPASSFILE": str(tmp_path / "pgpass")},
    ]
    for way in ways:
        ran = run("db", "upgrade", **way)
        assert ran.returncode == 0 and "there is nothing to do" in ran.stdout, ran.stderr
    ran = run("db", "check", "--storage", written)
    assert ran.returncode == 1 and ran.stdout.startswith("Optuna's tables are gone"), ran.stderr
    ran = run("front", "nothing", "--storage", written)
    assert ran.returncode == 2 and "no study 'nothing'" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["studies"],
        ["front", "x"],
        ["db", "check"],
        ["db", "upgrade"],
        pytest.param(["search"], marks=pytest.mark.slow),  # which reads its data first
    ],
)
def test_a_wrong_password_is_not_repeated(guarded: str, run: Run, words: list[str]) -> None:
    wrong = guarded.replace("guarded@", f"guarded:{quote(SECRET + 'x', safe='')}@")
    ran = run(*words, "--storage", wrong)
    assert ran.returncode == 2 and len(ran.stderr.splitlines()) <= 3, ran.stderr
    assert 'password authentication failed for user "guarded"' in ran.stderr
    assert "guarded:***@" in ran.stderr and "Traceback" not in ran.stderr


def test_pages_do_not_show_the_password(
    guarded: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    written = guarded.replace("guarded@", f"guarded:{quote(SECRET, safe='')}@")
    engine = open_database(written, create=True)
    add_study(engine, "page")
    client = TestClient(
        create_app(written), base_url="http://localhost", raise_server_exceptions=False
    )
    assert client.get("/healthz").status_code == 200
    paths = ("/", "/s/1", "/api/v1/studies", "/nowhere", "/healthz")
    assert all(hidden(client.get(path).text) for path in paths)
    closed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with engine.begin() as connection:  # and once more when the tables are gone
        connection.execute(text(f"{closed} AND usename = 'guarded'"))
        Base.metadata.drop_all(connection)
        VERSIONS.drop(connection)
    assert all(hidden(client.get(path).text) for path in paths)
    said = capfd.readouterr()
    assert hidden(caplog.text + said.out + said.err)
    engine.dispose()


def test_how_to_go_on_is_said_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from foveate.search.run import storage_words

    monkeypatch.delenv("FOVEATE_STORAGE", raising=False)
    written = f"postgresql://me:{quote(SECRET, safe='')}@host/db"
    assert storage_words(written) == ["--storage", "postgresql+psycopg://me:***@host/db"]
    assert storage_words("sqlite:///foveate.db") == []
    monkeypatch.setenv("FOVEATE_STORAGE", written)
    assert storage_words(written) == []
