"""Whether a candidate trains on: a pure decision from what all candidates reached at a rung.

Stopping on accuracy alone kills exactly the cheap candidates that a front needs. So a rung ranks
by non-dominated sorting of accuracy so far and costs (multi-objective successive halving,
https://arxiv.org/abs/2106.12639), asynchronously: each candidate is judged when it arrives,
against those that came before. Two rules that look at accuracy alone are there to compare with.

``foveate replay`` shows what each rule would have saved and lost on a study of yours.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf, nextafter, sqrt
from statistics import fmean, median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._settings import Settings
from .front import Point, Table, ranks

__all__ = ["Decision", "Reached", "Stopping", "decide", "rungs"]

Ranks = NDArray[np.int_]


LONGEST = 100_000  # epochs in which a training is judged


class Stopping(Settings):
    """When, by which rule and how hard candidates are judged."""

    rule: Literal["pareto", "asha", "median", "none"] = "pareto"
    first: int = Field(2, ge=1)  # epochs before the first rung; earlier ones tell little
    factor: float = Field(1.6, gt=1)  # rungs lie factor times apart, and 1/factor of each passes
    least: int = Field(6, ge=2)  # candidates at a rung before it stops any
    lately: int = Field(3, ge=1)  # of pareto: epochs whose mean is the accuracy that counts
    tolerance: float = Field(0.0, ge=0)  # of pareto: leads below so many times the noise are none
    ties: Literal["epsilon-net", "hypervolume", "crowding"] = "epsilon-net"  # of pareto: who first


@dataclass(frozen=True, slots=True)
class Reached:
    """A candidate at a rung: its curve until there, and what it costs."""

    trial: int
    curve: tuple[float, ...]  # accuracy after each epoch, the rung's last
    costs: tuple[float, ...]  # GFLOPs, and any others; lower is better


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate at a rung, and why."""

    keep: bool
    reason: str  # a sentence for the user
    rule: str
    epoch: int
    accuracy: float  # of the candidate, as the rule takes it
    of: int  # candidates at the rung until then, this one included
    place: int | None = None  # of this one among them, from 1; of a median there is none
    rank: int | None = None  # of pareto: fronts to peel off before it is on one
    threshold: float | None = None  # just above this accuracy it would have passed; kept: none

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def rungs(stopping: Stopping, epochs: int) -> list[int]:
    """The epochs after which candidates are judged; the last epoch is none of them.

    They lie ``factor`` times apart. The median rule judges at every epoch from the ``first`` on, in
    the first ``LONGEST``.
    """
    epochs = min(epochs, LONGEST)
    if stopping.rule == "none":
        return []
    if stopping.rule == "median":
        return list(range(stopping.first, epochs))
    found: list[int] = []
    at = float(stopping.first)
    while round(at) < epochs:
        found.append(round(at))
        at = max(at * stopping.factor, at + 1)
    return found


def decide(
    candidate: Reached, others: Sequence[Reached], stopping: Stopping, epoch: int
) -> Decision:
    """Judge ``candidate`` against the ``others`` that reached the rung at ``epoch`` before it.

    Their order does not matter. While there are fewer than ``least``, all pass. Then

        pareto  passes what is on the rung's front, and the best 1/factor by rank, that is by how
                many fronts have to be peeled off. The accuracy is the mean of the last ``lately``
                epochs, and what leads by less than ``tolerance`` times the noise of the curves
                does not dominate; only within a rank it does. Within a front decide ``ties``
        asha    passes the most accurate 1/factor, right at the rung (https://arxiv.org/abs/1810.05934)
        median  passes what was at its best no worse than the median of the others' running means
                (Vizier, https://research.google/pubs/pub46180)

    Raises
        ValueError  if the candidates have different numbers of costs
    """
    judge = {"pareto": _pareto, "asha": _asha, "median": _median, "none": _none}[stopping.rule]
    if len(others) + 1 < stopping.least and stopping.rule != "none":
        few = f"the first {len(others) + 1} at epoch {epoch}"
        return Decision(True, few, stopping.rule, epoch, candidate.curve[-1], len(others) + 1)
    return judge(candidate, others, stopping, epoch)


