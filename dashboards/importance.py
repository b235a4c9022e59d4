"""At which place does the choice of a module matter most? PED-ANOVA of what stands at each place.

How differently the best tenth of the trials chooses at a place than all of them do, as a Pearson
divergence (Watanabe et al., IJCAI 2023, https://arxiv.org/abs/2304.10255). It takes counts alone,
so it is worked out anew whenever a trial ends; Optuna's evaluator gives the same numbers.
"""

from math import ceil
from typing import Any

import numpy as np

from .filters import Filter
from .heat import Chosen, chosen
from .site import Asked
from .snapshot import Column

__all__ = ["FEWEST", "importance", "ped_anova"]

BEST = 0.1  # share of the trials that is held against all
FEWEST = 50  # trials, so that five are among the best: of less it says little
TINY = 1e-12  # so that no probability is 0


def importance(asked: Asked, wanted: Filter) -> dict[str, Any]:
    """For accuracy (``acc``) and each cost of the study's objectives: the share of each place.

    Over the fully trained trials that ``wanted`` lets through. The shares of an objective add up to
    1; with less than two trials, or where no choice differs, there is nothing to say: null.
    """
    snapshot, at = asked.snapshot, chosen(asked, wanted.backbone)
    counted = snapshot.complete & at.rows & wanted.mask(asked)
    losses = {"acc": -snapshot.accuracy}
    losses |= {name: snapshot.columns[name] for name in asked.study.objectives[1:]}
    places = [at.places[i] for i in np.flatnonzero(at.searched)]
    labels = [place.label for place in places]
    found: dict[str, Any] = {}
    for name, loss in losses.items():
        of_places = ped_anova(at, counted & np.isfinite(loss), loss)[at.searched]
        whole = of_places.sum()
        shares = (of_places / whole).round(6).tolist() if whole > 0 else None
        found[name] = shares and dict(zip(labels, shares, strict=True))
    return {
        "cursor": snapshot.cursor,
        "method": "ped-anova",
        "stale": False,
        "backbone": at.backbone,
        "trials": int(counted.sum()),
        "fewest": FEWEST,
        "places": labels,
        "paths": [place.path for place in places],
        "objectives": [*losses],
        **found,
    }


def ped_anova(at: Chosen, counted: Column, loss: Column) -> Column:
    """The importance of each place for a low ``loss`` among the rows ``counted``; not scaled.

    Choices at a place are nothing, and every module that a trial of the backbone has there.
    """
    count = int(counted.sum())
    if count < 2:
        return np.zeros(len(at.places))
    worst = np.partition(loss[counted], ceil(BEST * count) - 1)[ceil(BEST * count) - 1]
    best = counted & (loss <= worst)
    offered = at.sums(at.rows) > 0
    offered = np.vstack((np.ones((1, len(at.places)), dtype=bool), offered))
    top, every = (_density(_counts(at, rows), offered) for rows in (best, counted))
    divergence = np.where(offered, every * (top / every - 1) ** 2, 0.0).sum(axis=0)
    found: Column = (int(best.sum()) / count) ** 2 * divergence
    return found


def _counts(at: Chosen, rows: Column) -> Column:
    """How many of ``rows`` have nothing, and how many each module, at each place."""
    n = at.sums(rows)
    return np.vstack((rows.sum() - n.sum(axis=0), n))


def _density(counts: Column, offered: Column) -> Column:
    """The choices' probabilities at each place: a kernel on each that occurs, and an even prior.

    A kernel spreads the weight of one over all kernels evenly among the choices, and the prior
    counts as one trial.
    """
    choices, trials = offered.sum(axis=0), counts.sum(axis=0)
    spread = 1 / ((counts > 0).sum(axis=0) + 1)
    kernels = (counts + trials * spread) / (1 + choices * spread)
    found: Column = (kernels + 1 / choices) / (trials + 1) + TINY
    return found
