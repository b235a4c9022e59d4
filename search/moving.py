"""A whole study, copied to another database or under another name."""

import logging
from collections.abc import Callable
from typing import Any

import optuna
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import BadValue
from . import store
from .databases import READS, open_database, shown, url_of
from .hands import checked_name
from .records import Base

__all__ = ["copy", "snapshot"]

AT_ONCE = 1000  # rows in memory
OF_STUDIES = ("study_directions", "study_user_attributes", "study_system_attributes")
OF_TRIALS = (
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
)
Row = dict[str, Any]


def copy(storage: str, name: str, to: str, new_name: str | None = None) -> tuple[int, int]:
    """The study ``name`` is in the database ``to``, too, called ``new_name`` there.

    All of it is there in one transaction, Optuna's study, too, or nothing is. It is the study of
    one moment, which may be searched meanwhile: what was being trained then waits in the copy. The
    copy has no drivers, and its weights are the same files. Returned is how many trials and epochs
    it has.

    Raises
        UnknownName  if there is no such study
        BadValue     if a study is called so there already, of ours or of Optuna's
    """
    new_name = checked_name(new_name or name)
    source = open_database(storage)
    with Session(source.execution_options(**{READS: True})) as session:
        store.find_study(session, name)  # before anything is made there
    target = open_database(to, create=True)
    _make_optunas_tables(to)
    try:
        with snapshot(source) as old, target.begin() as new:
            return _Copy(old, new).study(name, new_name)
    except IntegrityError:
        raise BadValue(
            f"there is a study {new_name!r} in {shown(to)} already, of ours or of Optuna's"
        ) from None
    finally:
        source.dispose()
        target.dispose()


def snapshot(engine: Engine) -> Connection:
    """A connection that sees the database as it is now, whatever others write meanwhile."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READS: True}).connect()
    return engine.execution_options(isolation_level="REPEATABLE READ").connect()


def _make_optunas_tables(storage: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        made = optuna.storages.RDBStorage(url_of(storage).render_as_string(hide_password=False))
    except RuntimeError as error:  # they are of another version
        raise BadValue(f"{shown(storage)} cannot be written by this Optuna: {error}") from None
    made.remove_session()
    made.engine.dispose()


class _Copy:
    """Pours the rows of a study from the connection ``old`` into ``new``."""

    def __init__(self, old: Connection, new: Connection) -> None:
        self.old, self.new = old, new
        names = ["studies", "trials", *OF_STUDIES, *OF_TRIALS]
        self.theirs = MetaData(), MetaData()  # Optuna's tables, of any version, here and there
        for metadata, connection in zip(self.theirs, (old, new), strict=True):
            metadata.reflect(connection, only=names)

    def study(self, name: str, new_name: str) -> tuple[int, int]:
        """How many trials and epochs the copy has."""
        ours = Base.metadata.tables["foveate_study"]
        row = self.old.execute(select(ours).where(ours.c.name == name)).one()
        columns: Row = row._asdict()
        old_id, old_optuna_id = columns.pop("id"), columns["optuna_id"]
        del columns["uid"]  # of its folder: the copy has its own
        optuna_id, optuna_ids = self._optunas(old_optuna_id, new_name)
        columns |= {"name": new_name, "optuna_id": optuna_id}
        study_id = self._insert(ours, columns)

        def trial(row: Row) -> Row:
            row |= {"study_id": study_id, "optuna_id": optuna_ids[row["optuna_id"]]}
            row["driver_id"] = None
            return row | {"state": "waiting"} if row["state"] == "running" else row

        trials = Base.metadata.tables["foveate_trial"]
        self._pour((trials, trials), trials.c.study_id == old_id, trial)
        ids = self._pairs((trials, trials), trials.c.id, old_id, study_id)
        mine = select(trials.c.id).where(trials.c.study_id == old_id)

        def epoch(row: Row) -> Row:
            return row | {"trial_id": ids[row["trial_id"]]}

        def file(row: Row) -> Row:  # of a trial, or of the study
            return row | {"study_id": study_id, "trial_id": ids.get(row["trial_id"])}

        def step(row: Row) -> Row:
            return row | {"study_id": study_id}

        epochs = Base.metadata.tables["foveate_epoch"]
        count = self._pour((epochs, epochs), epochs.c.trial_id.in_(mine), epoch)
        files = Base.metadata.tables["foveate_artifact"]
        self._pour((files, files), files.c.study_id == old_id, file)
        steps = Base.metadata.tables["foveate_front_step"]
        self._pour((steps, steps), steps.c.study_id == old_id, step)
        return len(ids), count

    def _optunas(self, old_id: int, name: str) -> tuple[int, dict[int, int]]:
        """Optuna's study, called ``name``: its id, and the new one of each of its trials."""

        def tables(name: str) -> tuple[Table, Table]:
            return self.theirs[0].tables[name], self.theirs[1].tables[name]

        def trial(row: Row) -> Row:
            row["study_id"] = new_id
            is_running = row["state"] == "RUNNING"
            return row | {"state": "WAITING", "datetime_start": None} if is_running else row

        new_id = self._insert(tables("studies")[1], {"study_name": name})
        for table in OF_STUDIES:
            pair = tables(table)
            self._pour(pair, pair[0].c.study_id == old_id, lambda row: row | {"study_id": new_id})
        trials = tables("trials")
        self._pour(trials, trials[0].c.study_id == old_id, trial)
        ids = self._pairs(trials, trials[0].c.trial_id, old_id, new_id)
        mine = select(trials[0].c.trial_id).where(trials[0].c.study_id == old_id)
        for table in OF_TRIALS:
            pair = tables(table)
            self._pour(
                pair,
                pair[0].c.trial_id.in_(mine),
                lambda row: row | {"trial_id": ids[row["trial_id"]]},
            )
        return new_id, ids

    def _insert(self, table: Table, columns: Row) -> int:
        (new_id,) = self.new.execute(insert(table).values(columns)).inserted_primary_key or (None,)
        assert new_id is not None  # it is the table's primary key
        return int(new_id)

    def _pairs(
        self, tables: tuple[Table, Table], of: Column[int], old_id: int, new_id: int
    ) -> dict[int, int]:
        """The new id of each trial: the one that has its number there."""
        source, target = tables

        def numbered(table: Table, study_id: int) -> Select[Any]:
            return select(table.c.number, table.c[of.name]).where(table.c.study_id == study_id)

        here = {row.number: row[1] for row in self.new.execute(numbered(target, new_id))}
        return {one: here[number] for number, one in self.old.execute(numbered(source, old_id))}

    def _pour(
        self,
        tables: tuple[Table, Table],
        where: ColumnElement[bool],
        change: Callable[[Row], Row],
    ) -> int:
        """Insert each row of the first table that is meant, changed; how many there were."""
        source, target = tables
        numbered = [column.name for column in source.primary_key]
        own = numbered if len(numbered) == 1 else []  # which the database makes
        there = [column.name for column in source.columns]
        names = [name for name in there if name in target.c and name not in own]
        wanted = select(*(source.c[name] for name in names)).where(where)
        count = 0
        for part in self.old.execute(wanted.execution_options(yield_per=AT_ONCE)).partitions():
            rows = [change(row._asdict()) for row in part]
            self.new.execute(insert(target), rows)
            count += len(rows)
        return count
