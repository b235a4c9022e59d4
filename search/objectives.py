"""What a search makes small while it makes the accuracy large, and the bounds that it keeps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, Self

from ..errors import BadValue, listed, unknown

__all__ = [
    "ACCURACY",
    "COSTS",
    "UNITS",
    "Constraint",
    "check_objectives",
    "check_reachable",
    "costs_of",
    "values",
    "violations",
]

ACCURACY = "accuracy"  # what the recipe's metric says; the one objective to be large
UNITS = {
    "gflops": "GFLOPs",  # 10^9 operations of one image
    "parameters": "parameters",
    "memory": "bytes",  # of the activations of one image that are alive at once
    "latency": "ms",  # of one image, measured by the worker
}
COSTS = tuple(UNITS)
FORMS = "'gflops <= 1.02 * backbone' or 'parameters <= 300k'"
SUFFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}

Costs = Mapping[str, float]  # by names of COSTS


class Priced(Protocol):
    """What counting says of a network: a ``spaces.Cost``."""

    @property
    def gflops(self) -> float: ...

    @property
    def parameters(self) -> int: ...

    @property
    def peak_bytes(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Constraint:
    """An upper bound of one cost: a number, or a multiple of what the bare backbone costs.

    Raises
        UnknownName  for a cost that there is not
        BadValue     for a bound that nothing could keep
    """

    cost: str
    limit: float
    is_relative: bool = False  # to the bare backbone's cost

    def __post_init__(self) -> None:
        if self.cost not in COSTS:
            raise unknown("cost", self.cost, COSTS)
        if not (isfinite(self.limit) and self.limit > 0):
            raise BadValue(f"a constraint bounds {self.cost} by more than 0, got {self.limit:g}")

    def __str__(self) -> str:
        bound = repr(float(self.limit)).removesuffix(".0")
        if self.is_relative:
            bound = "backbone" if self.limit == 1 else f"{bound} * backbone"
        return f"{self.cost} <= {bound}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The constraint that ``text`` says, such as ``gflops <= 1.02 * backbone``.

        Numbers may end in k, M or G, for 10^3, 10^6 and 10^9. ``str`` gives the text back, in its
        one spelling.
        """
        number = r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
        form = rf"\s*(\w+)\s*<=\s*(?:{number}([kMG]?)|(?:{number}\s*\*\s*)?backbone)\s*"
        found = re.fullmatch(form, text)
        if found is None:
            raise BadValue(f"a constraint is written {FORMS}, got {text!r}")
        cost, bound, suffix, factor = found.groups()
        if bound is None:
            return cls(cost, float(factor or 1), is_relative=True)
        return cls(cost, float(bound) * SUFFIXES[suffix])

    def violation(self, costs: Costs, bare: Costs) -> float:
        """By which share of the bound the cost is above it; at most 0 if the constraint is kept.

        ``bare`` is what the bare backbone costs. What is within rounding of the bound keeps it.
        """
        bound = self.limit * bare[self.cost] if self.is_relative else self.limit
        return round(costs[self.cost] / bound - 1, 12)


def costs_of(priced: Priced) -> dict[str, float]:
    """What is known of a network before anything is trained or measured, by the names of costs."""
    known = {"gflops": priced.gflops, "parameters": float(priced.parameters)}
    return known if priced.peak_bytes is None else known | {"memory": float(priced.peak_bytes)}


def values(objectives: Sequence[str], accuracy: float, costs: Costs) -> tuple[float, ...]:
    """What a network reaches in each of ``objectives``, in their order: a ``Point`` of a front."""
    return (float(accuracy), *(float(costs[name]) for name in objectives[1:]))


def violations(constraints: Sequence[Constraint], costs: Costs, bare: Costs) -> dict[str, float]:
    """The violation of each constraint, by its text.

    Constraints of what ``costs`` do not say, such as a latency before it is measured, are left
    out. The latencies of ``costs`` and ``bare`` have to be measured together.
    """
    return {
        str(constraint): constraint.violation(costs, bare)
        for constraint in constraints
        if constraint.cost in costs
    }


def check_objectives(objectives: Sequence[str]) -> None:
    """Raise a ``UserError`` unless a front can be made of ``objectives``."""
    for name in objectives:
        if name not in (ACCURACY, *COSTS):
            raise unknown("objective", name, (ACCURACY, *COSTS))
    if objectives[:1] != (ACCURACY,) or len(objectives) < 2:
        raise BadValue(
            f"objectives are {ACCURACY} and then one of {listed(COSTS, last='or')} or several, "
            f"got {list(objectives)}"
        )
    if len(set(objectives)) < len(objectives):
        raise BadValue(f"an objective may be named once, got {list(objectives)}")


def check_reachable(
    objectives: Sequence[str], constraints: Sequence[Constraint], bases: Sequence[Costs]
) -> None:
    """Raise a ``BadValue`` if a cost is known of nobody, or no bare backbone keeps a constraint.

    ``bases`` are what these cost, the one that all is compared with first. Of a latency, before
    any is measured, it is only known that the one is as quick as itself.
    """
    bare = bases[0]
    for cost in (*objectives[1:], *(constraint.cost for constraint in constraints)):
        if cost not in bare and cost != "latency":
            raise BadValue(f"nobody can say what this backbone takes of {cost}: search without it")
    for constraint in constraints:
        if constraint.cost in bare:
            over = min(constraint.violation(costs, bare) for costs in bases)
            has = f", with {bare[constraint.cost]:.15g} {UNITS[constraint.cost]}"
        elif constraint.is_relative and len(bases) == 1:
            same = {constraint.cost: 1.0}
            over, has = constraint.violation(same, same), ""
        else:
            continue
        if over > 0:
            raise BadValue(f"not even the bare backbone keeps {str(constraint)!r}{has}")
