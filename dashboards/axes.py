"""The cost axes: what accuracy is drawn against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from ..errors import unknown
from .snapshot import Snapshot

__all__ = ["AXES", "Axis", "axes_of", "axis_called", "extra_percent", "fitting_axis"]

Column = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Axis:
    """One cost of a trial."""

    id: str = field(metadata={"help": "as it stands in addresses"})
    label: str = field(metadata={"help": "what the switch says"})
    name: str = field(metadata={"help": "what the chart calls it"})
    scale: str = field(metadata={"help": "linear, or symlog: logarithmic, but plain around zero"})
    cost: str = field(metadata={"help": "the column of a snapshot that it shows"})
    of: Callable[[Snapshot], Column] = field(
        metadata={"help": "the cost of every trial; NaN where it is not known"}
    )


def extra_percent(snapshot: Snapshot) -> Column:
    """GFLOPs over the bare backbone, in percent of it."""
    bare = snapshot.study.bare_gflops
    percent: Column = 100 * (snapshot.gflops - bare) / bare
    return percent


AXES = (
    Axis("gflops", "GFLOPs", "GFLOPs", "linear", "gflops", lambda s: s.gflops),
    Axis(
        "extra", "extra GFLOPs, %", "extra GFLOPs over bare, %", "symlog", "gflops", extra_percent
    ),
    Axis("params", "parameters", "parameters", "linear", "parameters", lambda s: s.parameters),
    Axis("latency", "latency", "measured latency, ms", "linear", "latency", lambda s: s.latency),
    Axis(
        "memory",
        "memory",
        "activations of one image, MB",
        "linear",
        "memory",
        lambda s: s.memory / 1e6,
    ),
)


def axis_called(id: str) -> Axis:
    """The axis ``id``; ``UnknownName`` says which there are."""
    for axis in AXES:
        if axis.id == id:
            return axis
    raise unknown("cost axis", id, [axis.id for axis in AXES])


def axes_of(snapshot: Snapshot) -> tuple[Axis, ...]:
    """The axes on which a trial of ``snapshot`` has a place; GFLOPs are always known."""
    always = ("gflops", "extra")
    return tuple(
        axis for axis in AXES if axis.id in always or np.isfinite(snapshot.columns[axis.cost]).any()
    )


def fitting_axis(snapshot: Snapshot) -> Axis:
    """The axis to open on: of the first cost that the search makes small.

    Of GFLOPs it is the extra ones, where on GFLOPs the front would be a wall: where its range is
    over 20 times its median step, or that of all fully trained trials over 20 times its range.
    """
    cost = snapshot.study.objectives[1]
    if cost != "gflops":
        return next(axis for axis in AXES if axis.cost == cost)
    costs = np.unique(snapshot.gflops[snapshot.on_front]).tolist()
    steps = [b - a for a, b in pairwise(costs)]
    span = costs[-1] - costs[0] if steps else 0.0
    all_costs = snapshot.gflops[snapshot.complete]
    wall = bool(steps) and (span > 20 * median(steps) or np.ptp(all_costs) > 20 * span)
    return axis_called("extra" if wall else "gflops")
