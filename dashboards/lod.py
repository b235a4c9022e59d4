"""Fewer points than trials: of those that would fall on one spot of a chart, the newest."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CELL", "MOST", "Thinned", "Window", "thinned"]

Column = np.ndarray[Any, np.dtype[Any]]

CELL = 4.0  # pixels a side within which points cannot be told apart
MOST = 8_000  # points to draw besides those that are always drawn; then cells grow


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a chart that is looked at, and how large it is drawn."""

    x: tuple[float, float]  # from left to right, on the axis's scale
    y: tuple[float, float]
    width: float  # pixels
    height: float


@dataclass(frozen=True, slots=True)
class Thinned:
    """The rows to draw, and how many each stands for."""

    rows: Column  # sorted
    counts: Column


def thinned(x: Column, y: Column, order: Column, kept: Column, window: Window) -> Thinned:
    """All rows that are ``kept`` (a mask), and of every cell of ``window`` the row last in
    ``order``, with how many rows of the cell it stands for.

    What lies outside of the window counts to the cell at its edge, so that it is seen to be there.
    """
    others = np.flatnonzero(~kept)
    cell = CELL
    while True:
        cells = _cells(x[others], y[others], window, cell)
        unique, counts = np.unique(cells, return_counts=True)
        if len(unique) <= MOST:
            break
        cell *= max(1.1, (len(unique) / MOST) ** 0.5)
    by_cell = others[np.lexsort((order[others], cells))]
    newest = by_cell[np.cumsum(counts) - 1]
    always = np.flatnonzero(kept)
    rows = np.concatenate((always, newest))
    stands_for = np.concatenate((np.ones(len(always), dtype=np.int64), counts))
    sorting = np.argsort(rows)
    return Thinned(rows[sorting], stands_for[sorting])


def _cells(x: Column, y: Column, window: Window, cell: float) -> Column:
    """The number of the cell that each point falls into."""
    column, columns = _along(x, window.x, window.width, cell)
    row, _ = _along(y, window.y, window.height, cell)
    return row * columns + column


def _along(
    values: Column, ends: tuple[float, float], pixels: float, cell: float
) -> tuple[Column, int]:
    count = max(1, int(np.ceil(pixels / cell)))
    span = ends[1] - ends[0]
    share = (values - ends[0]) / span if span > 0 else np.zeros(len(values))
    return (np.clip(share, 0.0, 1.0) * count).astype(np.int64).clip(0, count - 1), count
