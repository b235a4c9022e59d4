"""The history of the hypervolume of accuracy and one cost, for any choice of trials."""

from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Rise", "rises"]

Column = np.ndarray[Any, np.dtype[Any]]
CHUNK = 1024  # trials that are held against one front at once


class Rise(NamedTuple):
    """A trial that made the hypervolume larger."""

    finished: int  # fully trained trials until then, this one included
    hypervolume: float  # share of the box, 0 to 1


def rises(accuracy: Column, cost: Column, *, bare: float, dearest: float) -> list[Rise]:
    """Where the hypervolume rose while the trials ended in this order.

    The box is that of ``search.front.scaled_hypervolume``: from ``bare`` to ``dearest`` cost, 0 to
    1 accuracy; what is cheaper than ``bare`` counts as if it cost as much.
    """
    width = dearest - bare if dearest > bare else 1.0
    scaled = np.maximum(0.0, (cost - bare) / width)
    inside = (scaled < 1.0) & (accuracy > 0.0)
    costs: list[float] = []  # of the front, rising, and
    heights: list[float] = []  # its accuracies, rising with them
    area, found = 0.0, []
    for first in range(0, len(accuracy), CHUNK):
        part = slice(first, first + CHUNK)
        beaten = np.searchsorted(np.array(costs), scaled[part], side="right")
        reached = np.concatenate(([0.0], heights))[beaten]
        for at in first + np.flatnonzero(inside[part] & (accuracy[part] > reached)):
            gained = _insert(costs, heights, float(scaled[at]), float(accuracy[at]))
            if gained > 0:
                area += gained
                found.append(Rise(int(at) + 1, area))
    return found


def _insert(costs: list[float], heights: list[float], cost: float, height: float) -> float:
    """Put a point into the front; by how much the area grows."""
    at = bisect_right(costs, cost)
    below = heights[at - 1] if at else 0.0
    if height <= below:
        return 0.0
    first = bisect_left(costs, cost)
    last = max(first, bisect_right(heights, height))
    gained, left = 0.0, cost
    for i in range(at, last):  # of each member that it takes over
        gained += (costs[i] - left) * (height - below)
        left, below = costs[i], heights[i]
    right = costs[last] if last < len(costs) else 1.0
    gained += (right - left) * (height - below)
    costs[first:last], heights[first:last] = [cost], [height]
    return gained
