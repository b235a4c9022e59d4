"""What the charts draw, as columns of plain numbers; whole, and what changed since a cursor.

The cursor is ``Study.seq``. It is read before the trials, so a change between the two reads is
told twice rather than never.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..search.records import STATES
from .drawings import drawings_of
from .lod import thinned
from .site import Asked
from .view import View
from .volume import Rise, rises

__all__ = ["TOO_OLD", "changes", "history", "points"]

Column = np.ndarray[Any, np.dtype[Any]]
TOO_OLD = 5000  # changes: then the whole is shorter
ALWAYS = 200  # trials that an address may ask to be drawn, whatever lies above them


def points(asked: Asked, view: View, query: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the chart of a view draws, and how many trials each point stands for."""
    snapshot, (window, is_part) = asked.snapshot, view.window(query)
    x, y = view.scaled(view.costs), snapshot.accuracy
    wanted = view.drawn
    if is_part:
        inside = (x >= window.x[0]) & (x <= window.x[1]) & (y >= window.y[0]) & (y <= window.y[1])
        wanted = wanted & inside
    there = np.flatnonzero(wanted)
    order = (
        2 * snapshot.number.astype(np.int64) + (snapshot.state == STATES.index("complete")) * 2**33
    )
    kept = _kept(view, query)
    few = thinned(x[there], y[there], order[there], kept[there], window)
    rows = there[few.rows]
    return {
        "cursor": snapshot.cursor,
        "total": int(view.counts.sum()),
        "drawable": int(view.drawn.sum()),
        "shown": len(rows),
        **_columns(view, rows),
        "c": few.counts.tolist(),
        "front": _front(asked, view),
        "corners": _corners(view),
        "running": _running(view),
        "baselines": _baselines(view),
        "counts": _counts(view),
        "extent": {
            "x": view.extent.x,
            "y": view.extent.y,
            "steps": view.extent.steps,
            "linear": view.linear,
        },
        "alive": asked.alive,
    }


def changes(asked: Asked, view: View, since: int) -> dict[str, Any]:
    """What changed after ``since``.

    A changed trial of which nothing is drawn any more has no height. The front is sent whole, and
    only where it can have moved. ``reset`` tells to read the whole again.
    """
    snapshot = asked.snapshot
    if since > snapshot.cursor or snapshot.cursor - since > TOO_OLD:
        return {"cursor": snapshot.cursor, "reset": True, "alive": asked.alive}
    rows = np.flatnonzero(snapshot.seq > since)
    moved = bool(view.complete[rows].any())
    return {
        "cursor": snapshot.cursor,
        "reset": False,
        "total": int(view.counts.sum()),
        "upsert": _columns(view, rows),
        "front": _front(asked, view) if moved else None,
        "corners": _corners(view) if moved else None,
        "running": _running(view),
        "baselines": _baselines(view) if snapshot.baseline[rows].any() else None,
        "counts": _counts(view),
        "alive": asked.alive,
    }


def history(view: View) -> dict[str, Any]:
    """Where the hypervolume rose: fully trained trials and percent; up to all of them.

    Of all trials it is what the search recorded, over all its objectives. Of those that a filter
    lets through it is computed anew, of accuracy and the first cost.
    """
    found: dict[str, Any] = view.snapshot.kept(("history", view.filter), lambda: _history(view))
    return found


def _history(view: View) -> dict[str, Any]:
    snapshot, study = view.snapshot, view.snapshot.study
    cost = study.objectives[1]
    bare = ({"gflops": study.bare_gflops} | study.bare).get(cost)
    dearest = ({"gflops": study.reference_gflops} | study.reference).get(cost)
    of = study.objectives
    if not view.filter.query:
        finished = int(snapshot.complete.sum())
        steps: Sequence[Rise] = [Rise(one.finished, one.hypervolume) for one in snapshot.steps]
    else:
        rows = np.flatnonzero(view.complete & np.isfinite(snapshot.columns[cost]))
        rows = rows[np.lexsort((snapshot.number[rows], snapshot.ended[rows]))]
        finished, of = len(rows), of[:2]
        known = bare is not None and dearest is not None
        columns = (snapshot.accuracy[rows], snapshot.columns[cost][rows])
        steps = rises(*columns, bare=bare, dearest=dearest) if known else []  # type: ignore[arg-type]
    kept = [
        (one.finished, round(100 * one.hypervolume, 4))
        for i, one in enumerate(steps)
        if i == 0 or one.hypervolume > steps[i - 1].hypervolume
    ]
    return {
        "of": of,
        "ref": {"acc": 0.0, cost: dearest},
        "n": [at for at, _ in kept],
        "hv": [percent for _, percent in kept],
        "finished": finished,
    }


