"""What a candidate that was stopped would have reached: for samplers, which learn from it.

A sampler that hears nothing of the stopped ones, or their last values, learns the wrong thing:
half of a training is no worse a place. What they would have reached is read off the candidates
that were trained to the end.
"""

from collections.abc import Sequence
from statistics import fmean

__all__ = ["expected"]

LATELY = 4  # epochs whose mean says where a curve stands: single ones jump
TRUST = 3.0  # finished curves that weigh as much as the assumption that a lead is kept whole


def expected(curve: Sequence[float], finished: Sequence[Sequence[float]]) -> float:
    """The accuracy in the end that a ``curve`` so far lets expect, 0 to 1.

    Where it stands is compared with where the ``finished`` ones stood at that epoch: it will gain
    what they gained on average since, and keep of its lead (or lag) the part that leads were kept
    by among them, found by least squares. While they are few, leads are taken to be kept. Finished
    curves that are no longer than this one say nothing.

    Without any, it is the last value.
    """
    at = len(curve)
    if at == 0:
        return fmean(one[-1] for one in finished if one) if any(finished) else 0.0
    longer = [one for one in finished if len(one) > at]
    if not longer:
        return min(1.0, max(0.0, curve[-1]))
    here = _stands(curve)
    stood = [_stands(one[:at]) for one in longer]
    ends = [one[-1] for one in longer]
    middle, end = fmean(stood), fmean(ends)
    spread = fmean([(x - middle) ** 2 for x in stood])
    together = fmean([(x - middle) * (y - end) for x, y in zip(stood, ends, strict=True)])
    count = len(longer)
    kept = (count * together / spread + TRUST) / (count + TRUST) if spread > 0 else 1.0
    return min(1.0, max(0.0, end + kept * (here - middle)))


def _stands(curve: Sequence[float]) -> float:
    return fmean(curve[-LATELY:])
