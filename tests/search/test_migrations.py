"""Databases of older programs: what real searches left, brought up to date."""

import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import foveate
from foveate.errors import BadValue, UnknownName
from foveate.search import databases, store
from foveate.search import upgrade as upgrades
from foveate.search.check import findings
from foveate.search.records import Artifact, Base, Epoch, FrontStep, Study, Trial, now
from foveate.search.spec import SearchSpec
from foveate.search.upgrade import older, upgrade

DATA = Path(__file__).parent / "data"  # dumps of what searches of the first two versions left
VERSIONS = ("0001", "0002")
Rows = dict[str, list[dict[str, Any]]]


def load(path: Path, version: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.executescript((DATA / f"version{int(version)}.sql").read_text())
    return f"sqlite:///{path}"


def migrate(engine: Engine, version: str) -> None:
    """Make the tables of ``version`` by the migrations."""
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(upgrades.FOLDER))
        command.upgrade(config, version)


@contextmanager
def reading(address: str) -> Iterator[Session]:
    engine = databases.open_database(address)
    with Session(engine) as session:
        yield session
        session.commit()
    engine.dispose()  # a server waits for its clients before it ends


def told(address: str, name: str) -> optuna.Study:
    """The study as Optuna has it."""
    url = databases.url_of(address).render_as_string(hide_password=False)
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name=name, storage=storage)


def made(server: str, like: str = "template1") -> str:
    """A new database on the server, or a copy of one of its; its address."""
    import psycopg

    name = f"of_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def new_database(postgres: str) -> Iterator[Callable[..., str]]:
    """Makes a database that lives as long as the test."""
    import psycopg

    addresses: list[str] = []

    def new(like: str = "template1") -> str:
        addresses.append(made(postgres, like))
        return addresses[-1]

    yield new
    with psycopg.connect(postgres, autocommit=True) as connection:
        for address in addresses:
            connection.execute(f"DROP DATABASE {databases.url_of(address).database} WITH (FORCE)")


