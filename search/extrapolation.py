"""What a candidate that was stopped would have reached: for samplers, which learn from it.

A sampler that hears nothing of the stopped ones, or their last values, learns the wrong thing: a
candidate that stopped half-way is no worse than the rest. What it would have reached is read off
those that were trained to the end.
"""

from collections.abc import Sequence
from statistics import fmean, median

__all__ = ["expected"]

LATELY = 3  # epochs whose mean says where a curve stands: single ones jump
TRUST = 3.0  # finished curves that weigh as much as what is assumed of leads without any


def expected(curve: Sequence[float], finished: Sequence[Sequence[float]]) -> float:
    """The accuracy in the end that a ``curve`` so far lets expect, 0 to 1.

    It ends as the ``finished`` ones did that stood where it stands: of a lead (or a lag) a share
    is kept to the end. That share is the median among pairs of finished curves, of which one stood
    among the better half and one among the worse (Theil's incomplete method), so that a training
    that failed moves nothing; while they are few, it is drawn to the share of the epochs that are
    done. Finished curves that are no longer than this one say nothing; without any it is the last
    value.
    """
    at = len(curve)
    longer = [one for one in finished if len(one) > at]
    if not longer:
        return _share(curve[-1]) if at else 0.0
    if at == 0:
        return _share(median(one[-1] for one in longer))
    here = fmean(curve[-LATELY:])
    pairs = sorted((fmean(one[max(0, at - LATELY) : at]), one[-1]) for one in longer)
    half = (len(pairs) + 1) // 2
    kept = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in zip(pairs, pairs[half:], strict=False)
        if after[0] > before[0]
    ]
    done = at / max(map(len, longer))
    trusted = len(pairs) if kept else 0
    share = (trusted * (median(kept) if kept else 0.0) + TRUST * done) / (trusted + TRUST)
    return _share(median(end + share * (here - stood) for stood, end in pairs))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
