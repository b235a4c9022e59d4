"""What an address asks for: the trials that a filter lets through, on a cost axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..errors import BadValue
from ..search.front import knee
from .axes import Axis, axis_called, fitting_axis
from .filters import Filter, number_in
from .lod import Window
from .site import Asked
from .snapshot import Snapshot

__all__ = ["Extent", "View", "nice"]

Column = np.ndarray[Any, np.dtype[Any]]

DRAWN = ("complete", "stopped", "running")  # states of trials that have a place on the chart
SIZE = (960.0, 430.0)  # pixels of a chart, unless an address says another
LOW = 0.02  # share of the fully trained trials that may lie below the chart


@dataclass(frozen=True, slots=True)
class Extent:
    """What of the plane is worth showing."""

    x: tuple[float, float]  # cost
    y: tuple[float, float]  # percent
    steps: tuple[float | None, float | None] = (None, None)  # between ticks; none: as it fits


@dataclass(frozen=True)
class View:
    """The trials of a snapshot that a page is about, and the cost that it draws them against.

    A view is kept with its snapshot, and whatever was computed of it.
    """

    snapshot: Snapshot
    axis: Axis
    filter: Filter
    mask: Column  # which rows the filter lets through

    @classmethod
    def of(cls, asked: Asked, query: Mapping[str, str]) -> Self:
        """The view of an address; a ``UserError`` says what is wrong with it."""
        snapshot, wanted = asked.snapshot, Filter.of(query)
        cost = query.get("cost")
        axis = axis_called(cost) if cost else cls.first_axis(snapshot)
        made: Self = snapshot.kept(
            ("view", axis.id, wanted), lambda: cls(snapshot, axis, wanted, wanted.mask(asked))
        )
        return made

    @staticmethod
    def first_axis(snapshot: Snapshot) -> Axis:
        """The axis of an address that names none."""
        return snapshot.kept("first axis", lambda: fitting_axis(snapshot))

    @cached_property
    def costs(self) -> Column:
        """The cost of every row; NaN where it is not known."""
        return self.axis.of(self.snapshot)

    @cached_property
    def complete(self) -> Column:
        """Which rows are fully trained: a mask."""
        return self.mask & self.snapshot.complete

    @cached_property
    def drawn(self) -> Column:
        """Which rows have a place on the chart: a mask."""
        there = self.mask & self.snapshot.is_in(*DRAWN)
        return there & np.isfinite(self.snapshot.accuracy) & np.isfinite(self.costs)

    @cached_property
    def objectives(self) -> list[str]:
        """What the front is of: the study's objectives, if the axis shows one of several costs."""
        costs = self.snapshot.study.objectives[1:]
        if len(costs) > 1 and self.axis.cost in costs:
            return ["accuracy", *costs]
        return ["accuracy", self.axis.cost]

    @cached_property
    def front(self) -> list[int]:
        """The rows that no other fully trained one dominates, cheapest first."""
        others = [name for name in self.objectives[1:] if name != self.axis.cost]
        columns = [self.costs, *(self.snapshot.columns[name] for name in others)]
        return self.snapshot.front(columns, self.mask)

    @cached_property
    def knee(self) -> int | None:
        """The row of the front's knee."""
        if not self.front:
            return None
        snapshot = self.snapshot
        return self.front[knee([(snapshot.accuracy[i], self.costs[i]) for i in self.front])]

    @cached_property
    def counts(self) -> Column:
        """How many rows are in each of ``records.STATES``."""
        return np.bincount(self.snapshot.state[self.mask], minlength=6)

    @cached_property
    def linear(self) -> float:
        """Within so much of zero a symmetric logarithm is plain: near the least cost there is."""
        costs = self.costs[self.drawn]
        sizes = np.sort(np.abs(costs[costs != 0.0]))
        return (
            float(10.0 ** np.floor(np.log10(sizes[int(len(sizes) * 0.05)]))) if len(sizes) else 1.0
        )

    @cached_property
    def extent(self) -> Extent:
        """All costs, and the accuracies of what is fully trained, but for the worst few."""
        snapshot = self.snapshot
        if not self.drawn.any():
            return Extent((0.0, 1.0), (0.0, 100.0))
        compared = snapshot.baseline & snapshot.complete & np.isfinite(self.costs)
        costs = self.costs[self.drawn | compared]
        some = self.drawn & snapshot.complete
        if not some.any():
            some = self.drawn
        heights = np.sort(snapshot.accuracy[some])
        others = snapshot.accuracy[compared]
        low = 100 * float(min([heights[int(len(heights) * LOW)], *others]))
        high = 100 * float(max([heights[-1], *others]))
        room = 0.06 * (high - low) or 0.5
        *y, up = nice(max(0.0, low - room), min(100.0, high + room), 6)
        least, most = float(costs.min()), float(costs.max())
        if self.axis.scale == "linear":
            room = 0.03 * (most - least) or 0.01 * most
            *x, along = nice(max(0.0, least - room), most + room, 8)
            return Extent((x[0], x[1]), (y[0], y[1]), (along, up))
        left, right = (float(self.scaled(cost)) for cost in (min(0.0, least), most))
        room = 0.04 * (right - left) or 1.0
        ends = self.linear * np.sinh(np.array([left - room, right + room]))
        return Extent((float(ends[0]), float(ends[1])), (y[0], y[1]), (None, up))

    def scaled(self, costs: Any) -> Any:
        """Costs as the axis lays them out."""
        return costs if self.axis.scale == "linear" else np.arcsinh(costs / self.linear)

    def window(self, query: Mapping[str, str]) -> tuple[Window, bool]:
        """The part of the chart that an address asks for, and whether it is but a part.

        ``x0``, ``x1``, ``y0`` and ``y1`` are costs and percents; without them it is all.
        """
        width, height = (
            max(40.0, min(8000.0, number_in(query, name) or size))
            for name, size in zip("wh", SIZE, strict=True)
        )
        ends = [number_in(query, name) for name in ("x0", "x1", "y0", "y1")]
        known = [end for end in ends if end is not None]
        if not known:
            known = [*self.extent.x, *self.extent.y]
        elif len(known) < 4 or known[0] >= known[1] or known[2] >= known[3]:
            raise BadValue("a window takes x0 < x1 and y0 < y1, all four of them")
        left, right = (float(self.scaled(cost)) for cost in known[:2])
        is_part = ends[0] is not None
        return Window((left, right), (known[2] / 100, known[3] / 100), width, height), is_part


def nice(low: float, high: float, count: int) -> tuple[float, float, float]:
    """An interval widened to whole steps of 1, 2 or 5 times a power of ten, about ``count`` of
    them: its ends and the step.
    """
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(lead for lead in (1, 2, 5, 10) if rough <= lead * power)
    start, end = np.floor(low / step + 1e-9) * step, np.ceil(high / step - 1e-9) * step
    return float(f"{start:.12g}"), float(f"{end:.12g}"), float(step)