def _kept(view: View, query: Mapping[str, str]) -> Column:
    """Which rows are drawn whatever lies above them: a mask."""
    snapshot = view.snapshot
    kept: Column = snapshot.compared | snapshot.is_in("running")
    kept[view.front] = True
    asked_for = [int(text) for text in query.get("keep", "").split(",") if text.isdecimal()]
    return kept | np.isin(snapshot.number, asked_for[:ALWAYS])


def _columns(view: View, rows: Column) -> dict[str, list[Any]]:
    snapshot = view.snapshot
    heights = np.round(100 * snapshot.accuracy[rows], 3)
    return {
        "n": snapshot.number[rows].tolist(),
        "x": _costs(view, rows),
        "y": [
            height if is_drawn else None
            for height, is_drawn in zip(heights.tolist(), view.drawn[rows].tolist(), strict=True)
        ],
        "state": [STATES[code] for code in snapshot.state[rows].tolist()],
    }


def _costs(view: View, rows: Column) -> list[float | None]:
    """Costs, to a tenth of a pixel of a chart of the whole; none where it is not known."""
    costs = view.costs[rows]
    if view.axis.scale == "linear":
        span = view.extent.x[1] - view.extent.x[0] or abs(view.extent.x[1]) or 1.0
        decimals = max(0, int(np.ceil(5 - np.log10(span))))
        rounded = np.round(costs, decimals)
    else:
        size = np.abs(np.where(np.isfinite(costs) & (costs != 0), costs, 1.0))
        decimals_of = np.clip(5 - np.floor(np.log10(size)), 0, 22)
        rounded = np.round(costs * 10**decimals_of) / 10**decimals_of
    if np.isfinite(rounded).all():
        found: list[float | None] = rounded.tolist()
        return found
    return [cost if np.isfinite(cost) else None for cost in rounded.tolist()]


def _front(asked: Asked, view: View) -> dict[str, Any]:
    numbers = [int(view.snapshot.number[row]) for row in view.front]
    columns = _columns(view, np.array(view.front, dtype=np.int64))
    del columns["state"]
    drawn = drawings_of(asked)
    return columns | {
        "drawing": [drawn.line(number) for number in drawn.known(asked, numbers)],
        "of": view.objectives,
        "knee": None if view.knee is None else int(view.snapshot.number[view.knee]),
    }


def _corners(view: View) -> list[tuple[float, float]]:
    """The best accuracy within each cost, where it rises: the stairs of the front."""
    found: list[tuple[float, float]] = []
    rows = np.array(view.front, dtype=np.int64)
    heights = (100 * view.snapshot.accuracy[rows]).round(3).tolist()
    for cost, height in zip(_costs(view, rows), heights, strict=True):
        if cost is not None and (not found or height > found[-1][1]):
            found.append((cost, height))
    return found


def _running(view: View) -> list[dict[str, Any]]:
    """Trials in training, those without a finished epoch, too."""
    there = view.mask & view.snapshot.is_in("running") & np.isfinite(view.costs)
    columns = _columns(view, np.flatnonzero(there))
    names = ("n", "x", "y")
    rows = zip(*(columns[name] for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _baselines(view: View) -> list[dict[str, Any]]:
    """What to compare with, whatever the filter."""
    snapshot = view.snapshot
    placed = snapshot.compared & np.isfinite(snapshot.accuracy) & np.isfinite(view.costs)
    rows = np.flatnonzero(placed & ~snapshot.is_in("failed", "infeasible"))
    return [
        {"n": int(snapshot.number[row]), "name": snapshot.text("origin", int(row)), "x": x, "y": y}
        for row, x, y in zip(
            rows,
            _costs(view, rows),
            np.round(100 * snapshot.accuracy[rows], 3).tolist(),
            strict=True,
        )
    ]


def _counts(view: View) -> dict[str, int]:
    return {state: int(view.counts[i]) for i, state in enumerate(STATES)}
