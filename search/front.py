"""The Pareto front of accuracy (up) and any number of costs (down), and what it dominates."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Point", "dominates", "front", "hypervolume", "knee", "ranks", "scaled_hypervolume"]

Point = tuple[float, ...]  # accuracy, higher is better; costs, lower is better
Table = np.ndarray[Any, np.dtype[np.float64]]


def dominates(a: Point, b: Point, *, lead: float = 0.0) -> bool:
    """``a`` is at least as good as ``b`` in everything, and better in something.

    With a ``lead`` it has to be more accurate by at least so much.
    """
    no_dearer = all(mine <= other for mine, other in zip(a[1:], b[1:], strict=True))
    return no_dearer and a[0] >= b[0] + lead and a != b


def front(points: Sequence[Point] | Table) -> list[int]:
    """Indices of the points that no other dominates, cheapest first.

    That is by the first cost, then by the next. Equal points do not dominate each other: all of
    them are on the front. A point that is not finite is on no front.
    """
    if len(points) == 0:  # an array, too
        return []
    table = np.array(points, dtype=float)
    losses = np.column_stack((table[:, 1:], -table[:, 0]))
    finite = np.flatnonzero(np.isfinite(losses).all(axis=1))
    order = finite[np.lexsort(losses[finite].T[::-1])]
    rows = losses[order]
    is_new = np.ones(len(rows), dtype=bool)  # of equal ones, the first
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    member = _undominated(rows[is_new])[is_new.cumsum() - 1]
    return [int(i) for i in order[member]]


def _undominated(rows: Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of ``rows``, all different and in order, no other is at most as large as everywhere."""
    member = np.zeros(len(rows), dtype=bool)
    if rows.shape[1] == 2:  # then the last column falls along the front
        least = np.minimum.accumulate(rows[:, 1])
        member[:1], member[1:] = True, rows[1:, 1] < least[:-1]
        return member
    left = np.arange(len(rows))
    while len(left):
        member[left[0]] = True  # none that comes later dominates it
        left = left[(rows[left, 1:] < rows[left[0], 1:]).any(axis=1)]
    return member


def ranks(points: Sequence[Point], *, lead: float = 0.0) -> list[int]:
    """Of each point, how many fronts have to be peeled off before it is on one; from 0.

    It is the length of the longest chain of points, each dominating the next by ``lead``, that
    ends before the point: with one cost it takes O(n log n) to find all, with more O(n^2).

    Raises
        ValueError  if a value is not a number
    """
    if any(value != value for point in points for value in point):
        raise ValueError("a point that is not a number has no rank")
    losses = [(*point[1:], -point[0]) for point in points]
    rows = sorted(set(losses))
    chains = _along_one_cost if rows and len(rows[0]) == 2 else _along_costs
    found = dict(zip(rows, chains(rows, lead), strict=True))
    return [found[loss] for loss in losses]


def _along_one_cost(rows: Sequence[Point], lead: float) -> list[int]:
    """The best accuracy of each rank so far falls with the rank."""
    found: list[int] = []
    best: list[float] = []  # of each rank: minus the best accuracy, rising
    for _, value in rows:
        rank = bisect_right(best, value - lead)
        if rank == len(best):
            best.append(value)
        best[rank] = min(best[rank], value)
        found.append(rank)
    return found


def _along_costs(rows: Sequence[Point], lead: float) -> list[int]:
    columns = np.array(rows).T.copy()[1:]  # in the first they are in order
    found = np.zeros(len(rows), dtype=int)
    for i in range(len(rows)):
        beaten = columns[-1, :i] <= columns[-1, i] - lead
        for column in columns[:-1]:
            beaten &= column[:i] <= column[i]
        found[i] = 1 + found[:i].max(where=beaten, initial=-1)
    return [int(rank) for rank in found]


def hypervolume(points: Sequence[Point], *, reference: Point) -> float:
    """What lies between the front and ``reference``; what is no better than it counts nothing.

    With one cost it is an area, with two a volume. Each cost more makes it dearer to compute: of a
    front of a hundred points take three costs a tenth of a second.
    """
    inside = [point for point in points if _is_inside(point, reference)]
    members = [inside[i] for i in front(inside)]
    if len(reference) != 2:  # of each member, by how much it is better in what
        return _volume(np.abs(np.array(members, dtype=float) - reference)) if members else 0.0
    area, accuracy = 0.0, reference[0]
    for gained, cost in members:
        if gained > accuracy:
            area += (gained - accuracy) * (reference[1] - cost)
            accuracy = gained
    return area


def _is_inside(point: Point, reference: Point) -> bool:
    cheaper = all(cost < bound for cost, bound in zip(point[1:], reference[1:], strict=True))
    return cheaper and point[0] > reference[0]


def _volume(corners: Table) -> float:
    """Of the union of the boxes from 0 to each of ``corners``: slice by slice, of one axis less."""
    if corners.shape[1] == 1:
        return float(corners.max())
    corners = corners[np.argsort(-corners[:, 0], kind="stable")]
    thickness = -np.diff(corners[:, 0], append=0.0)
    if corners.shape[1] == 2:
        return float(thickness @ np.maximum.accumulate(corners[:, 1]))
    slices = ((i, thick) for i, thick in enumerate(thickness, 1) if thick > 0)
    return sum(float(thick) * _volume(corners[:i, 1:]) for i, thick in slices)


def scaled_hypervolume(
    points: Sequence[Point], bare: Sequence[float], dearest: Sequence[float]
) -> float:
    """The share of the box from ``bare`` to ``dearest`` costs, 0 to 1 accuracy, that is dominated.

    It is the mean, over all budgets in that range, of the best accuracy within the budget. Points
    cheaper than the bare backbone in some cost count as if they cost as much there; where nothing
    is dearer, the box is that one budget.
    """
    widths = [
        most - least if most > least else 1.0 for least, most in zip(bare, dearest, strict=True)
    ]
    scaled = [
        (
            accuracy,
            *(
                max(0.0, (cost - least) / width)
                for cost, least, width in zip(costs, bare, widths, strict=True)
            ),
        )
        for accuracy, *costs in points
    ]
    return hypervolume(scaled, reference=(0.0, *[1.0] * len(widths)))


def knee(points: Sequence[Point]) -> int:
    """Index of the front's knee: the member farthest above the line between its two ends.

    It takes points of one cost. Both objectives are scaled to the front's own range. Where nothing
    lies above that line it is the most accurate.

    Raises
        ValueError  if there is no finite point
    """
    members = front(points)
    if not members:
        raise ValueError("an empty front has no knee")
    (low, cheap), (high, dear) = points[members[0]], points[members[-1]]
    if len(members) < 3 or high == low or dear == cheap:
        return members[-1]

    def above(i: int) -> float:
        return (points[i][0] - low) / (high - low) - (points[i][1] - cheap) / (dear - cheap)

    return max(members, key=lambda i: (above(i), points[i][0]))
