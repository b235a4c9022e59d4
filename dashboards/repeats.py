"""How far the same architecture comes when it is trained again: mean and sd over seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .snapshot import Snapshot

__all__ = ["Repeats", "repeats"]

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Repeats:
    """Of each row of a snapshot, what all fully trained trials of its placement came to."""

    seeds: Column  # fully trained trials of this placement; 0 of a row that is not fully trained
    mean: Column  # of their accuracy: shares
    sd: Column  # of their accuracy, of a sample; NaN of a single one


def repeats(snapshot: Snapshot) -> Repeats:
    """The repeats of ``snapshot``, worked out once."""
    return snapshot.kept("repeats", lambda: _repeats(snapshot))


def _repeats(snapshot: Snapshot) -> Repeats:
    rows = np.flatnonzero(snapshot.complete)
    seeds = np.zeros(len(snapshot), dtype=np.int32)
    mean, sd = np.full(len(snapshot), np.nan), np.full(len(snapshot), np.nan)
    if (snapshot.seed[rows] == snapshot.seed[rows[:1]]).all():
        group = np.arange(len(rows))  # as a placement is trained but once with a seed
    else:
        _, group = np.unique(snapshot.key[rows], return_inverse=True)
    shares = snapshot.accuracy[rows]
    count = np.bincount(group)
    middle = np.bincount(group, shares) / np.maximum(count, 1)
    off = np.bincount(group, (shares - middle[group]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(off / (count - 1))  # 0 / 0 of a single one
    seeds[rows], mean[rows], sd[rows] = count[group], middle[group], spread[group]
    return Repeats(seeds, mean, sd)
