"""What a user does to a study by hand: rename it, note something, delete it, stop who searches it.

Each of these is one transaction in which the study is locked, so a running search never sees half
of it. Nothing here loads torch.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import sleep

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import BadValue, listed
from . import store
from .databases import READS
from .records import Driver, Study, now

__all__ = [
    "MOST_NOTED",
    "Deleted",
    "ago",
    "at_work",
    "checked_name",
    "delete",
    "note",
    "refuse_if_searched",
    "rename",
    "stop",
    "wait_until_stopped",
]

MOST_NOTED = 20_000  # characters of all notes on a study
WATCHED = 2 * store.BEAT.total_seconds()  # seconds in which a driver beats at least once


def checked_name(name: str) -> str:
    """``name``, if a study may be called so: it is a folder's name, and stands in addresses.

    Raises
        BadValue  if not
    """
    if not re.fullmatch(r"[\w.+= -]{1,100}", name) or name.startswith("."):
        raise BadValue(
            "a study's name has 1 to 100 letters, digits, spaces and any of _.+=-, "
            f"got {name[:100]!r}"
        )
    return name


def ago(moment: datetime) -> str:
    """How long ``moment`` is over, in the largest unit that fits: ``3 min``."""
    seconds = max(0.0, (now() - moment).total_seconds())
    for unit, long in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * long:
            return f"{seconds / long:.0f} {unit}"
    return f"{seconds:.0f} s"


# ------------------------------------------------------------------------- who is at work on it


def at_work(
    engine: Engine, study_id: int, *, pause: Callable[[float], object] = sleep
) -> list[Driver]:
    """The drivers of the study that are alive: those whose signs of life go on.

    One that seems silent may have a clock that is wrong: it is watched for two beats.
    """
    there = _drivers(engine, study_id)
    recent = [one for one in there if abs(now() - one.beat) < store.LEASE]
    if len(recent) == len(there):
        return there
    pause(WATCHED)
    before = {one.id: one.beats for one in there}
    alive = {one.id for one in recent}
    later = _drivers(engine, study_id)
    return [one for one in later if one.id in alive or one.beats != before.get(one.id)]


def refuse_if_searched(engine: Engine, study: Study, to: str) -> None:
    """``BadValue`` while drivers are at work on ``study``, of which it is wanted ``to`` do so."""
    if there := at_work(engine, study.id):
        who = listed(f"process {one.pid} on {one.host}" for one in there)
        raise BadValue(
            f"study {study.name!r} is being searched by {who}; to {to} it, end that first "
            f"(`foveate stop {study.name!r} --wait`), or wait {store.LEASE.seconds} seconds if it "
            "died"
        )


def stop(engine: Engine, name: str) -> int:
    """Ask every driver of the study to end at its next sign of life; how many were asked."""
    with Session(engine) as session, session.begin():
        return store.stop_drivers(session, _locked(session, name))


def wait_until_stopped(
    engine: Engine, study_id: int, *, pause: Callable[[float], object] = sleep
) -> None:
    """Return once no driver is at work on the study."""
    while _drivers(engine, study_id) and at_work(engine, study_id, pause=pause):
        pause(1.0)


def _drivers(engine: Engine, study_id: int) -> list[Driver]:
    with Session(engine.execution_options(**{READS: True}), expire_on_commit=False) as session:
        return store.drivers(session, study_id)


# ------------------------------------------------------------------------------- what it is called


def rename(engine: Engine, old: str, new: str) -> None:
    """The study ``old`` is called ``new`` from now on; a search of it goes on.

    Raises
        UnknownName  if there is no study ``old``
        BadValue     if nothing may be called ``new``, or something is
    """
    checked_name(new)
    try:
        with Session(engine) as session, session.begin():
            store.rename(session, _locked(session, old), new)
    except IntegrityError:
        raise BadValue(
            f"there is a study {new!r} in that database already, of ours or of Optuna's"
        ) from None


def note(engine: Engine, name: str, text: str, *, trial: int | None = None) -> None:
    """Note ``text`` on the study, or on one of its trials.

    Raises
        BadValue  if it is empty, or longer than what there is room for
    """
    text = text.strip()
    if not text:
        raise BadValue("a note has to say something")
    with Session(engine) as session, session.begin():
        study = _locked(session, name)
        room = MOST_NOTED - (0 if trial is not None else len(study.note) + 1)
        if len(text) > room:
            raise BadValue(
                f"a study has room for notes of {MOST_NOTED:,} characters, {max(0, room):,} are "
                f"left, and this one has {len(text):,}"
            )
        if trial is None:
            store.note_study(session, study, text)
        else:
            store.note(session, store.find_trial(session, study, trial), text)


# ------------------------------------------------------------------------------------- its end


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went with a study."""

    trials: int
    epochs: int
    folders: Sequence[str]  # of checkpoints and weights


def delete(engine: Engine, name: str, *, files: bool = False) -> Deleted:
    """Delete the study, in Optuna's tables, too; with ``files`` its checkpoints and weights.

    Raises
        BadValue  while it is searched, or if files of another study lie among its own
    """
    with Session(engine.execution_options(**{READS: True}), expire_on_commit=False) as session:
        study = store.find_study(session, name)
        known = {driver.id for driver in store.drivers(session, study.id)}
    refuse_if_searched(engine, study, "delete")
    with Session(engine) as session, session.begin():
        study = _locked(session, name)
        if new := [one for one in store.drivers(session, study.id) if one.id not in known]:
            raise BadValue(f"process {new[0].pid} began to search study {name!r} right now")
        folders = []
        if files:
            from .runs import folders_of  # heavy: pyarrow

            if others := store.sharing_files(session, study):
                raise BadValue(
                    f"{listed(map(repr, others))} refers to weights of study {name!r}: delete "
                    "that study first, or this one without --files"
                )
            left = store.files(session, study).values()
            folders = folders_of(study, {file.address for files in left for file in files})
        gone = Deleted(
            sum(store.counts(session, study).values()),
            store.epochs_in(session, study),
            [str(folder) for folder in folders],
        )
        store.remove(session, study)
    for folder in folders:  # once nothing refers to them
        folder.remove()
    return gone


def _locked(session: Session, name: str) -> Study:
    return store.locked(session, store.find_study(session, name).id)
