"""Who trained what, and when: a span of time for each trial, by worker."""

from typing import Any

import numpy as np

from ..search import store
from ..search.records import STATES
from .filters import Filter
from .site import Asked
from .snapshot import Column, code_of, seconds_of

__all__ = ["MOST", "gantt"]

MOST = 3_000  # spans; of more, the latest


def gantt(
    asked: Asked, wanted: Filter, *, window: float | None = None, last: int | None = None
) -> dict[str, Any]:
    """The spans of the trials that ``wanted`` lets through, by worker: columns of a Gantt chart.

    Those that touch the last ``window`` seconds before ``until``, the latest moment on record; of
    these the ``last`` to begin. A span is [begin, end, place of its state in ``states``, trial,
    attempts that failed before], in seconds since 1970. Who trains now has no end; of a trial whose
    driver gave no sign of life lately, or that waits to be continued, it is the end of its last
    epoch. ``busy`` is the share of the window, from the worker's first trial on, in which it had a
    trial. Only the latest worker of a trial is on record: an interrupted one may have begun
    elsewhere.
    """
    snapshot = asked.snapshot
    begun = wanted.mask(asked) & np.isfinite(snapshot.started)
    end = _ends(asked)
    until = _latest(snapshot.started, snapshot.ended, snapshot.created, end)
    if window is not None and until is not None:
        begun &= ~(end < until - window)  # who has no end is there, too
    rows = np.flatnonzero(begun)
    rows = rows[np.argsort(snapshot.started[rows], kind="stable")]
    shown = rows[-min(MOST, MOST if last is None else last) :]
    by_worker: dict[int, list[int]] = {}
    for row in shown.tolist():
        by_worker.setdefault(int(snapshot.worker[row]), []).append(row)

    def span(row: int) -> list[Any]:
        ended = None if np.isnan(end[row]) else round(float(end[row]), 1)
        start, state = round(float(snapshot.started[row]), 1), int(snapshot.state[row])
        return [start, ended, state, int(snapshot.number[row]), int(snapshot.failures[row])]

    workers = []
    for code, mine in by_worker.items():
        name = snapshot.names["worker"].text(code)
        workers.append(
            {
                "id": name,
                "host": None if name is None else name.rpartition(":")[0] or name,
                "device": snapshot.text("device", mine[-1]),
                "busy": _busy(snapshot.started[mine], end[mine], window, until),
                "spans": [span(row) for row in mine],
            }
        )
    workers.sort(key=lambda one: (one["id"] is None, one["id"]))
    return {
        "study": asked.study.id,
        "alive": asked.alive,
        "states": STATES,
        "until": until,
        "from": None if until is None or window is None else until - window,
        "workers": workers,
        "left_out": len(rows) - len(shown),
    }


def _busy(begin: Column, end: Column, window: float | None, until: float | None) -> float | None:
    """The share of the time since the first ``begin``, within the window, that spans cover."""
    if until is None:
        return None
    low = float(begin.min()) if window is None else max(float(begin.min()), until - window)
    covered, at = 0.0, low
    for first, last in zip(begin, np.where(np.isnan(end), until, end), strict=True):  # by begin
        covered += max(0.0, float(last) - max(at, float(first)))
        at = max(at, float(last))
    return round(min(1.0, covered / (until - low)), 4) if until > low else None


def _ends(asked: Asked) -> Column:
    """When each row ended, as far as it did; NaN of what is being trained, or was never begun."""
    snapshot = asked.snapshot
    end: Column = snapshot.ended.copy()
    held = np.isfinite(snapshot.started) & snapshot.is_in("running", "waiting")
    if not held.any():
        return end
    seen = store.latest_epochs(asked.session, asked.study, ("running", "waiting"))
    for row in np.flatnonzero(held).tolist():
        waits = snapshot.state[row] == code_of("waiting")
        if waits or not asked.alive:
            at = seen.get(int(snapshot.number[row]))
            end[row] = snapshot.started[row] if at is None else seconds_of(at)
    return end


def _latest(*moments: Column) -> float | None:
    found = [float(column[np.isfinite(column)].max(initial=-np.inf)) for column in moments]
    return None if max(found) == -np.inf else round(max(found), 1)
