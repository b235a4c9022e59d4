"""Every query and every change of our tables, each one function whose name says what it does.

Functions that take a ``Session`` run inside the caller's transaction. Who changes a trial has
locked its study before (``locked``), so all changes of a study come one after the other, over any
number of drivers. Each takes the study's next ``seq``, so a reader who remembers the last one it
saw misses nothing; and each changes Optuna's trial, too, in that same transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, Text, bindparam, cast, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, defer, selectinload

from ..errors import UnknownName, unknown
from . import mirror
from .front import Point, front, scaled_hypervolume
from .records import (
    STATES,
    Artifact,
    Driver,
    Epoch,
    FrontStep,
    Study,
    Trial,
    now,
    readable,
)

__all__ = [
    "Head",
    "Overview",
    "Standing",
    "accuracies_since",
    "add_study",
    "add_trial",
    "artifact_numbered",
    "baselines",
    "beat",
    "become",
    "bury",
    "children_of",
    "constrain",
    "counts",
    "curve_of",
    "curves",
    "curves_since",
    "drivers",
    "ends_of_some",
    "epoch_metrics",
    "epoch_rows",
    "epochs_in",
    "every_driver",
    "failed_since",
    "files",
    "find_key",
    "find_study",
    "find_trial",
    "finish",
    "forget",
    "front_rows",
    "front_steps",
    "front_trials",
    "latest_epochs",
    "locked",
    "next_waiting",
    "note",
    "note_study",
    "orphans",
    "overview",
    "pace",
    "placements_after",
    "placements_of",
    "put_back",
    "rebuild_front",
    "record_epoch",
    "register",
    "remove",
    "rename",
    "rows_since",
    "seen_since",
    "sharing_files",
    "show_looks",
    "standing",
    "start",
    "step_rows",
    "stop_drivers",
    "strays",
    "studies",
    "study_copy",
    "study_head",
    "study_heads",
    "study_names",
    "study_numbered",
    "trial_of",
    "trial_rows",
    "trials",
    "trials_with_key",
    "try_again",
    "verdicts_since",
]

# ------------------------------------------------------------------------------------ reading


def studies(session: Session) -> list[Study]:
    """All studies, the latest first."""
    return list(session.scalars(select(Study).order_by(Study.created.desc(), Study.id.desc())))


def find_study(session: Session, name: str) -> Study:
    """The study called ``name``; ``UnknownName`` says which there are."""
    study = session.scalar(select(Study).where(Study.name == readable(name)))
    if study is None:
        raise unknown("study", name, [there.name for there in studies(session)])
    return study


def id_of(session: Session, name: str) -> int | None:
    """The id of the study called ``name``, if there is one."""
    return session.scalar(select(Study.id).where(Study.name == name))


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


def find_key(session: Session, study: Study, key: str, seed: int) -> Trial | None:
    """The trial of the placement with this key and this seed, if there is one."""
    same = (Trial.study_id == study.id, Trial.key == key, Trial.seed == seed)
    return session.scalar(select(Trial).where(*same))


def next_waiting(session: Session, study: Study) -> Trial | None:
    """The trial to be trained next: what was begun first, then by number."""
    waiting = select(Trial).where(Trial.study_id == study.id, Trial.state == "waiting")
    return session.scalar(waiting.order_by(Trial.started.is_(None), Trial.number).limit(1))


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


class Head(NamedTuple):
    """What of a study may change without its trials."""

    id: int
    uid: str
    name: str
    seq: int
    beat: datetime | None  # the last sign of life of those that search it


_lively = (Driver.study_id == Study.id) & Driver.ended.is_(None)
_HEAD = (  # asked for by every reader, every other second
    select(Study.id, Study.uid, Study.name, Study.seq, func.max(Driver.beat))
    .outerjoin(Driver, _lively)
    .where(Study.id == bindparam("id"))
    .group_by(Study.id)
)


_COPY = select(*Study.__table__.columns).where(Study.id == bindparam("id"))


def study_head(session: Session, study_id: int) -> Head | None:
    """The head of the study of this id: the study itself is long."""
    row = session.execute(_HEAD, {"id": study_id}).one_or_none()
    return None if row is None else Head(*row)


def study_copy(session: Session, study_id: int) -> Study:
    """The study of this id as it is now, belonging to no session."""
    row = session.execute(_COPY, {"id": study_id}).one()
    return Study(**row._mapping)


def study_names(session: Session) -> list[tuple[int, str]]:
    """The id and the name of every study, the latest first."""
    wanted = select(Study.id, Study.name).order_by(Study.created.desc(), Study.id.desc())
    return [(row.id, row.name) for row in session.execute(wanted)]


def artifact_numbered(session: Session, artifact_id: int) -> Artifact | None:
    """The file of this id, as addresses have it."""
    return session.get(Artifact, artifact_id)


def baselines(session: Session, study: Study) -> list[Trial]:
    """The bare backbone and the modules everywhere, by number."""
    whole = or_(Trial.origin == "bare", Trial.origin.startswith("everywhere:"))
    wanted = select(Trial).where(Trial.study_id == study.id, whole)
    return list(session.scalars(wanted.order_by(Trial.number)))


def front_trials(session: Session, study: Study) -> list[Trial]:
    """The trials on the front, cheapest first."""
    wanted = select(Trial).where(Trial.study_id == study.id, Trial.on_front)
    wanted = wanted.options(selectinload(Trial.artifacts))
    return list(session.scalars(wanted.order_by(Trial.gflops, Trial.number)))


def front_steps(session: Session, study: Study) -> list[FrontStep]:
    """How the front grew: a step for each fully trained trial that moved it, in their order."""
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


def pace(session: Session, study: Study) -> float | None:
    """Seconds that an epoch of a trial of ``study`` takes on average; none before the first."""
    wanted = select(func.sum(Trial.seconds), func.sum(Trial.epochs))
    seconds, epochs = session.execute(wanted.where(Trial.study_id == study.id)).one()
    return seconds / epochs if epochs else None


def taken(session: Session, study: Study) -> int:
    """How many trials count toward those that the spec wants: all that were begun."""
    counted = ("waiting", "infeasible")
    wanted = select(func.count()).where(Trial.study_id == study.id, Trial.state.in_(counted))
    return study.numbers - study.skipped - (session.scalar(wanted) or 0)


def keys(session: Session, study: Study, seed: int) -> set[str]:
    """The keys of all placements that have a trial with this seed."""
    wanted = select(Trial.key).where(Trial.study_id == study.id, Trial.seed == seed)
    return set(session.scalars(wanted))


def seen_since(session: Session, study: Study, seq: int) -> Sequence[Any]:
    """What proposals are made from, of every trial that changed after ``seq``, in that order.

    A row has ``seq, number, state, key, chosen, attributes, accuracy, expected, violations`` and
    the costs by name.
    """
    columns = ["seq", "number", "state", "key", "chosen", "attributes", "accuracy", "expected"]
    columns += ["violations", "gflops", "parameters", "memory", "latency"]
    wanted = select(*(getattr(Trial, name) for name in columns))
    changed = wanted.where(Trial.study_id == study.id, Trial.seq > seq)
    return session.execute(changed.order_by(Trial.seq)).all()


def orphans(session: Session, study: Study, driver_id: int, known: Collection[int]) -> list[Trial]:
    """Trials that ``driver_id`` was given without hearing of it: those not ``known`` to it."""
    mine = (Trial.study_id == study.id, Trial.state == "running", Trial.driver_id == driver_id)
    found = session.scalars(select(Trial).where(*mine)).all()  # a few: the index of states is best
    return sorted((t for t in found if t.number not in known), key=lambda trial: trial.number)


def strays(session: Session, study_id: int) -> list[Trial]:
    """Running trials of drivers that have ended: nobody reports of them any more."""
    mine = (Trial.study_id == study_id, Trial.state == "running")
    gone = or_(Driver.id.is_(None), Driver.ended.is_not(None))
    wanted = select(Trial).join(Trial.driver, isouter=True).where(*mine, gone)
    return list(session.scalars(wanted.order_by(Trial.number)))


# ------------------------------------------------------------------------------------ writing


def locked(session: Session, study_id: int) -> Study:
    """The study, for changes: nobody else changes it before this transaction ends.

    It is the transaction's first look at the study, so that nothing older is mixed in.
    """
    slim = [defer(Study.sites)]  # ten times as long as all the rest
    return session.get_one(
        Study, study_id, options=slim, with_for_update=True, populate_existing=True
    )


def add_study(session: Session, **columns: Any) -> Study:
    """A new study."""
    study = Study(**columns)
    session.add(study)
    session.flush()
    return study


def add_trial(
    session: Session,
    study: Study,
    *,
    choices: Mapping[str, Sequence[Any]],
    state: str = "waiting",
    **columns: Any,
) -> Trial:
    """A new trial of ``study``; ``choices`` are what its ``chosen`` parameters were chosen from."""
    at = now()
    number = max(study.numbers, mirror.last_number(session, study.optuna_id) + 1)
    study.skipped += number - study.numbers  # another program added trials to Optuna's study
    study.numbers = number + 1
    about = ("placement", "origin", "gflops", "parameters")
    optuna_id = mirror.add(
        session,
        study.optuna_id,
        number,
        state,
        chosen=columns.get("chosen") or {},
        choices=choices,
        about={name: columns[name] for name in about},
        violations=columns.get("violations") or {},
        at=at,
    )
    study.seq += 1
    trial = Trial(
        study_id=study.id,
        number=number,
        optuna_id=optuna_id,
        state=state,
        seq=study.seq,
        started=at if state == "running" else None,
        ended=at if state == "infeasible" else None,
        **columns,
    )
    session.add(trial)
    session.flush()
    return trial


def start(session: Session, trial: Trial, driver_id: int) -> None:
    """``trial`` is given to a worker of this driver."""
    _change(trial, state="running", started=trial.started or now(), driver_id=driver_id)
    mirror.set_state(session, trial.optuna_id, "running", trial.started)


def put_back(session: Session, trial: Trial) -> None:
    """``trial`` lost its worker: it waits to be continued."""
    _change(trial, state="waiting", driver_id=None)
    mirror.set_state(session, trial.optuna_id, "waiting", None)


def try_again(session: Session, trial: Trial, reason: str, most: int) -> None:
    """``trial`` failed, and waits for another attempt, of ``most``."""
    again = f"it failed ({reason}); it is tried again, {trial.failures + 1} of {most}"
    trial.failures += 1
    note(session, trial, again)
    put_back(session, trial)


def record_epoch(session: Session, trial: Trial, **columns: Any) -> None:
    """An epoch of ``trial``; one that is already there stays as it was.

    ``metrics`` may hold a list a class under "per-class": that is kept of the latest epoch only.
    ``machine`` is what the epoch took of its machine: that is kept of each epoch, beside them.
    """
    if columns["number"] <= trial.epochs:
        return
    metrics: dict[str, Any] | None = columns.pop("metrics", None)
    shares = metrics and {k: v for k, v in metrics.items() if not isinstance(v, list)}
    if machine := columns.pop("machine", None):
        shares = {**(shares or {}), "machine": machine}
    session.add(Epoch(trial_id=trial.id, metrics=shares, **columns))
    _change(
        trial,
        accuracy=columns["accuracy"],
        metrics=metrics,
        epochs=columns["number"],
        seconds=trial.seconds + columns["seconds"],
    )


def constrain(session: Session, trial: Trial, violations: Mapping[str, float]) -> None:
    """What the constraints say of ``trial``, as far as its costs are known."""
    new = {name: by for name, by in violations.items() if name not in (trial.violations or {})}
    _change(trial, violations=dict(violations) or None)
    mirror.constrain(session, trial.optuna_id, new)


def note(session: Session, trial: Trial, text: str) -> None:
    """What befell ``trial``, which goes on."""
    _change(trial, notes=[*trial.notes, readable(text)])


def finish(
    session: Session,
    trial: Trial,
    state: str,
    *,
    weights: str | None = None,
    looks: Mapping[str, Any] | None = None,
    **columns: Any,
) -> None:
    """``trial`` is complete, stopped, failed or infeasible; a complete one moves the front.

    ``columns`` are those that say more: reason, verdict, expected. ``weights`` is where the trained
    ones are. ``looks`` are the columns of the file that shows where it looks, which is recorded
    of a member of the front.
    """
    _change(trial, state=state, ended=now(), **columns)
    if weights is not None:
        _left(session, trial, "weights", address=weights)
    assert trial.ended is not None  # it was set right now
    _tell(session, trial, trial.ended)
    if state == "complete":
        trial.study.finished += 1
        _move_front(session, trial)
    if looks is not None and trial.on_front:
        _left(session, trial, "attention", **looks)


def show_looks(session: Session, trial: Trial, **columns: Any) -> Artifact:
    """``trial`` has a new file that shows where it looks, in place of an older one."""
    new = _left(session, trial, "attention", **columns)  # before the older goes: another id
    older = (Artifact.trial_id == trial.id, Artifact.kind == new.kind, Artifact.id != new.id)
    session.execute(delete(Artifact).where(*older))
    _change(trial)
    return new


def _left(session: Session, trial: Trial, kind: str, **columns: Any) -> Artifact:
    file = Artifact(study_id=trial.study_id, trial_id=trial.id, kind=kind, **columns)
    session.add(file)
    session.flush()
    return file


def _tell(session: Session, trial: Trial, at: datetime) -> None:
    """Optuna's trial has ended as ours did."""
    told = trial.reason and trial.reason[:2000]  # MySQL has room for 65,535 bytes
    about = {"epochs": trial.epochs, "accuracy": trial.accuracy, "reason": told}
    if trial.expected is not None:
        about[mirror.EXPECTED] = trial.expected
    values = list(point(trial)) if trial.state == "complete" else None
    mirror.finish(session, trial.optuna_id, trial.state, values=values, about=about, at=at)


