"""Looking a database over: is it whole, has it the tables of this program, do Optuna's agree?"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Engine, Float, String, func, inspect, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session
from sqlalchemy.schema import SchemaItem

from . import mirror, store
from .databases import MYSQL, REVISION, VERSIONS, connections, reading, revision_of, unlike
from .records import Base, Study, Trial, Words

__all__ = ["findings"]

BACKUP = "go back to a copy of the database"
SHOWN = 5  # trials named of each kind of finding


def findings(storage: str) -> list[str]:
    """What is wrong with the database at ``storage``, each with what to do; none if nothing is.

    Raises
        UserError  if there is no database of ours, or it cannot be opened
    """
    engine = connections(storage, read_only=True)
    try:
        with reading(storage):
            return list(_findings(engine, storage))
    finally:
        engine.dispose()


def _findings(engine: Engine, storage: str) -> Iterator[str]:
    with engine.connect() as connection:
        found = revision_of(connection)
        error = unlike(storage, found)
        if error and found is None:
            raise error
        yield from _broken(connection)
        if error:
            yield str(error)
            return
        differences = list(_differences(connection))
    yield from differences
    if differences:  # the tables cannot be read as ours
        return
    with Session(engine) as session:
        if not inspect(session.connection()).has_table("studies"):
            yield f"Optuna's tables are gone: {BACKUP}"
            return
        for study in store.studies(session):
            yield from _disagreements(session, study)


def _broken(connection: Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        return  # servers look after themselves
    for (said,) in connection.execute(text("PRAGMA integrity_check(20)")):
        if said != "ok":
            yield f"the file is damaged ({said}): {BACKUP}"
    lost = Counter(
        (name, other) for name, _, other, _ in connection.execute(text("PRAGMA foreign_key_check"))
    )
    for (name, other), count in lost.items():
        rows = "1 row" if count == 1 else f"{count} rows"
        yield f"{rows} of {name} belong to rows of {other} that are gone: {BACKUP}"


def _differences(connection: Connection) -> Iterator[str]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    gone = {*Base.metadata.tables, VERSIONS.name} - set(inspect(connection).get_table_names())
    for name in sorted(gone):
        yield f"the table {name} is gone: {BACKUP}"
    ours = set(Base.metadata.tables) - gone
    context = MigrationContext.configure(
        connection,
        opts={
            "include_name": lambda name, kind, _: kind != "table" or name in ours,
            "include_object": lambda what, name, kind, *_: kind != "table" or name in ours,
            "compare_type": _other_type,
        },
    )
    for difference in compare_metadata(context, Base.metadata):
        steps = difference if isinstance(difference, list) else [difference]  # a list: of a column
        for what, *about in steps:
            yield (
                f"the tables are not those of version {REVISION} ({what.replace('_', ' ')}: "
                f"{_words(about)}): {BACKUP}"
            )


def _other_type(context: Any, inspected: Any, column: Any, there: Any, type_: Any) -> bool | None:
    """Whether a column is of another type; ``None``: as Alembic finds."""
    if context.dialect.name not in MYSQL:
        return None
    if isinstance(type_, Float):
        return not isinstance(there, Float)  # of our 53 bits it makes DOUBLE
    if isinstance(type_, Words):
        return not isinstance(there, String)  # and of 20,000 characters MEDIUMTEXT
    if isinstance(type_, JSON):
        return not isinstance(there, JSON | String)  # MariaDB's is a long text
    return None


def _words(about: list[Any]) -> str:
    """What a difference is about: a part of a table, or a table's name and what follows."""
    part = about[-1]
    if isinstance(part, SchemaItem):
        table = getattr(part, "table", None)
        name = getattr(part, "name", None) or "without a name"
        return f"{name} of {table.name}" if table is not None else str(name)
    return " ".join(str(word) for word in about if word is not None and not isinstance(word, dict))


def _disagreements(session: Session, study: Study) -> Iterator[str]:
    named = f"study {study.name!r}"
    about = session.execute(
        text("SELECT study_name FROM studies WHERE study_id = :id"), {"id": study.optuna_id}
    ).one_or_none()
    if about is None:
        yield f"{named} has lost its Optuna study: {BACKUP}"
        return
    if about.study_name != study.name:
        yield (
            f"{named} is called {about.study_name!r} in Optuna's tables: rename it there, since "
            "Optuna's tools find it by that name"
        )
    ours = {trial.number: trial for trial in store.trials(session, study)}
    theirs = mirror.states(session, study.optuna_id)
    for numbers, what in (
        (set(ours) - set(theirs), f"missing in Optuna's tables: {BACKUP}"),
        (
            set(theirs) - set(ours),
            "in Optuna's tables only, where no search sees them: delete them there",
        ),
    ):
        if numbers:
            yield f"{named}: {_trials(numbers)} {what}"
    both = set(ours) & set(theirs)
    other = {n for n in both if mirror.STATES[ours[n].state] != theirs[n]}
    for number in sorted(other)[:SHOWN]:
        yield (
            f"{named}: trial {number} is {ours[number].state}, and {theirs[number]} in Optuna's "
            f"tables: {BACKUP}, or leave it, since a search reads ours"
        )
    told = _told(session, study)
    for trial in ours.values():
        if trial.number in other or trial.number not in both:
            continue
        trial_id, values = told[trial.number]
        if trial_id != trial.optuna_id:
            yield f"{named}: trial {trial.number} belongs to another trial of Optuna's: {BACKUP}"
        if trial.state == "complete" and values != (reached := store.point(trial)):
            yield (
                f"{named}: trial {trial.number} reached {reached}, and {values} in Optuna's "
                f"tables: {BACKUP}, or leave it, since a search reads ours"
            )
    yield from _miscounted(session, study, list(ours.values()))


def _told(session: Session, study: Study) -> dict[int, tuple[int, tuple[float, ...]]]:
    """The id and the values of each trial in Optuna's tables, by its number."""
    rows = session.execute(
        text(
            "SELECT trials.trial_id, trials.number, trial_values.value FROM trials"
            " LEFT JOIN trial_values ON trial_values.trial_id = trials.trial_id"
            " WHERE trials.study_id = :id ORDER BY trials.number, trial_values.objective"
        ),
        {"id": study.optuna_id},
    )
    found: dict[int, tuple[int, tuple[float, ...]]] = {}
    for trial_id, number, value in rows:
        _, before = found.get(number, (trial_id, ()))
        found[number] = trial_id, before if value is None else (*before, value)
    return found


def _miscounted(session: Session, study: Study, trials: list[Trial]) -> Iterator[str]:
    last = session.scalar(select(func.max(Trial.seq)).where(Trial.study_id == study.id)) or 0
    counted = {
        "numbers": (study.numbers, max((trial.number for trial in trials), default=-1) + 1),
        "finished": (study.finished, sum(trial.state == "complete" for trial in trials)),
    }
    for name, (said, found) in counted.items():
        if said != found:
            yield f"study {study.name!r}: {name} is {said}, and {found} by its trials: {BACKUP}"
    if study.seq < last:
        yield f"study {study.name!r}: a trial changed after the last change, {study.seq}: {BACKUP}"


def _trials(numbers: set[int]) -> str:
    first = ", ".join(map(str, sorted(numbers)[:SHOWN]))
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"trial{'s' if len(numbers) > 1 else ''} {first}{more}"
