"""Learning curves with a known truth, to try stopping rules on."""

from math import exp, log
from random import Random

from .replay import Recorded

__all__ = ["synthetic"]


def synthetic(
    count: int,
    epochs: int,
    *,
    seed: int,
    noise: float = 0.05,
    crossing: float = 0.3,
    quality: float = 0.015,
    gain: float = 0.06,
) -> list[Recorded]:
    """``count`` candidates, each with its curve.

    One of relative cost c, 1 to 4, draws near to 0.84 + ``gain`` * log4(c) + its quality, which
    has a standard deviation of ``quality``. It does so exponentially, and each has a speed of its
    own (``crossing``: standard deviation of its logarithm), the dearer ones a lower one: so curves
    cross, and the slowest are not there in the end. An epoch's accuracy has a ``noise`` that falls
    to a tenth in the end, as it does when the learning rate falls.
    """
    rng = Random(seed)
    found = []
    for number in range(count):
        cost = 4 ** rng.random()
        goal = 0.84 + gain * log(cost, 4) + rng.gauss(0, quality)
        pace = epochs / 5 * cost**0.1 * exp(rng.gauss(0, crossing))
        curve = []
        for epoch in range(1, epochs + 1):
            jitter = noise * (1 - 0.9 * (epoch / epochs) ** 2)
            share = goal - (goal - 0.1) * exp(-epoch / pace) + rng.gauss(0, jitter)
            curve.append(min(1.0, max(0.0, share)))
        found.append(Recorded(number, tuple(curve), (cost,)))
    return found