def point(trial: Trial) -> Point:
    """Accuracy and costs, as the study's objectives have them."""
    _, *costs = trial.study.objectives
    return (trial.accuracy or 0.0, *(float(getattr(trial, name)) for name in costs))


def _move_front(session: Session, trial: Trial) -> None:
    study = trial.study
    session.flush()
    before = select(Trial).where(Trial.study_id == study.id, Trial.on_front).order_by(Trial.number)
    candidates = [*session.scalars(before), trial]  # what was not on it stays off
    points = [point(one) for one in candidates]
    members = [candidates[i] for i in front(points)]
    if trial not in members:
        return
    for other in candidates:
        if other.on_front != (other in members):
            _change(other, on_front=other in members)
    session.add(
        FrontStep(
            study_id=study.id,
            number=trial.number,
            finished=study.finished,
            hypervolume=scaled_hypervolume(points, *_box(study)),
            members=[member.number for member in members],
        )
    )


def _box(study: Study) -> tuple[list[float], list[float]]:
    """The costs of the bare backbone and of the dearest placement, as the objectives have them."""
    costs = study.objectives[1:]
    bare, dearest = (
        {"gflops": study.bare_gflops} | study.bare,
        {"gflops": study.reference_gflops} | study.reference,
    )
    return [bare[name] for name in costs], [dearest[name] for name in costs]


