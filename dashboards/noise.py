"""How far luck alone moves an accuracy, and which neighbours on a front it cannot tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from ..search import store
from ..search.health import LATE, LONG, wiggle
from .numbers import word
from .repeats import repeats
from .snapshot import Snapshot

__all__ = ["Noise", "noise_of", "within_noise"]

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of accuracies, as shares."""

    common: float | None  # of any trial; none: nothing is known
    how: str  # where it is from, in words
    own: dict[int, tuple[float, int]]  # by row: of a placement with several seeds, and how many

    def sd(self, row: int) -> float | None:
        """Of the accuracy of a row."""
        return self.own[row][0] if row in self.own else self.common


def noise_of(session: Session, snapshot: Snapshot, on_front: Sequence[int]) -> Noise:
    """From placements trained with several seeds; else a guess from the ends of the front's curves.

    The guess is the median of how much the last ``LATE`` epochs scatter about a straight line, of
    curves of at least ``LONG``: in a shorter one they still rise.
    """
    known = repeats(snapshot)
    rows = np.flatnonzero(known.seeds > 1)
    if len(rows):
        seeds, sd = known.seeds[rows], known.sd[rows]
        freedom = (seeds - 1) / seeds  # of a row: its part of that of its placement
        pooled = float(np.sqrt((freedom * sd**2).sum() / freedom.sum()))
        placements = word(round(float((1 / seeds).sum())), "placement")
        own = dict(zip(rows.tolist(), zip(sd.tolist(), seeds.tolist(), strict=True), strict=True))
        return Noise(pooled, f"from {placements} trained with several seeds", own)
    long = [int(snapshot.id[row]) for row in on_front if snapshot.epochs[row] >= LONG]
    wiggles = [wiggle(end) for end in store.ends_of_some(session, long, LATE)] if long else []
    if not wiggles:
        return Noise(None, "not known: no seed was repeated, and the curves are short", {})
    how = f"guessed from the last {LATE} epochs of the front's curves, as no seed was repeated"
    return Noise(median(wiggles), how, {})


def within_noise(rows: Sequence[int], accuracy: Column, noise: Noise) -> set[int]:
    """The rows whose bars of one standard deviation overlap those of a neighbour on the front."""
    found: set[int] = set()
    for a, b in pairwise(rows):
        one, other = noise.sd(a), noise.sd(b)
        if one is None or other is None:
            continue
        if abs(accuracy[a] - accuracy[b]) < one + other:
            found |= {a, b}
    return found