# --------------------------------------------------------------------------------------- the rules


def _none(
    candidate: Reached, others: Sequence[Reached], stopping: Stopping, epoch: int
) -> Decision:
    accuracy, of = candidate.curve[-1], len(others) + 1
    return Decision(True, "nothing is stopped", stopping.rule, epoch, accuracy, of)


def _asha(
    candidate: Reached, others: Sequence[Reached], stopping: Stopping, epoch: int
) -> Decision:
    mine, theirs = candidate.curve[-1], sorted((one.curve[-1] for one in others), reverse=True)
    of = len(others) + 1
    better = sum(other > mine for other in theirs)
    keep = better < of / stopping.factor
    # as many are ahead of it as may be: one place less would do
    threshold = None if keep else theirs[_passing(of, stopping.factor) - 1]
    reason = f"place {better + 1} of {of} at epoch {epoch} by accuracy ({_percent(mine)})"
    if threshold is not None:
        reason += f"; more than {_percent(threshold)} would have passed"
    return Decision(keep, reason, "asha", epoch, mine, of, place=better + 1, threshold=threshold)


def _median(
    candidate: Reached, others: Sequence[Reached], stopping: Stopping, epoch: int
) -> Decision:
    mine, of = max(candidate.curve), len(others) + 1
    bar = median(fmean(one.curve) for one in others)
    keep = mine >= bar
    sign = "at least" if keep else "below"
    reason = f"at its best {_percent(mine)} until epoch {epoch}, {sign} the median of the running "
    reason += f"means of {len(others)} others ({_percent(bar)})"
    return Decision(keep, reason, "median", epoch, mine, of, threshold=None if keep else bar)


def _pareto(
    candidate: Reached, others: Sequence[Reached], stopping: Stopping, epoch: int
) -> Decision:
    if any(len(one.costs) != len(candidate.costs) for one in others):
        raise ValueError(f"every candidate has {len(candidate.costs)} costs, or none is comparable")
    mine, of = _lately(candidate, stopping), len(others) + 1
    points = sorted((_lately(one, stopping), *one.costs) for one in others)
    lead = stopping.tolerance * sqrt(2 / min(stopping.lately, epoch)) * _noise(others)

    among = np.array(ranks(points, lead=lead))
    table = np.array(points)

    def stands(accuracy: float) -> tuple[int, int]:
        return _stands((accuracy, *candidate.costs), table, among, lead, stopping.ties)

    def passes(accuracy: float) -> bool:
        here = (accuracy, *candidate.costs)
        return not _dominating(table, here).any() or (stands(accuracy)[1] < of / stopping.factor)

    rank, better = stands(mine)
    keep = passes(mine)
    threshold = None
    if not keep:  # more accurate than all it would be on the front, whatever it costs
        bars = sorted({point[0] for point in points if point[0] >= mine})
        low, high = 0, len(bars) - 1
        while low < high:
            middle = (low + high) // 2
            would = passes(nextafter(bars[middle], inf))
            low, high = (low, middle) if would else (middle + 1, high)
        threshold = bars[low]
    costs = ", ".join(f"{cost:.4g}" for cost in candidate.costs)
    units = "GFLOPs" if len(candidate.costs) == 1 else "as costs"
    reason = f"place {better + 1} of {of} at epoch {epoch} by rank {rank} on (accuracy "
    reason += f"{_percent(mine)}, {costs} {units})"
    if threshold is not None:
        reason += f"; more than {_percent(threshold)} would have passed"
    return Decision(
        keep, reason, "pareto", epoch, mine, of, place=better + 1, rank=rank, threshold=threshold
    )


def _lately(one: Reached, stopping: Stopping) -> float:
    return fmean(one.curve[-stopping.lately :])


def _noise(others: Sequence[Reached]) -> float:
    """The standard deviation of a typical curve's epochs around its course, lately.

    It is that of the last epoch but one around the middle of its neighbours, estimated by the
    median, so that no failed training counts; 0 of curves of less than three epochs.
    """
    curves = [one.curve for one in others if len(one.curve) >= 3]
    if not curves:
        return 0.0
    off = median(abs(curve[-2] - (curve[-3] + curve[-1]) / 2) for curve in curves)
    return off / 0.6745 / sqrt(1.5)  # of a normal distribution; three epochs jump, not one


