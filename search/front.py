"""The Pareto front of accuracy (up) and cost (down), and the area that it dominates."""

from bisect import bisect_right
from collections.abc import Sequence
from math import isfinite

__all__ = ["Point", "dominates", "front", "hypervolume", "knee", "ranks"]

Point = tuple[float, float]  # accuracy, higher is better; cost, lower is better


def dominates(a: Point, b: Point) -> bool:
    """``a`` is at least as good as ``b`` in both, and better in one."""
    return a[0] >= b[0] and a[1] <= b[1] and a != b


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other dominates, cheapest first.

    Equal points do not dominate each other: all of them are on the front. A point that is not
    finite is on no front.
    """
    finite = [i for i, point in enumerate(points) if all(map(isfinite, point))]
    finite.sort(key=lambda i: (points[i][1], -points[i][0]))
    members: list[int] = []
    for i in finite:
        if not members or points[i][0] > points[members[-1]][0] or points[i] == points[members[-1]]:
            members.append(i)
    return members


def ranks(points: Sequence[Point]) -> list[int]:
    """Of each point, how many fronts have to be peeled off before it is on one; from 0.

    In O(n log n): among points sorted by cost, a point's rank is the length of the longest chain
    of points that dominate each other and end before it. Every point has to be finite.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0]))
    found = [0] * len(points)
    worst: list[float] = []  # of each front so far: minus the best accuracy, rising
    previous: int | None = None
    for i in order:
        if previous is not None and points[i] == points[previous]:
            found[i] = found[previous]
            continue
        value = -points[i][0]
        rank = bisect_right(worst, value)
        if rank == len(worst):
            worst.append(value)
        else:
            worst[rank] = value
        found[i] = rank
        previous = i
    return found


def hypervolume(points: Sequence[Point], *, reference: Point) -> float:
    """The area between the front and ``reference``; what is no better than it counts nothing."""
    inside = [p for p in points if p[0] > reference[0] and p[1] < reference[1]]
    area, accuracy = 0.0, reference[0]
    for i in front(inside):
        gained, cost = inside[i]
        if gained > accuracy:
            area += (gained - accuracy) * (reference[1] - cost)
            accuracy = gained
    return area


def knee(points: Sequence[Point]) -> int:
    """Index of the front's knee: the member farthest above the line between its two ends.

    Both objectives are scaled to the front's own range. Where nothing lies above that line it is
    the most accurate.

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
