"""What the charts draw, as columns of plain numbers; whole, and what changed since a cursor.

The cursor is ``Study.seq``. It is read before the trials, so a change between the two reads is
told twice rather than never.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from ..search.records import FrontStep, Study, Trial
from ..search.store import changed_since, counts, front_steps, trials
from ..spaces.placement import Placement, draw
from .axes import Axis, members
from .site import Asked

__all__ = ["TOO_OLD", "changes", "drawing", "history", "points"]

DRAWN = ("complete", "stopped", "running")
TOO_OLD = 5000  # changes: then the whole is shorter


def points(asked: Asked, axis: Axis) -> dict[str, Any]:
    """Everything that the charts of a study draw."""
    session, study, cursor = asked.session, asked.study, asked.snapshot.cursor
    there = trials(session, study)
    drawn = [trial for trial in there if _height(trial) is not None]
    return {
        "cursor": cursor,
        "total": len(there),
        "shown": len(drawn),
        **_columns(drawn, study, axis),
        "front": _front(session, study, axis),
        "baselines": _baselines(there, study, axis),
        "counts": counts(session, study),
        "hypervolume": history(front_steps(session, study), asked.snapshot.counts["complete"]),
    }


def changes(asked: Asked, axis: Axis, since: int) -> dict[str, Any] | None:
    """What changed after ``since``; ``None`` if nothing did.

    A changed trial of which nothing is drawn any more has no height. The front and its history are
    sent whole, and only where they can have moved. ``reset`` tells to read the whole again.
    """
    session, study, cursor = asked.session, asked.study, asked.snapshot.cursor
    if since == cursor:
        return None
    if since > cursor or cursor - since > TOO_OLD:
        return {"cursor": cursor, "reset": True}
    changed = changed_since(session, study, since)
    moved = any(trial.state == "complete" for trial in changed)
    return {
        "cursor": cursor,
        "reset": False,
        "upsert": _columns(changed, study, axis),
        "front": _front(session, study, axis) if moved else None,
        "baselines": _baselines(changed, study, axis),
        "counts": counts(session, study),
        "hypervolume": history(front_steps(session, study), asked.snapshot.counts["complete"])
        if moved
        else None,
    }


def drawing(trial: Trial, study: Study) -> str:
    """The architecture of ``trial`` in one line."""
    return draw(Placement.parse(trial.placement), study.sites)


def history(steps: Sequence[FrontStep], finished: int) -> dict[str, list[float]]:
    """Where the hypervolume rose: fully trained trials and percent; to all of ``finished``."""
    kept = [
        (step.finished, round(100 * step.hypervolume, 4))
        for i, step in enumerate(steps)
        if i == 0 or step.hypervolume != steps[i - 1].hypervolume
    ]
    if kept and kept[-1][0] < finished:
        kept.append((finished, kept[-1][1]))
    return {"finished": [at for at, _ in kept], "percent": [share for _, share in kept]}


def _height(trial: Trial) -> float | None:
    if trial.state not in DRAWN or trial.accuracy is None:
        return None
    return round(100 * trial.accuracy, 4)


def _width(trial: Trial, study: Study, axis: Axis) -> float:
    return float(f"{axis.of(trial, study):.7g}")


def _columns(some: Sequence[Trial], study: Study, axis: Axis) -> dict[str, list[Any]]:
    return {
        "n": [trial.number for trial in some],
        "x": [_width(trial, study, axis) for trial in some],
        "y": [_height(trial) for trial in some],
        "state": [trial.state for trial in some],
    }


def _front(session: Session, study: Study, axis: Axis) -> dict[str, list[Any]]:
    on_front = members(session, study, axis)
    columns = _columns(on_front, study, axis)
    del columns["state"]
    return columns | {"drawing": [drawing(trial, study) for trial in on_front]}


def _baselines(some: Iterable[Trial], study: Study, axis: Axis) -> list[dict[str, Any]]:
    return [
        {
            "n": trial.number,
            "name": trial.origin,
            "x": _width(trial, study, axis),
            "y": _height(trial),
        }
        for trial in some
        if trial.is_baseline
    ]