def _passing(of: int, factor: float) -> int:
    """How many of ``of`` may pass: those with fewer than of/factor ahead."""
    whole = int(of / factor)
    return whole if whole == of / factor else whole + 1


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


# ------------------------------------------------------------------------------------- the ranking


def _stands(mine: Point, others: Table, among: Ranks, lead: float, ties: str) -> tuple[int, int]:
    """The rank of ``mine`` among the ``others``, and how many of them come before it.

    First those of a lower rank; then, of its own rank, those of a front before its own when the
    ``lead`` that it takes to dominate is none; then, on that front, in the order of ``ties``.
    ``among`` are the ranks that the others have without it: it only moves what it dominates, and
    that comes after it anyway.
    """
    better = _dominating(others, mine, lead=lead)
    rank = 1 + int(among.max(where=better, initial=-1))
    peers = [*map(tuple, others[among == rank].tolist()), mine]
    fronts = ranks(peers)
    ahead = int((among < rank).sum()) + sum(there < fronts[-1] for there in fronts)
    peers = [peer for peer, there in zip(peers, fronts, strict=True) if there == fronts[-1]]
    return rank, ahead + _TIES[ties](mine, peers)


def _dominating(table: Table, mine: Point, *, lead: float = 0.0) -> NDArray[np.bool_]:
    """Which rows dominate ``mine``: ``front.dominates``, of thousands at once."""
    no_dearer = (table[:, 1:] <= mine[1:]).all(axis=1)
    found: NDArray[np.bool_] = no_dearer & (table[:, 0] >= mine[0] + lead)
    found &= (table != mine).any(axis=1)
    return found


def _crowding(mine: Point, peers: Sequence[Point]) -> int:
    """How many of ``peers`` have more room: the sum over objectives of how far neighbours lie."""
    room = dict.fromkeys(peers, 0.0)
    for axis in range(len(mine)):
        order = sorted(room, key=lambda point: (point[axis], point))
        width = order[-1][axis] - order[0][axis]
        room[order[0]] = room[order[-1]] = inf
        for left, here, right in zip(order, order[1:], order[2:], strict=False):
            if width > 0:
                room[here] += (right[axis] - left[axis]) / width
    return sum(room[peer] > room[mine] for peer in peers)


def _hypervolume(mine: Point, peers: Sequence[Point]) -> int:
    """How many of ``peers`` add more area that no other dominates; the two ends come first.

    With more than one cost it is the order of ``_epsilon_net``.
    """
    if len(mine) != 2:
        return _epsilon_net(mine, peers)
    order = sorted(set(peers), key=lambda point: (point[1], -point[0]))
    added = dict.fromkeys((order[0], order[-1]), inf)
    for left, here, right in zip(order, order[1:], order[2:], strict=False):
        added[here] = (here[0] - left[0]) * (right[1] - here[1])
    return sum(added[peer] > added[mine] for peer in peers)


def _epsilon_net(mine: Point, peers: Sequence[Point]) -> int:
    """How many of ``peers`` come before ``mine`` in the greedy order that spreads.

    First the most accurate; then always the one that is farthest from all that were taken, with
    every objective scaled to the range of ``peers`` (https://arxiv.org/abs/2106.12639, 3.2).
    """
    different = sorted(set(peers), reverse=True)
    table = np.array(different)
    width = np.ptp(table, axis=0)
    table = table / np.where(width > 0, width, 1.0)
    wanted, taken = different.index(mine), 0
    distance = np.square(table - table[0]).sum(axis=1)
    ahead = 0
    while taken != wanted:
        ahead += peers.count(different[taken])
        distance[taken] = -inf
        taken = int(distance.argmax())
        distance = np.minimum(distance, np.square(table - table[taken]).sum(axis=1))
    return ahead


_TIES: dict[str, Callable[[Point, Sequence[Point]], int]] = {
    "epsilon-net": _epsilon_net,
    "hypervolume": _hypervolume,
    "crowding": _crowding,
}