@pytest.fixture(scope="session")
def old_on_postgresql(
    postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """The name of a database there that a program of a version left: copied once."""

    @cache
    def first(version: str) -> str:
        address = made(postgres)
        file = load(tmp_path_factory.mktemp("old") / "old.db", version)
        copied_to_postgresql(address, file, version)
        return str(databases.url_of(address).database)

    return first


def copied_to_postgresql(address: str, file: str, version: str) -> None:
    """Every row of the SQLite database ``file`` into tables as PostgreSQL has them."""
    url = databases.url_of(address).render_as_string(hide_password=False)
    optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    engine, source = databases.connections(address), create_engine(file)
    migrate(engine, version)
    here, there = MetaData(), MetaData()
    here.reflect(engine)
    there.reflect(source)
    with engine.begin() as connection, source.connect() as read:
        connection.execute(text("DROP TABLE foveate_version"))  # which came later
        for name in ("foveate_schema", "version_info", "alembic_version"):
            connection.execute(here.tables[name].delete())
        for table in here.sorted_tables:
            if table.name not in there.tables:
                assert table.name == "foveate_version"
                continue
            rows = [dict(row._mapping) for row in read.execute(select(there.tables[table.name]))]
            if rows:
                connection.execute(insert(table), rows)
            (key, *_) = table.primary_key.columns
            if key.server_default is not None:
                last = f"(SELECT max({key.name}) FROM {table.name})"
                sequence = f"pg_get_serial_sequence('{table.name}', '{key.name}')"
                connection.execute(text(f"SELECT setval({sequence}, {last})"))
    engine.dispose()
    source.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database without tables."""
    if backend == "postgresql":
        return str(request.getfixturevalue("new_database")())
    (tmp_path / "empty.db").touch()
    return f"sqlite:///{tmp_path}/empty.db"


@pytest.fixture
def fresh(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database that this program made."""
    new = request.getfixturevalue("new_database") if backend == "postgresql" else None
    address = new() if new else f"sqlite:///{tmp_path}/fresh.db"
    databases.open_database(address, create=True).dispose()
    return str(address)


@pytest.fixture
def old(backend: str, version: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database that a program of ``version`` left."""
    if backend == "sqlite":
        return load(tmp_path / "old.db", version)
    like = request.getfixturevalue("old_on_postgresql")(version)
    return str(request.getfixturevalue("new_database")(like))


@pytest.fixture
def second(tmp_path: Path) -> str:
    """A SQLite database of the second version."""
    return load(tmp_path / "old.db", "0002")


def shape(address: str, *, ours: bool = True) -> dict[str, Any]:
    """All that a database says of its tables: of ours, or of the others."""
    engine = databases.connections(address)
    found, there = {}, inspect(engine)
    for name in there.get_table_names():
        if name.startswith("foveate_") != ours:
            continue
        found[name] = {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"])
                for one in there.get_columns(name)
            },
            "key": there.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(one["column_names"] for one in there.get_unique_constraints(name)),
            "checks": {one["name"]: one["sqltext"] for one in there.get_check_constraints(name)},
            "indices": {
                one["name"]: (one["column_names"], bool(one["unique"]))
                for one in there.get_indexes(name)
            },
            "refers": sorted(
                (one["constrained_columns"], one["referred_table"], str(one["options"]))
                for one in there.get_foreign_keys(name)
            ),
        }
    engine.dispose()
    return found


def rows_of(address: str) -> Rows:
    """Every row of every table, in an order of its own."""
    engine, there = databases.connections(address), MetaData()
    there.reflect(engine)
    with engine.connect() as connection:
        found = {
            name: [dict(row._mapping) for row in connection.execute(select(table))]
            for name, table in there.tables.items()
        }
    engine.dispose()
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def statement(address: str, *statements: str, **values: Any) -> None:
    engine = databases.connections(address)
    with engine.begin() as connection:
        for one in statements:
            connection.execute(text(one), values)
    engine.dispose()


# ---------------------------------------------------------------------------------- the tables


def differences(address: str) -> list[Any]:
    engine = databases.open_database(address)
    with engine.connect() as connection:
        ours = Base.metadata.tables
        opts = {"include_name": lambda name, kind, _: kind != "table" or name in ours}
        found = compare_metadata(MigrationContext.configure(connection, opts=opts), Base.metadata)
    engine.dispose()
    return list(found)


def test_an_older_database_comes_to_have_the_tables_of_a_new_one(old: str, fresh: str) -> None:
    theirs = shape(old, ours=False)
    upgrade(old)
    assert differences(old) == [] == differences(fresh)
    assert shape(old) == shape(fresh)
    assert shape(old, ours=False) == theirs and "alembic_version" in theirs


def test_the_migrations_alone_make_the_tables_of_a_new_one(empty: str, fresh: str) -> None:
    engine = databases.connections(empty)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", upgrades._let_tables_be_replaced)
    migrate(engine, databases.REVISION)
    engine.dispose()
    assert shape(empty) == shape(fresh)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_first_migrations_make_what_the_first_programs_made(
    empty: str, version: str, tmp_path: Path
) -> None:
    engine = databases.connections(empty)
    migrate(engine, version)
    engine.dispose()
    made, real = shape(empty), shape(load(tmp_path / "real.db", version))
    del made["foveate_version"]
    if version == "0002":  # a default that goes when the next one makes the table anew
        kind, nullable, _ = made["foveate_trial"]["columns"]["notes"]
        made["foveate_trial"]["columns"]["notes"] = (kind, nullable, None)
    assert made == real


def test_a_wheel_has_the_migrations() -> None:
    root = Path(foveate.__file__).parent
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["setuptools"]["packages"]
    for folder in (upgrades.FOLDER, upgrades.FOLDER / "versions"):
        name = ".".join(("foveate", *folder.relative_to(root).parts))
        assert name in packages and list(folder.glob("*.py"))


def test_the_last_migration_is_the_one_this_program_writes() -> None:
    names = sorted(path.name for path in (upgrades.FOLDER / "versions").glob("[0-9]*.py"))
    assert names[-1].startswith(f"{databases.REVISION}_")


# ------------------------------------------------------------------------------------- the rows


def test_all_that_was_in_an_older_database_is_read(old: str, version: str) -> None:
    before = rows_of(old)
    upgrade(old)
    running = {row["id"] for row in before["foveate_trial"] if row["state"] == "running"}
    assert len(before["foveate_trial"]) > 20 and bool(running) == (version == "0001")
    with reading(old) as session:
        for row in before["foveate_study"]:
            study = session.get_one(Study, row["id"])
            told = [one for one in before["trials"] if one["study_id"] == study.optuna_id]
            ours = [one for one in before["foveate_trial"] if one["study_id"] == study.id]
            for name in set(row) - {"driver", "driver_host", "driver_pid", "driver_beat", "seq"}:
                assert getattr(study, name) == row[name], name
            assert study.numbers == len(ours) == len(told)
            assert study.finished == sum(one["state"] == "complete" for one in ours)
            assert study.bare == {"gflops": row["bare_gflops"]}
            assert study.reference == {"gflops": row["reference_gflops"]}
            assert store.drivers(session, study.id) == [] and study.objectives[1:] == ["gflops"]
            assert study.seq == row["seq"] + sum(one["id"] in running for one in ours)
        for row in before["foveate_trial"]:
            trial = session.get_one(Trial, row["id"])
            for name in set(row) - {"state", "seq"}:
                assert getattr(trial, name) == row[name], name
            assert trial.state == ("waiting" if row["id"] in running else row["state"])
            assert (trial.seq == row["seq"]) == (row["id"] not in running)
            assert trial.seed == trial.study.spec["recipe"]["seed"] and trial.driver is None
            assert (trial.attributes, trial.failures) == ({}, 0)
        assert session.query(Epoch).count() == len(before["foveate_epoch"]) > 50
        for row in before["foveate_epoch"]:
            epoch = session.get_one(Epoch, (row["trial_id"], row["number"]))
            for name in row:
                assert getattr(epoch, name) == row[name], name
        kept = [row for row in before["foveate_front_step"] if row["number"] in row["members"]]
        steps = session.query(FrontStep).all()
        assert {step.id for step in steps} == {row["id"] for row in kept}
        assert 0 < len(kept) < len(before["foveate_front_step"])
        weights = [row for row in before["foveate_trial"] if row["weights"]]
        assert session.query(Artifact).count() == len(weights) > 10


def test_what_is_optunas_alone_stays_as_it_is(old: str) -> None:
    before = rows_of(old)
    upgrade(old)
    after = rows_of(old)
    changed = {name for name in before if not name.startswith("foveate_")} - {"trials"}
    assert len(changed) > 10
    for name in changed:
        assert after[name] == before[name], name


def test_the_spec_of_an_older_study_goes_on(old: str) -> None:
    upgrade(old)
    with reading(old) as session:
        for study in store.studies(session):
            assert SearchSpec.of(study.spec).differences(study.spec) == []


def test_optuna_and_we_agree_afterwards(old: str) -> None:
    upgrade(old)
    assert findings(old) == []
    with reading(old) as session:
        for study in store.studies(session):
            theirs = told(old, study.name).trials
            for trial, frozen in zip(store.trials(session, study), theirs, strict=True):
                assert (trial.number, trial.optuna_id) == (frozen.number, frozen._trial_id)
                assert trial.chosen == frozen.params and trial.chosen
                assert (frozen.state.name == "WAITING") == (trial.state == "waiting")


def test_a_search_goes_on_with_the_ids_that_follow(old: str) -> None:
    """PostgreSQL counts them apart from the rows."""
    upgrade(old)
    with reading(old) as session:
        study = store.studies(session)[0]
        columns = {"parameters": 1, "macs": 1.0, "gflops": 1.0, "key": "new", "placement": "{}"}
        choices = {"site": ("none", "se")}
        trial = store.add_trial(
            session, study, choices=choices, origin="user", chosen={"site": "se"}, **columns
        )
        driver = store.register(session, study, uid="1", host="here", pid=1)
        store.start(session, trial, driver.id)
        store.record_epoch(session, trial, number=1, train_loss=1.0, accuracy=0.5, seconds=1.0)
        store.finish(session, trial, "complete", weights="w")
    assert findings(old) == []


def test_nulls_of_json_are_the_databases_own(old: str, version: str) -> None:
    if version == "0002":
        statement(old, "UPDATE foveate_trial SET verdict = 'null'")
        statement(old, "UPDATE foveate_epoch SET metrics = 'null'")
    upgrade(old)
    with reading(old) as session:
        assert session.query(Trial).where(Trial.verdict.is_not(None)).count() == 0
        assert session.query(Epoch).where(Epoch.metrics.is_not(None)).count() == 0


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_what_a_driver_left_between_the_two_is_brought_in_step(old: str) -> None:
    trials = rows_of(old)["foveate_trial"]
    complete = next(row for row in trials if row["state"] == "complete")
    same = [row for row in trials if row["study_id"] == complete["study_id"]]
    stopped = next(row for row in same if row["state"] == "stopped")
    names = {row["id"]: row["name"] for row in rows_of(old)["foveate_study"]}
    ids = (
        "(SELECT trial_id FROM trials JOIN studies ON studies.study_id = trials.study_id"
        " WHERE study_name = :name AND number IN (:first, :second))"
    )
    values = {"name": names[complete["study_id"]]}
    values |= {"first": complete["number"], "second": stopped["number"]}
    statement(
        old,
        f"DELETE FROM trial_values WHERE trial_id IN {ids}",
        f"DELETE FROM trial_user_attributes WHERE key = 'reason' AND trial_id IN {ids}",
        f"UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE trial_id IN {ids}",
        **values,
    )
    upgrade(old)
    assert findings(old) == []
    theirs = told(old, values["name"]).trials
    assert theirs[complete["number"]].values == [complete["accuracy"], complete["gflops"]]
    assert theirs[complete["number"]].datetime_complete == complete["ended"]
    assert theirs[stopped["number"]].user_attrs["reason"] == stopped["reason"]
    assert theirs[stopped["number"]].user_attrs["epochs"] == stopped["epochs"]
    assert theirs[stopped["number"]].state.name == "PRUNED"


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_a_trial_that_only_optuna_heard_of_goes(old: str) -> None:
    """Its driver died before it was ours: the space still has its placement."""
    told(old, "digits").enqueue_trial({"layer1.0.bn2": "se"})
    upgrade(old)
    assert len(told(old, "digits").trials) == 16 and findings(old) == []


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_a_trial_that_another_program_finished_is_told(old: str) -> None:
    told(old, "digits").add_trial(optuna.trial.create_trial(values=[0.5, 0.5]))
    before = rows_of(old)
    with pytest.raises(BadValue) as caught:
        upgrade(old)
    sentence = "Optuna's study 'digits' has a trial 16, COMPLETE, that is none of ours: another "
    sentence += "program has made it"
    assert str(caught.value) == f"{databases.shown(old)} stays as it was: {sentence}"
    assert rows_of(old) == before


@pytest.mark.parametrize("version", ["0001"], indirect=True)
@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("UPDATE studies SET study_name = 'x' WHERE study_name = 'digits'", "study 'digits' has"),
        ("UPDATE trials SET number = 99 WHERE number = 12", "trial 12 of study 'digits' has lost"),
        ("UPDATE trials SET state = 'FAIL' WHERE number = 0", "trial 0 is complete, and FAIL in "),
    ],
)
def test_what_optuna_lost_is_told_and_nothing_changed(old: str, lost: str, sentence: str) -> None:
    statement(old, lost)
    before = rows_of(old)
    with pytest.raises(BadValue, match=rf" stays as it was: {sentence}"):
        upgrade(old)
    assert rows_of(old) == before


def test_a_database_without_studies_has_nothing_to_fill_in(second: str) -> None:
    statement(
        second,
        *(f"DELETE FROM foveate_{name}" for name in ("epoch", "trial", "front_step", "study")),
        "DROP TABLE trial_params",
    )
    upgrade(second)
    with reading(second) as session:
        assert store.studies(session) == []


# --------------------------------------------------------------------------- all of it or nothing


@pytest.mark.parametrize("version", ["0001"], indirect=True)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.8, 1.0])
def test_what_fails_in_the_middle_leaves_all_as_it_was(
    old: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = [0]
    stop_at = [10**9]
    connections = databases.connections

    def watched(*given: Any, **options: Any) -> Engine:
        engine = connections(*given, **options)

        @event.listens_for(engine, "before_cursor_execute")
        def count(*_: Any) -> None:
            counted[0] += 1
            if counted[0] == stop_at[0]:
                raise OperationalError("", {}, Exception("disk I/O error"))

        return engine

    before, tables = rows_of(old), shape(old)
    monkeypatch.setattr(upgrades, "connections", watched)
    with monkeypatch.context() as patch:  # a rehearsal, taken back at its very end
        patch.setattr(upgrades, "_nothing_dangles", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upgrade(old)
    assert counted[0] > 50 and (rows_of(old), shape(old)) == (before, tables)
    stop_at[0], counted[0] = max(3, int(share * counted[0])), 0
    with pytest.raises(BadValue, match=r"disk I/O error$"):
        upgrade(old)
    assert (rows_of(old), shape(old)) == (before, tables)
    stop_at[0] = 10**9
    upgrade(old)
    assert findings(old) == []


KILLED = """
import os, signal, sys
from foveate.search import upgrade as upgrades
upgrades._nothing_dangles = lambda _: os.kill(os.getpid(), signal.SIGKILL)
upgrades.upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_who_is_killed_in_the_middle_leaves_all_as_it_was(old: str) -> None:
    before, tables = rows_of(old), shape(old)
    ran = subprocess.run([sys.executable, "-c", KILLED, old], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert (rows_of(old), shape(old)) == (before, tables)
    upgrade(old)
    assert findings(old) == []


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_two_may_bring_it_up_to_date_at_once(old: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        copies = list(pool.map(lambda _: upgrade(old), range(2)))
    assert findings(old) == []
    if old.startswith("sqlite"):
        assert sum(copy is not None for copy in copies) == 1


# ------------------------------------------------------------------------------- before and after


def test_what_there_is_to_bring_up_to_date(old: str, version: str, backend: str) -> None:
    there = older(old)
    trials = {"0001": 21, "0002": 22}[version]
    assert there == upgrades.Older(version, 2, trials, backend == "sqlite")
    assert str(there) == f"2 studies, {trials} trials, tables of version {version}"
    upgrade(old)
    assert older(old) is None and upgrade(old) is None


def test_a_copy_is_made_of_a_file(second: str, tmp_path: Path) -> None:
    (tmp_path / "old.db").chmod(0o600)
    before = rows_of(second)
    (tmp_path / "old.db.0002.bak").write_text("an earlier one")
    copy = upgrade(second)
    assert copy == tmp_path / "old.db.0002-2.bak" and copy.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "old.db.0002.bak").read_text() == "an earlier one"
    assert rows_of(f"sqlite:///{copy}") == before
    assert older(f"sqlite:///{copy}") == upgrades.Older("0002", 2, 22, True)


def test_without_a_copy_nothing_is_done(
    second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    before = rows_of(second)
    monkeypatch.setattr(upgrades, "copymode", full)
    with pytest.raises(BadValue, match=r"it could not be copied to '.*bak': No space left on dev"):
        upgrade(second)
    assert rows_of(second) == before and not list(tmp_path.glob("*.bak"))


@pytest.mark.parametrize("version", ["0001"], indirect=True)
def test_a_database_that_is_searched_stays_as_it_is(old: str) -> None:
    columns = "driver = 'x', driver_host = 'node', driver_pid = 7"
    statement(
        old,
        f"UPDATE foveate_study SET {columns}, driver_beat = :beat WHERE name = 'digits'",
        beat=now() - timedelta(seconds=20),
    )
    before = rows_of(old)
    with pytest.raises(BadValue) as caught:
        upgrade(old)
    assert str(caught.value) == (
        f"{databases.shown(old)} stays as it was: study 'digits' is being searched by process 7 on "
        "node: stop it first; if it died, wait 30 seconds"
    )
    assert rows_of(old) == before
    lost = now() - timedelta(seconds=40)
    statement(old, "UPDATE foveate_study SET driver_beat = :beat", beat=lost)
    upgrade(old)


def test_drivers_of_today_count_as_well(fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the next migration will ask."""
    engine = databases.open_database(fresh)
    with Session(engine) as session, session.begin():
        columns = {"spec": {}, "sites": [], "classes": [], "versions": {}, "space_size": "1"}
        costs = {"bare_gflops": 1.0, "reference_gflops": 1.0}
        study = store.add_study(session, name="new", optuna_id=1, **columns, **costs)
        driver = store.register(session, study, uid="1", host="node", pid=7)
    sentence = "study 'new' is being searched by process 7 on node: stop it first"
    with engine.connect() as connection, pytest.raises(BadValue, match=sentence):
        upgrades._nobody_searches(connection, "0003")
    for change in ({"ended": now()}, {"ended": None, "beat": now() - timedelta(seconds=40)}):
        with Session(engine) as session, session.begin():
            for name, value in change.items():
                setattr(session.merge(driver), name, value)
        with engine.connect() as connection:
            upgrades._nobody_searches(connection, "0003")
    engine.dispose()


@pytest.mark.parametrize("look", [older, upgrade])
def test_there_must_be_a_database_of_ours(look: Callable[[str], Any], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no database"):
        look(f"sqlite:///{tmp_path}/none.db")
    (tmp_path / "theirs.db").touch()
    with pytest.raises(UnknownName, match=r"holds no study of ours; `foveate search` starts one$"):
        look(f"sqlite:///{tmp_path}/theirs.db")
    databases.open_database(f"sqlite:///{tmp_path}/new.db", create=True).dispose()
    statement(f"sqlite:///{tmp_path}/new.db", "UPDATE foveate_version SET version_num = '9999'")
    with pytest.raises(BadValue, match="of version 9999, of a newer program than this one"):
        look(f"sqlite:///{tmp_path}/new.db")