def _change(trial: Trial, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(trial, name, value)
    trial.study.seq += 1
    trial.seq = trial.study.seq


# ------------------------------------------------------------------------------------- drivers

BEAT = timedelta(seconds=5)  # between signs of life of a driver
LEASE = timedelta(seconds=30)  # a driver that gave no sign of life for so long is gone


def register(session: Session, study: Study, **columns: Any) -> Driver:
    """A driver that is at work on ``study`` from now on."""
    driver = Driver(study_id=study.id, **columns)
    session.add(driver)
    session.flush()
    return driver


def drivers(session: Session, study_id: int) -> list[Driver]:
    """Those that are at work on the study, as far as anybody knows, the first first."""
    wanted = select(Driver).where(Driver.study_id == study_id, Driver.ended.is_(None))
    return list(session.scalars(wanted.order_by(Driver.id)))


def is_at_work(session: Session, uid: str) -> bool:
    """Whether the driver ``uid`` has not ended, as far as anybody knows."""
    wanted = select(Driver.id).where(Driver.uid == uid, Driver.ended.is_(None))
    return session.scalar(wanted) is not None


def beat(session: Session, driver_id: int) -> bool:
    """A sign of life; ``False`` if others have given the driver up."""
    mine = update(Driver).where(Driver.id == driver_id, Driver.ended.is_(None))
    values = {"beats": Driver.beats + 1, "beat": now()}
    return bool(session.execute(mine.values(values)).rowcount)  # type: ignore[attr-defined]


def bury(session: Session, study: Study, driver: Driver, how: str) -> list[int]:
    """``driver`` has ended: what it had trained waits to be continued. The numbers of that."""
    driver.ended, driver.how = now(), how
    left = [one for one in trials(session, study, "running") if one.driver_id == driver.id]
    for trial in left:
        put_back(session, trial)
    return [trial.number for trial in left]


def stop_drivers(session: Session, study: Study) -> int:
    """Ask all drivers of ``study`` to end; how many there are."""
    there = drivers(session, study.id)
    for driver in there:
        driver.stop = True
    return len(there)


# ------------------------------------------------------------------------------------- by hand


class Standing(NamedTuple):
    """How a study stands, in a line."""

    best: float | None  # the best accuracy of a fully trained trial
    on_front: int
    hypervolume: float | None
    changed: datetime  # when something last happened to it


def standing(session: Session, study: Study) -> Standing:
    """How ``study`` stands; no trial is loaded for it."""
    mine = Trial.study_id == study.id
    best = session.scalar(select(func.max(Trial.accuracy)).where(mine, Trial.state == "complete"))
    on_front = session.scalar(select(func.count()).where(mine, Trial.on_front)) or 0
    last = select(FrontStep.hypervolume).where(FrontStep.study_id == study.id)
    hypervolume = session.scalar(last.order_by(FrontStep.finished.desc()).limit(1))
    moments = (func.max(Trial.created), func.max(Trial.started), func.max(Trial.ended))
    times = [study.created, *session.execute(select(*moments).where(mine)).one()]
    lately = select(func.max(Epoch.at)).join(Epoch.trial).where(mine, Trial.state == "running")
    times.append(session.scalar(lately))
    return Standing(best, on_front, hypervolume, max(filter(None, times)))


@dataclass(frozen=True, slots=True)
class Overview:
    """How a study stands, in a card."""

    id: int
    uid: str
    name: str
    spec: dict[str, Any]
    bare_gflops: float
    created: datetime
    seq: int
    finished: int
    counts: dict[str, int]  # trials by state
    front: int  # trials on it
    best: float | None  # the best accuracy of a fully trained trial
    bare: float | None  # the accuracy of the bare backbone, once fully trained
    steps: list[tuple[int, float]]  # fully trained trials, hypervolume: where the front moved
    beats: list[datetime]  # last signs of life of those that search it
    changed: datetime  # when something last happened to it


def overview(session: Session, study_id: int | None = None) -> list[Overview]:
    """How all studies stand, the latest first, or the one: a query for each thing, none a study."""
    wanted = Study.id.is_not(None) if study_id is None else Study.id == study_id
    mine = (Trial.study_id == Study.id, wanted)
    names = ("id", "uid", "name", "spec", "bare_gflops", "created", "seq", "finished")
    heads = select(*(getattr(Study, name) for name in names)).where(wanted)
    counted = select(Study.id, Trial.state, func.count()).where(*mine)
    counts: dict[int, dict[str, int]] = {}
    for id, state, count in session.execute(counted.group_by(Study.id, Trial.state)):
        counts.setdefault(id, dict.fromkeys(STATES, 0))[state] = count
    # the most accurate trial is never dominated, so the front has it
    on_front = select(Study.id, func.count(), func.max(Trial.accuracy)).where(*mine, Trial.on_front)
    fronts = {row[0]: row for row in session.execute(on_front.group_by(Study.id))}
    first = (Trial.number == 0, Trial.origin == "bare", Trial.state == "complete")
    begun = session.execute(select(Study.id, Trial.accuracy).where(*mine, *first))
    bare = {row.id: row.accuracy for row in begun}
    steps: dict[int, list[tuple[int, float]]] = {}
    moved = select(FrontStep.study_id, FrontStep.finished, FrontStep.hypervolume)
    moved = moved.join(Study, Study.id == FrontStep.study_id).where(wanted)
    for id, finished, volume in session.execute(moved.order_by(FrontStep.finished)):
        steps.setdefault(id, []).append((finished, volume))
    beats: dict[int, list[datetime]] = {}
    for id, beat in session.execute(
        select(Driver.study_id, Driver.beat).where(Driver.ended.is_(None))
    ):
        beats.setdefault(id, []).append(beat)
    latest = func.max(Epoch.at)
    last = select(Study.id, Trial.created, Trial.started, Trial.ended, latest)
    last = last.join(Trial, Trial.study_id == Study.id).outerjoin(Epoch, Epoch.trial_id == Trial.id)
    last = last.where(wanted, Trial.seq == Study.seq)
    last = last.group_by(Study.id, Trial.id, Trial.created, Trial.started, Trial.ended)
    changed = {id: [at for at in times if at] for id, *times in session.execute(last)}
    return [
        Overview(
            **row._mapping,
            counts=counts.get(row.id, dict.fromkeys(STATES, 0)),
            front=fronts[row.id][1] if row.id in fronts else 0,
            best=fronts[row.id][2] if row.id in fronts else None,
            bare=bare.get(row.id),
            steps=steps.get(row.id, []),
            beats=beats.get(row.id, []),
            changed=max([row.created, *changed.get(row.id, [])]),
        )
        for row in session.execute(heads.order_by(Study.created.desc(), Study.id.desc()))
    ]


def study_heads(session: Session) -> list[Head]:
    """What tells whether an overview is still true: of every study its head and signs of life."""
    wanted = select(Study.id, Study.uid, Study.name, Study.seq, func.max(Driver.beat))
    rows = session.execute(wanted.outerjoin(Driver, _lively).group_by(Study.id).order_by(Study.id))
    return [Head(*row) for row in rows]


def trial_rows(session: Session, study: Study, columns: Sequence[str]) -> Sequence[Any]:
    """These columns of every trial of ``study``, by number."""
    wanted = select(*(getattr(Trial, name) for name in columns))
    return session.execute(wanted.where(Trial.study_id == study.id).order_by(Trial.number)).all()


def front_rows(session: Session, study: Study, columns: Sequence[str]) -> Sequence[Any]:
    """These columns of the trials on the front of ``study``, cheapest first."""
    wanted = select(*(getattr(Trial, name) for name in columns))
    mine = wanted.where(Trial.study_id == study.id, Trial.on_front)
    return session.execute(mine.order_by(Trial.gflops, Trial.number)).all()


def epoch_rows(session: Session, study: Study, columns: Sequence[str]) -> Sequence[Any]:
    """The trial's number and these columns of every epoch of ``study``, by trial and epoch."""
    wanted = select(Trial.number, *(getattr(Epoch, name) for name in columns)).join(Epoch.trial)
    mine = wanted.where(Trial.study_id == study.id)
    return session.execute(mine.order_by(Trial.number, Epoch.number)).all()


def failed_since(session: Session, study: Study, seq: int) -> list[tuple[int, str | None]]:
    """(number, reason) of every failed trial of ``study`` that changed after ``seq``, by number."""
    mine = (Trial.study_id == study.id, Trial.state == "failed", Trial.seq > seq)
    found = session.execute(select(Trial.number, Trial.reason).where(*mine).order_by(Trial.number))
    return [(row.number, row.reason) for row in found]


def verdicts_since(session: Session, study: Study, seq: int) -> list[tuple[int, Any]]:
    """(number, verdict) of every stopped trial of ``study`` that changed after ``seq``."""
    mine = (Trial.study_id == study.id, Trial.state == "stopped", Trial.seq > seq)
    found = session.execute(select(Trial.number, Trial.verdict).where(*mine))
    return [(row.number, row.verdict) for row in found]


def accuracies_since(
    session: Session, study: Study, seq: int, epochs: Sequence[int]
) -> list[tuple[int, int, float]]:
    """(number, epoch, accuracy) after these ``epochs``, of every fully trained trial of ``study``
    that changed after ``seq``.
    """
    mine = (Trial.study_id == study.id, Trial.state == "complete", Trial.seq > seq)
    wanted = select(Trial.number, Epoch.number, Epoch.accuracy).join(Epoch.trial)
    found = session.execute(wanted.where(*mine, Epoch.number.in_(epochs)))
    return [(number, epoch, accuracy) for number, epoch, accuracy in found]


def epoch_metrics(session: Session, trial_ids: Sequence[int]) -> Sequence[Any]:
    """(trial's id, metrics) of every epoch of these trials, by trial and epoch."""
    wanted = select(Epoch.trial_id, Epoch.metrics).where(Epoch.trial_id.in_(trial_ids))
    return session.execute(wanted.order_by(Epoch.trial_id, Epoch.number)).all()


def step_rows(session: Session, study: Study, columns: Sequence[str]) -> Sequence[Any]:
    """These columns of every step of the front of ``study``, in their order."""
    return session.execute(_steps_of(tuple(columns)), {"study": study.id}).all()


@cache  # asked for at each change
def _steps_of(columns: tuple[str, ...]) -> Select[Any]:
    wanted = select(*(getattr(FrontStep, name) for name in columns))
    return wanted.where(FrontStep.study_id == bindparam("study")).order_by(FrontStep.finished)


def rows_since(session: Session, study: Study, columns: Sequence[str], seq: int) -> Sequence[Any]:
    """These columns of every trial of ``study`` that changed after ``seq``."""
    return session.execute(_since(tuple(columns)), {"study": study.id, "seq": seq}).all()


@cache  # asked for at each change
def _since(columns: tuple[str, ...]) -> Select[Any]:
    wanted = select(*(getattr(Trial, name) for name in columns))
    return wanted.where(Trial.study_id == bindparam("study"), Trial.seq > bindparam("seq"))


def placements_after(session: Session, study: Study, number: int) -> Sequence[Any]:
    """(number, placement) of every trial of ``study`` after trial ``number``, by number."""
    wanted = select(Trial.number, Trial.placement)
    later = wanted.where(Trial.study_id == study.id, Trial.number > number)
    return session.execute(later.order_by(Trial.number)).all()


def latest_epochs(
    session: Session, study: Study, states: Sequence[str] = ("running",)
) -> dict[int, datetime]:
    """When each trial of ``study`` in one of ``states`` last finished an epoch, by its number."""
    mine = (Trial.study_id == study.id, Trial.state.in_(states))
    wanted = select(Trial.number, func.max(Epoch.at)).join(Epoch.trial).where(*mine)
    return {row.number: row[1] for row in session.execute(wanted.group_by(Trial.number))}


def ends_of_some(session: Session, ids: Sequence[int], most: int) -> list[list[float]]:
    """The last accuracies of the trials with these ids, ``most`` at most."""
    wanted = select(Epoch.trial_id, Epoch.accuracy).join(Epoch.trial)
    late = wanted.where(Epoch.trial_id.in_(ids), Epoch.number > Trial.epochs - most)
    found: dict[int, list[float]] = {}
    for id, accuracy in session.execute(late.order_by(Epoch.trial_id, Epoch.number)):
        found.setdefault(id, []).append(accuracy)
    return [*found.values()]


def placements_of(session: Session, study: Study, numbers: Sequence[int]) -> dict[int, str]:
    """The spelling of the placement of each of these trials of ``study``, by number."""
    wanted = select(Trial.number, Trial.placement).where(Trial.study_id == study.id)
    rows = session.execute(wanted.where(Trial.number.in_(numbers)))
    return {row.number: row.placement for row in rows}


def children_of(session: Session, study: Study, number: int) -> list[int]:
    """The trials that came from trial ``number``, by number."""
    wanted = select(Trial.number, Trial.parents).where(Trial.study_id == study.id)
    later = wanted.where(Trial.number > number, cast(Trial.parents, Text).contains(str(number)))
    rows = session.execute(later.order_by(Trial.number))
    return [row.number for row in rows if number in (row.parents or ())]


def trials_with_key(session: Session, study: Study, key: str) -> list[Trial]:
    """The trials of the placement with this key, one a seed, by number."""
    same = select(Trial).where(Trial.study_id == study.id, Trial.key == key)
    return list(session.scalars(same.order_by(Trial.number)))


def every_driver(session: Session, study: Study) -> list[Driver]:
    """Those that search ``study`` and those that did, the first first."""
    wanted = select(Driver).where(Driver.study_id == study.id)
    return list(session.scalars(wanted.order_by(Driver.id)))


def trial_of(session: Session, study: Study, key: str) -> Trial | None:
    """The first trial of the placement with this key, whatever its seed."""
    same = select(Trial).where(Trial.study_id == study.id, Trial.key == key)
    return session.scalar(same.order_by(Trial.number).limit(1))


def epochs_in(session: Session, study: Study) -> int:
    """How many epochs are recorded of ``study``."""
    wanted = select(func.count()).select_from(Epoch).join(Epoch.trial)
    return session.scalar(wanted.where(Trial.study_id == study.id)) or 0


def sharing_files(session: Session, study: Study) -> list[str]:
    """The other studies of this database that refer to files in a folder of ``study``."""
    inside = Artifact.address.contains(f"-{study.uid[:8]}/")
    wanted = select(Study.name).join(Artifact, Artifact.study_id == Study.id).distinct()
    others = wanted.where(Study.id != study.id, inside)
    return list(session.scalars(others.order_by(Study.name)))


def rename(session: Session, study: Study, name: str) -> None:
    """``study`` is called ``name`` from now on, in Optuna's tables, too.

    Raises
        IntegrityError  if another is called so
    """
    study.name = name
    session.flush()
    mirror.rename_study(session, study.optuna_id, name)


def note_study(session: Session, study: Study, text: str) -> None:
    """Add a line to what the user noted about ``study``."""
    study.note = "\n".join(filter(None, [study.note, readable(text)]))
    session.flush()


def remove(session: Session, study: Study) -> None:
    """Delete ``study`` with all that belongs to it, in Optuna's tables, too."""
    mirror.remove_study(session, study.optuna_id)
    of_trials = select(Trial.id).where(Trial.study_id == study.id)
    session.execute(delete(Epoch).where(Epoch.trial_id.in_(of_trials)))
    for table in (Artifact, FrontStep, Trial, Driver):
        session.execute(delete(table).where(table.study_id == study.id))
    session.execute(delete(Study).where(Study.id == study.id))
    session.expunge(study)


def files(session: Session, study: Study) -> dict[int, list[Artifact]]:
    """What each trial of ``study`` left, by the trial's id."""
    found: dict[int, list[Artifact]] = {}
    wanted = select(Artifact).where(Artifact.study_id == study.id, Artifact.trial_id.is_not(None))
    for one in session.scalars(wanted.order_by(Artifact.id)):
        found.setdefault(one.trial_id or 0, []).append(one)
    return found


def curve_of(session: Session, trial: Trial) -> list[dict[str, Any]]:
    """The epochs of ``trial`` as plain data, for another study."""
    columns = [column for column in Epoch.__table__.columns if column.name != "trial_id"]
    wanted = select(*columns).where(Epoch.trial_id == trial.id).order_by(Epoch.number)
    return [row._asdict() for row in session.execute(wanted)]


def forget(session: Session, trial: Trial) -> None:
    """What ``trial`` came to so far is no longer known; it still stands as it did."""
    session.execute(delete(Epoch).where(Epoch.trial_id == trial.id))
    session.execute(delete(Artifact).where(Artifact.trial_id == trial.id))
    mirror.forget(session, trial.optuna_id, ("epochs", "accuracy", "reason", mirror.EXPECTED))


def become(
    session: Session,
    trial: Trial,
    state: str,
    *,
    curve: Sequence[Mapping[str, Any]],
    artifacts: Sequence[Artifact],
    **columns: Any,
) -> None:
    """``trial``, of which nothing is known yet, is what a trial of another study came to.

    ``columns`` are those that say what it came to, when, and how. The front stays as it was.
    """
    if curve:
        session.execute(insert(Epoch), [{**epoch, "trial_id": trial.id} for epoch in curve])
    for one in artifacts:
        about = {"kind": one.kind, "address": one.address, "bytes": one.bytes, "about": one.about}
        session.add(Artifact(study_id=trial.study_id, trial_id=trial.id, **about))
    _change(trial, state=state, driver_id=None, **columns)
    if state == "waiting":
        return
    mirror.set_state(session, trial.optuna_id, state, trial.started)
    _tell(session, trial, trial.ended or trial.created)


def rebuild_front(session: Session, study: Study) -> None:
    """The front, its history and the count of ``study``, from the fully trained trials anew.

    They count in the order in which they ended.
    """
    done = trials(session, study, "complete")
    done.sort(key=lambda one: (one.ended or one.created, one.number))
    session.execute(delete(FrontStep).where(FrontStep.study_id == study.id))
    at = {trial.id: point(trial) for trial in done}
    members: list[Trial] = []
    for finished, trial in enumerate(done, 1):
        candidates = [*members, trial]
        points = [at[one.id] for one in candidates]
        on_front = [candidates[i] for i in front(points)]
        if trial not in on_front:
            continue
        members = on_front
        session.add(
            FrontStep(
                study_id=study.id,
                number=trial.number,
                finished=finished,
                hypervolume=scaled_hypervolume(points, *_box(study)),
                members=[member.number for member in members],
                at=trial.ended,
            )
        )
    study.finished = len(done)
    for trial in trials(session, study):
        if trial.on_front != (trial in members):
            _change(trial, on_front=trial in members)
    session.flush()
