"""Every query and every change of our tables, each one function whose name says what it does.

Functions that take a ``Session`` run inside the caller's transaction. Every change of a trial
takes the study's next ``seq`` in that same transaction, so a reader who remembers the last one it
saw misses nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, func, inspect, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.orm import Session

from ..errors import BadValue, UnknownName, listed, unknown
from .front import Point, front, hypervolume
from .records import SCHEMA, STATES, Base, Epoch, FrontStep, Schema, Study, Trial, now

__all__ = [
    "add_trial",
    "baselines",
    "changed_since",
    "counts",
    "find_study",
    "find_trial",
    "finish",
    "front_steps",
    "front_trials",
    "next_waiting",
    "note",
    "open_database",
    "record_epoch",
    "studies",
    "study_numbered",
    "trials",
    "url_of",
]

SCHEMES = ("sqlite", "postgresql")
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")


# ------------------------------------------------------------------------------- the database


def url_of(storage: str) -> URL:
    """``storage`` as a URL that SQLAlchemy and Optuna take; ``BadValue`` if it is none of ours."""
    kinds = f"{listed(SCHEMES, last='or')}, such as sqlite:///foveate.db"
    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):
        raise BadValue(f"storage must be a database URL of {kinds}, got {storage!r}") from None
    if url.drivername not in DRIVERS:
        shown = url.render_as_string(hide_password=True)
        raise BadValue(f"storage must be a database URL of {kinds}, got {shown!r}")
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url


def open_database(storage: str, *, create: bool = False, read_only: bool = False) -> Engine:
    """An engine for ``storage``.

    With ``create``, our tables are made where there are none; without, a database that lacks them
    is a ``UserError``, and nothing is written. SQLite is put in write-ahead mode, so that readers
    never wait for the search.
    """
    url = url_of(storage)
    if url.get_backend_name() == "sqlite":
        engine = _sqlite(url, create=create, read_only=read_only)
    else:
        engine = _postgresql(url, read_only=read_only)
    shown = url.render_as_string(hide_password=True)
    try:
        _check_schema(engine, shown, create=create)
    except OperationalError as error:
        raise BadValue(f"cannot open {shown}: {str(error.orig).strip()}") from None
    except DatabaseError as error:
        raise BadValue(f"{shown} is no database of ours: {str(error.orig).strip()}") from None
    return engine


def _sqlite(url: URL, *, create: bool, read_only: bool) -> Engine:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise BadValue("storage must be a file: a database in memory ends with the search")
    if not path.exists() and not create:
        raise UnknownName(f"there is no database {str(path)!r}; `foveate search` makes one")
    if not path.parent.is_dir():
        raise BadValue(f"the folder of the database {str(path)!r} does not exist")
    if read_only:
        url = url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute("PRAGMA foreign_keys = ON")
        if create:
            connection.execute("PRAGMA journal_mode = WAL")  # stays so for all who open it
        if not read_only:
            connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        # taking the write lock at once avoids a failed upgrade from a read lock
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, *, read_only: bool) -> Engine:
    try:
        import psycopg  # noqa: F401  # only to say what is missing
    except ImportError:
        raise BadValue("PostgreSQL needs its driver: pip install 'foveate[postgresql]'") from None
    return create_engine(
        url, pool_size=2, max_overflow=1, execution_options={"postgresql_readonly": read_only}
    )


def _check_schema(engine: Engine, shown: str, *, create: bool) -> None:
    if not inspect(engine).has_table(Schema.__tablename__):
        if not create:
            raise UnknownName(f"{shown} holds no study of ours; `foveate search` starts one")
        with Session(engine) as session, session.begin():
            if engine.dialect.name == "postgresql":  # SQLite took its write lock at BEGIN
                session.execute(text("SELECT pg_advisory_xact_lock(7204)"))
            Base.metadata.create_all(session.connection())
            if session.scalar(select(Schema.version)) is None:  # nobody was quicker
                session.add(Schema(version=SCHEMA))
    with Session(engine) as session:
        version = session.scalar(select(Schema.version))
    if version != SCHEMA:
        raise BadValue(f"{shown} holds tables of version {version}; this program knows {SCHEMA}")


# ------------------------------------------------------------------------------------ reading


def studies(session: Session) -> list[Study]:
    """All studies, the latest first."""
    return list(session.scalars(select(Study).order_by(Study.created.desc(), Study.id.desc())))


def find_study(session: Session, name: str) -> Study:
    """The study called ``name``; ``UnknownName`` says which there are."""
    study = session.scalar(select(Study).where(Study.name == name))
    if study is None:
        raise unknown("study", name, [there.name for there in studies(session)])
    return study


def trials(session: Session, study: Study, *states: str) -> list[Trial]:
    """The trials of ``study`` by number: all, or those in one of ``states``."""
    wanted = select(Trial).where(Trial.study_id == study.id).order_by(Trial.number)
    return list(session.scalars(wanted.where(Trial.state.in_(states)) if states else wanted))


def find_trial(session: Session, study: Study, number: int) -> Trial:
    """Trial ``number`` of ``study``; ``UnknownName`` if there is none."""
    found = session.scalar(select(Trial).where(Trial.study_id == study.id, Trial.number == number))
    if found is None:
        last = session.scalar(select(func.max(Trial.number)).where(Trial.study_id == study.id))
        there = "no trials yet" if last is None else f"trials 0 to {last}"
        raise UnknownName(f"study {study.name!r} has no trial {number}; it has {there}")
    return found


def find_key(session: Session, study: Study, key: str) -> Trial | None:
    """The trial of the placement with this key, if there is one."""
    return session.scalar(select(Trial).where(Trial.study_id == study.id, Trial.key == key))


def next_waiting(session: Session, study: Study) -> Trial | None:
    """The trial to be trained next: what was begun first, then by number."""
    waiting = select(Trial).where(Trial.study_id == study.id, Trial.state == "waiting")
    return session.scalar(waiting.order_by(Trial.started.is_(None), Trial.number).limit(1))


def changed_since(session: Session, study: Study, seq: int) -> list[Trial]:
    """The trials that changed after ``seq``, in the order of their changes."""
    wanted = select(Trial).where(Trial.study_id == study.id, Trial.seq > seq)
    return list(session.scalars(wanted.order_by(Trial.seq)))


def counts(session: Session, study: Study) -> dict[str, int]:
    """How many trials are in each state."""
    wanted = select(Trial.state, func.count()).where(Trial.study_id == study.id)
    found = dict.fromkeys(STATES, 0)
    for state, number in session.execute(wanted.group_by(Trial.state)):
        found[state] = number
    return found


def study_numbered(session: Session, study_id: int) -> Study | None:
    """The study of this id, as addresses have it."""
    return session.get(Study, study_id)


def baselines(session: Session, study: Study) -> list[Trial]:
    """The bare backbone and the modules everywhere, by number."""
    wanted = select(Trial).where(Trial.study_id == study.id, Trial.origin != "sampler")
    return list(session.scalars(wanted.order_by(Trial.number)))


def front_trials(session: Session, study: Study) -> list[Trial]:
    """The trials on the front, cheapest first."""
    wanted = select(Trial).where(Trial.study_id == study.id, Trial.on_front)
    return list(session.scalars(wanted.order_by(Trial.gflops, Trial.number)))


def front_steps(session: Session, study: Study) -> list[FrontStep]:
    """How the front grew: a step per fully trained trial, in their order."""
    wanted = select(FrontStep).where(FrontStep.study_id == study.id)
    return list(session.scalars(wanted.order_by(FrontStep.finished)))


def curves(session: Session, study: Study) -> dict[int, list[Epoch]]:
    """The epochs of every trial of ``study``, by trial number."""
    wanted = (
        select(Trial.number, Epoch)
        .join(Epoch.trial)
        .where(Trial.study_id == study.id)
        .order_by(Trial.number, Epoch.number)
    )
    found: dict[int, list[Epoch]] = {}
    for number, epoch in session.execute(wanted):
        found.setdefault(number, []).append(epoch)
    return found


def curves_since(
    session: Session, study: Study, seq: int
) -> list[tuple[int, int, str, float, int, float]]:
    """(seq, trial, state, GFLOPs, epoch, accuracy) of every epoch of the trials that changed after
    ``seq``, by trial and epoch.
    """
    wanted = (
        select(Trial.seq, Trial.number, Trial.state, Trial.gflops, Epoch.number, Epoch.accuracy)
        .join(Epoch.trial)
        .where(Trial.study_id == study.id, Trial.seq > seq)
        .order_by(Trial.number, Epoch.number)
    )
    return [
        (seq, number, state, gflops, epoch, accuracy)
        for seq, number, state, gflops, epoch, accuracy in session.execute(wanted)
    ]


# ------------------------------------------------------------------------------------ writing


def add_trial(session: Session, study: Study, **columns: Any) -> Trial:
    """A new trial of ``study``."""
    trial = Trial(study_id=study.id, seq=_next_seq(session, study.id), **columns)
    session.add(trial)
    return trial


def start(session: Session, trial: Trial) -> None:
    """``trial`` is given to a worker."""
    _change(session, trial, state="running", started=trial.started or now())


def put_back(session: Session, trial: Trial) -> None:
    """``trial`` lost its worker: it waits to be continued."""
    _change(session, trial, state="waiting")


def record_epoch(session: Session, trial: Trial, **columns: Any) -> None:
    """An epoch of ``trial``; one that is already there stays as it was.

    ``metrics`` may hold a list a class under "per-class": that is kept of the latest epoch only.
    """
    if session.get(Epoch, (trial.id, columns["number"])) is not None:
        return
    metrics: dict[str, Any] | None = columns.pop("metrics", None)
    shares = metrics and {k: v for k, v in metrics.items() if not isinstance(v, list)}
    session.add(Epoch(trial_id=trial.id, metrics=shares, **columns))
    _change(
        session,
        trial,
        accuracy=columns["accuracy"],
        metrics=metrics,
        epochs=columns["number"],
        seconds=trial.seconds + columns["seconds"],
    )


def note(session: Session, trial: Trial, text: str) -> None:
    """What befell ``trial``, which goes on."""
    _change(session, trial, notes=[*trial.notes, text])


def finish(session: Session, trial: Trial, state: str, **columns: Any) -> None:
    """``trial`` is complete, stopped or failed; a complete one moves the front.

    ``columns`` are those that say more: reason, verdict, expected, weights.
    """
    _change(session, trial, state=state, ended=now(), **columns)
    if state == "complete":
        _move_front(session, trial)


def _move_front(session: Session, trial: Trial) -> None:
    study = session.get_one(Study, trial.study_id)
    candidates = [*front_trials(session, study), trial]  # what was not on it stays off
    points: list[Point] = [(t.accuracy or 0.0, t.gflops) for t in candidates]
    members = [candidates[i] for i in front(points)]
    for other in candidates:
        if other.on_front != (other in members):
            _change(session, other, on_front=other in members)
    session.add(
        FrontStep(
            study_id=study.id,
            number=trial.number,
            finished=counts(session, study)["complete"],
            hypervolume=scaled_hypervolume(points, study.bare_gflops, study.reference_gflops),
            members=[member.number for member in members],
        )
    )


def scaled_hypervolume(points: Sequence[Point], bare: float, dearest: float) -> float:
    """The share of the box from ``bare`` to ``dearest`` GFLOPs, 0 to 1 accuracy, that is dominated.

    It is the mean, over all budgets in that range, of the best accuracy within the budget. Points
    cheaper than the bare backbone count as if they cost as much; if nothing is dearer, the box is
    that one budget.
    """
    width = (dearest - bare) or 1.0
    scaled = [(accuracy, max(0.0, (gflops - bare) / width)) for accuracy, gflops in points]
    return hypervolume(scaled, reference=(0.0, 1.0))


def _change(session: Session, trial: Trial, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(trial, name, value)
    trial.seq = _next_seq(session, trial.study_id)


def _next_seq(session: Session, study_id: int) -> int:
    taken = update(Study).where(Study.id == study_id).values(seq=Study.seq + 1)
    return session.execute(
        taken.returning(Study.seq), execution_options={"synchronize_session": False}
    ).scalar_one()


# ------------------------------------------------------------------------------------- drivers

LEASE = timedelta(seconds=30)  # a driver that gave no sign of life for so long is gone


def take_lease(session: Session, study: Study, driver: str, host: str, pid: int) -> bool:
    """Make ``driver`` the study's one driver; ``False`` if another is alive."""
    free = (Study.driver.is_(None)) | (Study.driver == driver) | (Study.driver_beat < now() - LEASE)
    taken = update(Study).where(Study.id == study.id, free)
    values = {"driver": driver, "driver_host": host, "driver_pid": pid, "driver_beat": now()}
    return bool(session.execute(taken.values(values)).rowcount)  # type: ignore[attr-defined]


def beat(session: Session, study_id: int, driver: str) -> bool:
    """A sign of life; ``False`` if the lease went to another driver."""
    mine = update(Study).where(Study.id == study_id, Study.driver == driver)
    return bool(session.execute(mine.values(driver_beat=now())).rowcount)  # type: ignore[attr-defined]


def release(session: Session, study_id: int, drivers: Iterable[str]) -> None:
    """End the lease, if one of ``drivers`` holds it."""
    held = update(Study).where(Study.id == study_id, Study.driver.in_(list(drivers)))
    session.execute(held.values(driver=None, driver_host=None, driver_pid=None, driver_beat=None))
