"""Which modules stand together on the front, and how many modules a placement takes."""

from typing import Any

import numpy as np

from .filters import Filter
from .heat import Chosen, among_front, chosen, listed
from .site import Asked
from .snapshot import Column

__all__ = ["counts", "pairs", "together"]

ROWS = 24  # of the table of counts: where there are more, neighbours share one


def together(asked: Asked, wanted: Filter) -> dict[str, Any]:
    """Both, of the fully trained trials that ``wanted`` lets through."""
    snapshot, at = asked.snapshot, chosen(asked, wanted.backbone)
    counted = snapshot.complete & at.rows & wanted.mask(asked)
    front = among_front(asked, counted)
    return {
        "cursor": snapshot.cursor,
        "backbone": at.backbone,
        "trials": int(counted.sum()),
        "front": int(front.sum()),
        "modules": at.modules,
        "together": pairs(at, front).tolist(),
        "counts": counts(at, counted, 100 * snapshot.accuracy),
    }


def pairs(at: Chosen, counted: Column) -> Column:
    """How many of ``counted`` have both modules, wherever they stand; both the same: have it."""
    rows = np.flatnonzero(counted)
    has = np.zeros((len(rows), len(at.modules)), dtype=np.int64)
    there = counted[at.row]
    has[np.searchsorted(rows, at.row[there]), at.module[there]] = 1
    found: Column = has.T @ has
    return found


def counts(at: Chosen, counted: Column, percent: Column) -> list[dict[str, Any]]:
    """How ``percent`` spreads among the rows with ``least`` to ``most`` modules: five numbers."""
    rows = np.flatnonzero(counted)
    modules = np.bincount(at.row, minlength=len(counted))[rows]
    width = 1 + int(modules.max(initial=0)) // ROWS
    found = []
    for group in np.unique(modules // width).tolist():
        some = percent[rows[modules // width == group]]
        five = listed(np.quantile(some, [0, 0.25, 0.5, 0.75, 1]))
        least = width * group
        about = {"least": least, "most": least + width - 1, "trials": len(some)}
        found.append(about | dict(zip(("low", "q1", "median", "q3", "high"), five, strict=True)))
    return found
