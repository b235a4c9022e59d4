"""Where does which module help? Trials summed up by place and module, for a heat map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import unknown
from .filters import Filter
from .placements import Place
from .site import Asked

__all__ = ["METRICS", "Chosen", "among_front", "chosen", "heat"]

Column = np.ndarray[Any, np.dtype[Any]]
METRICS = ("gain", "front", "n")  # what a cell may say


@dataclass(frozen=True, slots=True)
class Chosen:
    """Module ``module[i]`` stands at place ``place[i]`` in row ``row[i]`` of the snapshot.

    It is of one backbone: places of several are not the same places.
    """

    backbone: str
    backbones: tuple[str, ...]  # of all trials
    rows: Column  # of the snapshot on this backbone: a mask
    row: Column
    place: Column  # in ``places``
    module: Column  # in ``modules``
    places: tuple[Place, ...]  # in the order of the forward pass
    modules: tuple[str, ...]  # in the order of the alphabet
    searched: Column  # the places where more than the baselines have a module; or all: a mask

    def sums(self, counted: Column, weights: Column | None = None) -> Column:
        """Of ``weights``, or of ones, over the rows ``counted``: a table of modules and places."""
        there = counted[self.row]
        cells = self.module[there] * len(self.places) + self.place[there]
        shape = len(self.modules), len(self.places)
        what = None if weights is None else weights[self.row[there]]
        found: Column = np.bincount(cells, what, minlength=shape[0] * shape[1]).reshape(shape)
        return found


def chosen(asked: Asked, backbone: str | None = None) -> Chosen:
    """What stands where on ``backbone``, or on the one with the most trials."""
    return asked.snapshot.kept(("chosen", backbone), lambda: _chosen(asked, backbone))


def heat(asked: Asked, wanted: Filter, metric: str = "gain") -> dict[str, Any]:
    """A table of modules and places, over the fully trained trials that ``wanted`` lets through.

        gain   mean accuracy of those with the module at the place minus the mean of those with
               nothing there, in points of percent; ``error`` is its standard error
        front  percent of the front's members that have the module at the place
        n      trials that have it there

    A cell's ``n`` says of how many trials it is, and ``nothing`` how many have nothing at a place.
    A gain is association: what stands at one place was chosen together with all the others.
    Places where nothing but baselines have a module are left out.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    at, snapshot = chosen(asked, wanted.backbone), asked.snapshot
    counted = snapshot.complete & at.rows & wanted.mask(asked)
    trials = int(counted.sum())
    more: dict[str, Any] = {}
    if metric == "front":
        counted = among_front(asked, counted)
        more["front"] = int(counted.sum())
    n = at.sums(counted)
    nothing = counted.sum() - n.sum(axis=0)
    modules = np.asarray(at.sums(at.rows)[:, at.searched].any(axis=1))
    places = [at.places[i] for i in np.flatnonzero(at.searched)]

    def shown(table: Column) -> Column:
        found: Column = table[np.ix_(modules, at.searched)]
        return found

    value: Column = n
    if metric == "front":
        value = np.divide(100.0 * n, counted.sum(), out=np.full(n.shape, np.nan), where=n > 0)
    elif metric == "gain":
        value, error = _gain(at, counted, 100 * snapshot.accuracy, n, nothing)
        more["error"] = listed(shown(error))
    return {
        "cursor": snapshot.cursor,
        "metric": metric,
        "backbone": at.backbone,
        "backbones": at.backbones,
        "trials": trials,
        "places": [place.label for place in places],
        "paths": [place.path for place in places],
        "modules": [name for name, there in zip(at.modules, modules, strict=True) if there],
        "value": listed(shown(value)),
        "n": shown(n).tolist(),
        "nothing": nothing[at.searched].tolist(),
        **more,
    }


def among_front(asked: Asked, counted: Column) -> Column:
    """Which of the rows ``counted`` no other of them dominates in the study's objectives."""
    snapshot = asked.snapshot
    costs = [snapshot.columns[name] for name in asked.study.objectives[1:]]
    found = np.zeros(len(snapshot), dtype=bool)
    found[snapshot.front(costs, counted)] = True
    return found


def listed(table: Column, digits: int = 4) -> list[Any]:
    """``table`` as JSON has it: what is no number is null."""
    found = (np.round(table.astype(float), digits) + 0.0).astype(object)  # no minus zero
    found[~np.isfinite(table)] = None
    kept: list[Any] = found.tolist()
    return kept


def _gain(
    at: Chosen, counted: Column, share: Column, n: Column, nothing: Column
) -> tuple[Column, Column]:
    """The gain and its standard error; NaN where there are too few for either."""
    off = np.where(counted, share - (share[counted].mean() if counted.any() else 0.0), 0.0)
    sums, squares = at.sums(counted, off), at.sums(counted, off**2)
    without = off.sum() - sums.sum(axis=0), (off**2).sum() - squares.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = sums / n - without[0] / nothing
        error = np.sqrt(_spread(sums, squares, n) / n + _spread(*without, nothing) / nothing)
    return gain, error


def _spread(sums: Column, squares: Column, n: Column) -> Column:
    """The sample variance, of a mean near 0; NaN of less than two."""
    found: Column = np.maximum(0.0, squares - sums**2 / n) / np.where(n > 1, n - 1, np.nan)
    return found


def _chosen(asked: Asked, backbone: str | None) -> Chosen:
    snapshot, stands = asked.snapshot, asked.stands
    if backbone is None:
        backbone = _commonest(stands.backbones, stands.backbone)
    code = stands.backbones.index(backbone) if backbone in stands.backbones else -1
    last = max(stands.trials.max(initial=-1), snapshot.number.max(initial=-1))
    row_of = np.full(last + 1, -1, dtype=np.int32)  # trials that came since have none
    row_of[snapshot.number] = np.arange(len(snapshot), dtype=np.int32)
    rows = np.zeros(len(snapshot), dtype=bool)
    there = row_of[stands.trials[stands.backbone == code]]
    rows[there[there >= 0]] = True

    row = row_of[stands.number]
    mine = (row >= 0) & rows[row]
    used = np.bincount(stands.place[mine], minlength=len(stands.places)) > 0
    known = np.bincount(stands.module[mine], minlength=len(stands.modules)) > 0
    own = np.bincount(stands.place[mine & ~snapshot.baseline[row]], minlength=len(used)) > 0
    return Chosen(
        backbone,
        stands.backbones,
        rows,
        row[mine],
        (used.cumsum() - 1)[stands.place[mine]],
        (known.cumsum() - 1)[stands.module[mine]],
        tuple(place for place, there in zip(stands.places, used, strict=True) if there),
        tuple(name for name, there in zip(stands.modules, known, strict=True) if there),
        own[used] if own.any() else used[used],
    )


def _commonest(names: Sequence[str], codes: Column) -> str:
    return names[int(np.bincount(codes).argmax())] if len(names) else ""
