"""The cost axes: what accuracy is drawn against, and the front on each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from sqlalchemy.orm import Session

from ..errors import unknown
from ..search.front import front
from ..search.records import Study, Trial
from ..search.store import front_trials, trials

__all__ = ["AXES", "Axis", "axis_called", "fitting_axis", "members"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One cost of a trial."""

    id: str = field(metadata={"help": "as it stands in addresses"})
    label: str = field(metadata={"help": "what the switch says"})
    name: str = field(metadata={"help": "what the chart calls it"})
    scale: str = field(metadata={"help": "linear, or symlog: logarithmic, but plain around zero"})
    of: Callable[[Trial, Study], float] = field(metadata={"help": "the cost of a trial"})
    by_gflops: bool = field(
        metadata={"help": "orders trials as GFLOPs do: the recorded front holds"}
    )


def extra_percent(trial: Trial, study: Study) -> float:
    """GFLOPs over the bare backbone, in percent of it."""
    return 100 * (trial.gflops - study.bare_gflops) / study.bare_gflops


AXES = (
    Axis("gflops", "GFLOPs", "GFLOPs", "linear", lambda t, _: t.gflops, by_gflops=True),
    Axis(
        "extra",
        "Extra over bare, %",
        "extra GFLOPs over bare, %",
        "symlog",
        extra_percent,
        by_gflops=True,
    ),
    Axis(
        "params",
        "Parameters",
        "parameters",
        "linear",
        lambda t, _: float(t.parameters),
        by_gflops=False,
    ),
)


def axis_called(id: str) -> Axis:
    """The axis ``id``; ``UnknownName`` says which there are."""
    for axis in AXES:
        if axis.id == id:
            return axis
    raise unknown("cost axis", id, [axis.id for axis in AXES])


def fitting_axis(on_front: list[Trial]) -> Axis:
    """The axis to open on: extra GFLOPs, where on GFLOPs the front would be a wall.

    A front is a wall where its range is over 20 times its median step.
    """
    costs = sorted({trial.gflops for trial in on_front})
    steps = [b - a for a, b in pairwise(costs)]
    wall = bool(steps) and costs[-1] - costs[0] > 20 * median(steps)
    return axis_called("extra" if wall else "gflops")


def members(session: Session, study: Study, axis: Axis) -> list[Trial]:
    """The fully trained trials that none dominates in accuracy and this cost, cheapest first."""
    if axis.by_gflops:
        return front_trials(session, study)
    finished = trials(session, study, "complete")
    return [finished[i] for i in front([(t.accuracy or 0.0, axis.of(t, study)) for t in finished])]
