"""Whether a candidate trains on: a pure decision from what all candidates reached at a rung.

Stopping on accuracy alone kills exactly the cheap candidates that a front needs. So a rung ranks
by non-dominated sorting of accuracy so far and GFLOPs (multi-objective successive halving,
https://arxiv.org/abs/2106.12639), asynchronously: each candidate is judged when it arrives,
against those that came before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from .._settings import Settings
from .front import Point, ranks

__all__ = ["Decision", "Stopping", "decide", "rungs"]


class Stopping(Settings):
    """When and how hard candidates are judged."""

    rule: Literal["pareto", "none"] = "pareto"
    first: int = Field(4, ge=1)  # epochs before the first rung; earlier ones tell little
    factor: float = Field(2.0, gt=1)  # rungs lie factor times apart, and 1/factor of each passes
    least: int = Field(6, ge=2)  # candidates at a rung before it stops any


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate at a rung, and why."""

    keep: bool
    reason: str


def rungs(stopping: Stopping, epochs: int) -> list[int]:
    """The epochs after which candidates are judged; the last epoch is none of them."""
    found: list[int] = []
    at = float(stopping.first)
    while stopping.rule != "none" and round(at) < epochs:
        found.append(round(at))
        at = max(at * stopping.factor, at + 1)
    return found


def decide(candidate: Point, others: Sequence[Point], stopping: Stopping, epoch: int) -> Decision:
    """Judge ``candidate`` against the ``others`` that reached the rung at ``epoch`` before it.

    All are (accuracy so far, GFLOPs). The candidate passes if it is on the rung's front, or among
    the best 1/factor by rank; among equal ranks the one with more room on its front is better.
    """
    if len(others) + 1 < stopping.least:
        return Decision(True, f"the first {len(others) + 1} at epoch {epoch}")
    points = [*others, candidate]
    rank = ranks(points)
    peers = [i for i in range(len(points)) if rank[i] == rank[-1]]
    room = _room([points[i] for i in peers])
    better = sum(other < rank[-1] for other in rank)
    better += sum(other > room[-1] for other in room)
    passes = len(points) / stopping.factor
    keep = rank[-1] == 0 or better < passes
    place = f"place {better + 1} of {len(points)} at epoch {epoch} by rank {rank[-1]} on (accuracy"
    place += f" {100 * candidate[0]:.2f} %, {candidate[1]:.4g} GFLOPs)"
    return Decision(keep, place if keep else f"{place}; the best {passes:.3g} pass")


def _room(points: Sequence[Point]) -> list[float]:
    """Crowding distance along a front: how far the neighbours lie apart; the ends have all."""
    room = [0.0] * len(points)
    for axis in (0, 1):
        order = sorted(range(len(points)), key=lambda i: points[i][axis])
        width = points[order[-1]][axis] - points[order[0]][axis]
        room[order[0]] = room[order[-1]] = float("inf")
        for left, here, right in zip(order, order[1:], order[2:], strict=False):
            if width > 0:
                room[here] += (points[right][axis] - points[left][axis]) / width
    return room
