"""Whether an early ranking is that of the end: Spearman's rank correlation and what it is worth."""

from math import atanh, sqrt, tanh
from typing import Any

import numpy as np

from .snapshot import Column

__all__ = ["spearman"]

WIDE = 1.96  # standard errors to each side: 95 %


def spearman(a: Column, b: Column) -> dict[str, Any]:
    """The correlation ``rho`` of the ranks of ``a`` and ``b``, ``n`` of each, equal ones sharing a
    rank; from ``low`` to ``high`` with 95 % confidence.

    The interval is Fisher's, with the variance of Bonett and Wright (2000),
    (1 + rho^2 / 2) / (n - 3). Less than four, or no difference at all, have no correlation.
    """
    n = len(a)
    unknown = {"n": n, "rho": None, "low": None, "high": None}
    if n < 4:
        return unknown
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale == 0:
        return unknown
    rho = float(np.clip((x @ y) / scale, -1, 1))
    half = WIDE * sqrt((1 + rho**2 / 2) / (n - 3))
    middle = atanh(float(np.clip(rho, -1 + 1e-12, 1 - 1e-12)))
    low, high = (tanh(middle + side * half) for side in (-1, 1))
    return {"n": n, "rho": round(rho, 4), "low": round(low, 4), "high": round(high, 4)}


def _ranks(values: Column) -> Column:
    """From 1, the least first; of equal ones the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Column = (counts.cumsum() - (counts - 1) / 2)[which]
    return found
